package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/ui"
)

// maxLine is the longest line of a script, in bytes: data of a megabyte, ZooKeeper's default
// limit, fits in every quoting.
const maxLine = 16 << 20

// RunScript runs the lines of r one after the other; blank lines and comments are skipped.
// It stops at the first error, unless opts.KeepGoing, and returns it with the name of the
// script and the line; its exit code is that of a *ui.ExitError in it. With KeepGoing errors
// are printed where they happen and the first one's exit code is returned. It ends early
// when ctx is done. Events of znodes are printed unless Session.OnWatch is set. The caller closes the session.
func RunScript(ctx context.Context, opts Options, r io.Reader, name string) error {
	streams := *opts.Streams
	if r == streams.In { // the lines are not for the commands to read
		streams.In, streams.InTTY = strings.NewReader(""), false
	}
	out := &ui.LockedWriter{W: streams.Out}
	if opts.Session != nil && opts.Session.OnWatch == nil {
		opts.Session.OnWatch = commands.EventPrinter(out, opts.Output)
		streams.Out = out
	}
	opts.Streams = &streams
	run := newRunner(opts, &history{})
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	code := ui.ExitOK
	number := 0
	for scanner.Scan() && !run.quit {
		number++
		if ctx.Err() != nil {
			return commands.Explain(ctx, ctx.Err())
		}
		text := scanner.Text()
		if number == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		err := run.line(ctx, text, &streams)
		if err == nil {
			continue
		}
		err = atLine(err, name, number)
		if !opts.KeepGoing || ctx.Err() != nil {
			return err
		}
		sayError(streams.Err, err)
		if code == ui.ExitOK {
			code = exitCode(err)
		}
	}
	if err := scanner.Err(); err != nil && !run.quit {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("the line is longer than %d bytes; put its data into a file: @file", maxLine)
		}
		return atLine(err, name, number+1)
	}
	if code != ui.ExitOK {
		return &ui.ExitError{Code: code}
	}
	return nil
}

// atLine says where in a script an error happened. The exit code stays.
func atLine(err error, name string, number int) error {
	if err.Error() == "" { // said already, by the command
		return &ui.ExitError{Code: exitCode(err), Err: fmt.Errorf("%s:%d: failed", name, number)}
	}
	return &ui.ExitError{Code: exitCode(err), Err: fmt.Errorf("%s:%d: %w", name, number, err)}
}

// sayError prints what has not been said.
func sayError(w io.Writer, err error) {
	if text := err.Error(); text != "" {
		fmt.Fprintln(w, text)
	}
}
