// Package shell is the interactive loop and the runner of scripts: it turns lines into
// commands, and owns the terminal, the prompt, history, pipes and Ctrl-C.
package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
)

// Options are what a shell or a script works with. Session and Streams are required.
type Options struct {
	Session   *session.Session
	Streams   *ui.Streams
	Output    ui.Format                                      // of the commands' answers; text if empty
	Yes       bool                                           // do not ask for confirmation
	Quiet     bool                                           // do not report success
	KeepGoing bool                                           // RunScript: continue after an error
	Verbs     []command.Verb                                 // what a line can start with, besides commands
	Aliases   []command.Alias                                // and these
	Prompt    Prompt                                         // of the shell
	Pager     string                                         // for output that is longer than the terminal: a line for the user's shell; "" for none
	NoSuggest bool                                           // no suggestions from the history
	NoColors  bool                                           // the line that is typed has no colours
	Transient bool                                           // the server stops with the shell, so do not remember it
	Servers   func() []completions.Suggestion                // that connect accepts; those seen before if nil
	Elsewhere func(l source.Location) (client.Config, error) // how completion connects to other ensembles; nil if it does not
	StateDir  string                                         // for the history and the servers seen; created with mode 0700; "" keeps nothing
}

// Run runs the interactive shell. It returns when the person leaves or the process is told to
// end; by then the session is closed and the terminal is in its original state. While it runs, it
// handles SIGINT, SIGTERM, SIGHUP and SIGQUIT: the caller must not cancel ctx for them. It hooks
// into Session.OnEvent, passing events on, and takes over Session.OnWatch. Unless stdin and
// stdout are both terminals, it is RunScript over stdin. The exit code of an error is that of the
// *ui.ExitError in it.
func Run(ctx context.Context, opts Options) error {
	if !opts.Streams.InTTY || !opts.Streams.OutTTY {
		defer opts.Session.Close()
		return RunScript(ctx, opts, opts.Streams.In, "stdin")
	}
	history, err := newHistory(opts.StateDir)
	if err != nil {
		ui.Warn(opts.Streams.Err, "%v", err)
	}
	s := &shell{opts: opts, run: newRunner(opts, history), ran: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	lines, err := s.openLines()
	if err != nil {
		return err
	}
	defer lines.close()
	s.lines = lines
	stop := s.watchSession()
	defer stop()
	defer s.signals()()
	if s.complete != nil {
		defer s.complete.Close()
	}
	defer opts.Session.Close()
	return s.loop()
}

// shell is an interactive shell.
type shell struct {
	opts    Options
	run     *runner
	lines   lineReader
	ctx     context.Context // of the shell: ends when the process is told to end
	cancel  context.CancelCauseFunc
	doing   interruptible
	number  number
	ran     chan struct{} // a command has ended, and may have connected elsewhere
	failure text          // the last error of a command

	complete *completions.Completer // nil if lines cannot be edited
}

// lineReader is where a shell's lines come from: the editor, or a terminal that does not support
// editing.
type lineReader interface {
	ReadLine() (string, error) // io.EOF when the person leaves, errStopped after Stop
	Notice(text string)        // printed above the line
	Redraw()
	Changed() // completion has news
	Resize()
	Resume()
	Stop()
	input(ctx context.Context) io.Reader // for a command that runs until ctx is done
	giveUp() bool                        // discards the line being read, if any, on SIGINT
	dropPasted() int                     // discards what was pasted and has not run; returns the number of lines
	freshRow()                           // what is printed next starts a row
	rescue()                             // restores the terminal after a panic
	close()
}

// guard must be deferred directly, not within another function, by every goroutine: a panic must
// leave the terminal in its original state.
func (s *shell) guard() {
	if r := recover(); r != nil {
		s.lines.rescue()
		panic(r)
	}
}

func (s *shell) loop() error {
	s.run.warn = func(err error) { s.lines.Notice("warning: " + err.Error()) }
	for !s.run.quit {
		text, err := s.lines.ReadLine()
		switch {
		case errors.Is(err, errStopped), s.ctx.Err() != nil:
			return s.ended()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read a line: %w", err)
		}
		s.do(text)
		s.number.set(len(s.run.history.lines))
		select {
		case s.ran <- struct{}{}:
		default:
		}
		if s.ctx.Err() != nil {
			return s.ended()
		}
	}
	return nil
}

// do runs a line; Ctrl-C interrupts it.
func (s *shell) do(text string) {
	ctx, done := s.doing.begin(s.ctx)
	defer done()
	streams := *s.opts.Streams
	streams.Measure()
	streams.In = s.lines.input(ctx)
	err := s.run.line(ctx, text, &streams)
	streams.Flush()
	var program *programError
	switch {
	case err == nil:
	case errors.As(err, &program): // it has reported the error itself
	default:
		if exitCode(err) == ui.ExitInterrupted {
			s.lines.freshRow() // the terminal has printed ^C
		}
		s.failure.set(command.Advise(err).Error())
		ui.Report(s.opts.Streams.Err, err)
	}
	// Ctrl-C may have ended the program of a pipe before the shell has seen it.
	if ctx.Err() == nil && exitCode(err) != ui.ExitInterrupted || s.ctx.Err() != nil {
		return
	}
	if n := s.lines.dropPasted(); n > 0 { // whoever interrupts one wants none of the others
		fmt.Fprintf(s.opts.Streams.Err, "%d pasted lines were not run\n", n)
	}
}

// ended is the error of a shell ended by a signal or by the caller's context.
func (s *shell) ended() error {
	var byS *signalError
	if cause := context.Cause(s.ctx); errors.As(cause, &byS) {
		return &ui.ExitError{Code: 128 + signalNumber(byS.sig)}
	}
	return &ui.ExitError{Code: ui.ExitInterrupted}
}

// openLines opens the editor or, if the terminal cannot move its cursor, a plain reader.
func (s *shell) openLines() (lineReader, error) {
	in, _ := s.opts.Streams.In.(*os.File)
	if in == nil {
		in = os.Stdin
	}
	if os.Getenv("TERM") == "dumb" {
		s.run.opts.Pager = ""
		return newPlain(s.opts.Streams, s.prompt), nil
	}
	term, err := openTerminal(in, os.Stdout)
	if err != nil {
		return nil, fmt.Errorf("open the terminal: %w", err)
	}
	var e *editor
	complete := s.completer(func() { e.Changed() })
	e, err = newEditor(editorConfig{
		term: term, out: ui.Raw(s.opts.Streams.Out), color: s.opts.Streams.Color,
		label: s.prompt, suggests: !s.opts.NoSuggest,
		complete: func(line string, pos int) completions.Result {
			return complete.Lookup(line, pos, s.run.env.Dir)
		},
		describe: func(list []completions.Suggestion) { complete.Describe(list) },
		history:  s.run.history.recall,
		parts:    s.parts(func(line string, pos int) []completions.Part { return complete.Parts(line, pos, s.run.env.Dir) }),
	})
	if err != nil {
		term.close()
		return newPlain(s.opts.Streams, s.prompt), nil //nolint:nilerr // the lines can be read all the same
	}
	s.run.ran, s.complete = complete.Ran, complete
	return e, nil
}

func (s *shell) completer(changed func()) *completions.Completer {
	return completions.New(completions.Config{
		Tree: func() completions.Tree {
			conn, err := s.opts.Session.Conn()
			if err != nil || conn.State() != client.Connected && conn.State() != client.ConnectedReadOnly {
				return nil
			}
			return conn
		},
		Servers: s.servers, Elsewhere: s.opts.Elsewhere,
		Env:     &s.run.env,
		Changed: changed,
		Guard:   s.guard,
	})
}

func (s *shell) servers() []completions.Suggestion {
	if s.opts.Servers != nil {
		return s.opts.Servers()
	}
	return completions.SeenServers(s.opts.StateDir)
}

// parts returns f, unless typed lines have no colours.
func (s *shell) parts(f func(line string, pos int) []completions.Part) func(line string, pos int) []completions.Part {
	if s.opts.NoColors {
		return nil
	}
	return f
}

// prompt returns the current prompt.
func (s *shell) prompt(width int) []span { return s.opts.Prompt.spans(s.label(), width) }

// label returns the current state for the prompt.
func (s *shell) label() label {
	guard := s.opts.Session.Guard()
	l := label{servers: s.opts.Session.Servers(), state: s.opts.Session.State(), dir: escape.Line(s.run.env.Dir), number: s.number.get(),
		name: nameSpan(guard), profile: escape.Line(guard.Profile)}
	if l.state == client.Connected || l.state == client.ConnectedReadOnly {
		if conn, err := s.opts.Session.Conn(); err == nil && conn.Server() != "" {
			l.server = conn.Server() + conn.Chroot()
			l.user = s.user(conn)
		}
	}
	if l.servers == "" {
		l.servers = "localhost:2181"
	}
	return l
}

// user returns whom a session has authenticated as: the user of SASL or of its first digest.
func (s *shell) user(conn *client.Conn) string {
	if cfg, err := s.opts.Session.Config(); err == nil && cfg.SASL != nil {
		return escape.Line(cfg.SASL.Identity())
	}
	for _, a := range conn.Identities() {
		if name, _, ok := strings.Cut(string(a.Data), ":"); ok && (a.Scheme == "digest" || a.Scheme == "super") {
			return escape.Line(name)
		}
	}
	return ""
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }
