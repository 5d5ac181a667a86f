package shell

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/ui"
)

// maxLine is the maximum length in bytes of a script's line, including all its rows: a megabyte
// of data, ZooKeeper's default limit, fits in any quoting.
const maxLine = 16 << 20

// scriptLines are the lines of a script. A line has several rows if a quote is open.
type scriptLines struct {
	rows   *bufio.Scanner
	number int // of rows read
}

func newScriptLines(r io.Reader) *scriptLines {
	rows := bufio.NewScanner(r)
	rows.Buffer(nil, maxLine)
	rows.Split(splitRows)
	return &scriptLines{rows: rows}
}

// splitRows is bufio.ScanLines, but keeps carriage returns, which may be data.
func splitRows(data []byte, atEOF bool) (advance int, row []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// next returns the next line and the number of its first row, or io.EOF.
func (s *scriptLines) next() (text string, first int, err error) {
	var line strings.Builder
	var c command.Continuation
	first = s.number + 1
	for s.rows.Scan() {
		row := s.rows.Text()
		if s.number++; s.number == 1 {
			row = strings.TrimPrefix(row, "\ufeff")
		}
		if line.Len()+len(row) > maxLine {
			return "", first, errLongLine
		}
		line.WriteString(row)
		if !c.Add(row) {
			return line.String(), first, nil
		}
		line.WriteByte('\n')
	}
	switch err := s.rows.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return "", first, errLongLine
	case err != nil:
		return "", first, err
	case s.number < first:
		return "", first, io.EOF
	}
	return line.String(), first, nil // parsing it will report the open quote
}

var errLongLine = fmt.Errorf("the line is longer than %d bytes; put its data into a file: @file", maxLine)

// RunScript runs the lines of r one after the other; blank lines and comments are skipped. It
// stops at the first error, unless opts.KeepGoing is set, and returns it with the name of the
// script and the line; its exit code is that of the *ui.ExitError in it. With KeepGoing, errors
// are printed as they happen and the exit code of the first is returned. It ends early when ctx
// is done.
//
// Differs(script-stops): zkCli continues, so what a script does after an error is unpredictable.
//
// Watch events are printed unless Session.OnWatch is set. The caller closes the session.
func RunScript(ctx context.Context, opts Options, r io.Reader, name string) error {
	streams := *opts.Streams
	if r == streams.In { // the lines are not input for the commands
		streams.In, streams.InTTY = strings.NewReader(""), false
	}
	out := &sharedio.Writer{W: streams.Out}
	streams.Out = out
	if opts.Session != nil && opts.Session.OnWatch == nil {
		opts.Session.OnWatch = session.EventPrinter(out, opts.Output)
	}
	opts.Streams = &streams
	run := newRunner(opts, &history{})
	ctx = command.Confirming(ctx, &run.env)
	return run.script(ctx, r, name, func(text string) error {
		err := run.line(ctx, text, &streams)
		if err != nil && out.Failed() != nil { // nobody reads the rest of the output
			run.opts.KeepGoing = false
		}
		return err
	})
}

// script runs the lines of in one after the other, each by run.
func (r *runner) script(ctx context.Context, in io.Reader, name string, run func(text string) error) error {
	lines := newScriptLines(infile.Reader(ctx, in))
	code := ui.ExitOK
	for !r.quit {
		text, number, err := lines.next()
		switch {
		case ctx.Err() != nil:
			return command.Explain(ctx, ctx.Err())
		case errors.Is(err, io.EOF):
			return ended(code)
		case err != nil:
			return atLine(err, name, number)
		}
		if err = run(text); err == nil {
			continue
		}
		var open *openQuoteError
		if errors.As(err, &open) {
			number += open.row // the rest of the script is inside the quote
		}
		err = ui.InFormat(atLine(command.Advise(err), name, number), r.opts.Output)
		if !r.opts.KeepGoing || ctx.Err() != nil {
			return err
		}
		ui.Report(r.opts.Streams.Err, err)
		if code == ui.ExitOK {
			code = exitCode(err)
		}
	}
	return ended(code)
}

// ended is the error of a script that ran to its end, or nil for exit code 0.
func ended(code int) error {
	if code == ui.ExitOK {
		return nil
	}
	return &ui.ExitError{Code: code}
}

// atLine adds where in a script an error happened. The exit code stays.
func atLine(err error, name string, number int) error {
	if err.Error() == "" { // already reported by the command
		return &ui.ExitError{Code: exitCode(err), Err: fmt.Errorf("%s:%d: failed", name, number)}
	}
	return &ui.ExitError{Code: exitCode(err), Err: fmt.Errorf("%s:%d: %w", name, number, err)}
}
