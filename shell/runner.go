package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/ui"
)

// runner runs lines, in a shell or a script. Commands see it as their command.Shell.
type runner struct {
	opts    Options
	env     command.Env
	streams *ui.Streams // of the running command
	history *history
	quit    bool
	warn    func(error)
	ran     func(words []command.Word, dir string) // called after a command; dir is where it ran
	redone  bool                                   // the command ran other lines, whose cd counts
	depth   int                                    // of lines that run lines
}

func newRunner(opts Options, h *history) *runner {
	if opts.Output == "" {
		opts.Output = ui.Text
	}
	r := &runner{opts: opts, history: h, warn: func(error) {}, ran: func([]command.Word, string) {}}
	r.env = command.Env{
		Streams: opts.Streams, Commands: commands.All, Session: opts.Session, Shell: r, Dir: "/", Output: opts.Output, Yes: opts.Yes, Quiet: opts.Quiet,
		Verbs: opts.Verbs, StateDir: opts.StateDir, Aliases: opts.Aliases,
	}
	return r
}

// line runs a line that was typed or read. A blank line or a comment does nothing and has no
// number.
func (r *runner) line(ctx context.Context, text string, streams *ui.Streams) error {
	runs, _, _ := r.env.Expand(text)
	l, err := parseLine(runs)
	if err == nil && len(l.words) == 0 {
		return nil
	}
	if histErr := r.history.add(text, runs); histErr != nil {
		r.warn(histErr)
	}
	if err != nil {
		return err
	}
	if r.opts.Pager != "" && r.pages(l, streams) {
		return paged(ctx, r.opts.Pager, streams, func(ctx context.Context, s *ui.Streams) error { return r.run(ctx, l, s) })
	}
	return r.run(ctx, l, streams)
}

// pages reports whether a pager may show the output of a line. What a person reads meanwhile would count for time.
func (r *runner) pages(l line, s *ui.Streams) bool {
	return s.InTTY && s.OutTTY && l.file == "" && l.program == "" && !strings.EqualFold(l.words[0].Text, "time")
}

func (r *runner) run(ctx context.Context, l line, streams *ui.Streams) error {
	switch {
	case l.file != "":
		return toFile(l.file, l.adds, func(w io.Writer) error { return r.command(ctx, l.words, redirected(streams, w)) })
	case l.program != "":
		return toProgram(ctx, l.program, streams, func(ctx context.Context, w io.Writer) error {
			return r.command(ctx, l.words, redirected(streams, w))
		})
	}
	return r.command(ctx, l.words, streams)
}

// redirected returns streams whose output is not a terminal.
func redirected(s *ui.Streams, w io.Writer) *ui.Streams {
	cp := *s
	cp.Out, cp.OutTTY, cp.Color = w, false, false
	return &cp
}

func (r *runner) command(ctx context.Context, words []command.Word, streams *ui.Streams) error {
	env := r.env
	env.Streams = streams
	outer := r.streams
	r.streams, r.redone = streams, false
	if r.depth++; r.depth > maxDepth {
		r.depth--
		return fmt.Errorf("files and lines run each other more than %d deep; does one run itself?", maxDepth)
	}
	defer func() { r.depth-- }()
	dir := env.Dir
	err := command.Run(ctx, &env, words)
	if !r.redone {
		r.env.Dir, r.env.Before = env.Dir, env.Before
	}
	r.streams = outer
	r.ran(words, dir)
	return err
}

// maxDepth is how deep lines may run others, by redo and source.
const maxDepth = 20

// History returns the lines of this session.
func (r *runner) History() ([]string, int) { return r.history.lines, 0 }

// Redo runs a line of this session again, with the redo's output.
func (r *runner) Redo(ctx context.Context, number int) error {
	lines := r.history.lines
	if number < 0 || number >= len(lines)-1 { // the last one is the redo itself
		return fmt.Errorf("Command index out of range: no line %d before this one; `history` lists them", number) //nolint:staticcheck // zkCli's words
	}
	text := lines[number]
	if r.history.secret[number] {
		return errors.New("lines that add an identity are not kept in the history; type it again")
	}
	l, err := r.parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	if err := r.history.replace(text); err != nil {
		r.warn(err)
	}
	err = r.run(ctx, l, r.streams)
	r.redone = true
	return err
}

// parse is parseLine after the aliases.
func (r *runner) parse(text string) (line, error) {
	runs, _, _ := r.env.Expand(text)
	return parseLine(runs)
}

// Source runs the lines of a file with the streams of the command that asks for it.
func (r *runner) Source(ctx context.Context, file string) error {
	f, err := infile.Open(ctx, file)
	if err != nil {
		return fmt.Errorf("read the script: %w", err)
	}
	defer f.Close()
	streams := r.streams
	err = r.script(ctx, f, file, func(text string) error {
		l, err := r.parse(text)
		if err == nil && len(l.words) > 0 {
			err = r.run(ctx, l, streams)
		}
		return err
	})
	r.redone = true
	return err
}

// Quit ends the shell or the script after the running command.
func (r *runner) Quit() { r.quit = true }
