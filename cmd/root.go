// Package cmd is the command line: it reads options, environment and profile, and runs a znode
// command, a script, the shell, or another verb.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/version"
)

// Exit codes in addition to those of ui.
const (
	exitHungUp     = 128 + 1  // SIGHUP, as a shell reports it
	exitTerminated = 128 + 15 // SIGTERM
	exitBrokenPipe = 128 + 13 // the reader of our stdout is gone
)

// Main runs zkctl with the process's streams and returns its exit code.
func Main(args []string) int {
	catchBrokenPipe()
	return Execute(context.Background(), args, ui.System())
}

// Execute runs zkctl and returns its exit code; errors go to s.Err.
func Execute(ctx context.Context, args []string, s *ui.Streams) int {
	defer s.Flush()
	a := newApp(s)
	err := a.execute(ctx, args)
	if err == nil {
		return ui.ExitOK
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitBrokenPipe
	}
	code := ui.ExitFailed
	var exit *ui.ExitError
	if errors.As(err, &exit) {
		code = exit.Code
	}
	ui.Report(s.Err, ui.InFormat(command.Advise(err), a.options.format()))
	return code
}

// app is a single run of zkctl.
type app struct {
	streams *ui.Streams
	options options
	flags   *pflag.FlagSet // of options
}

func newApp(s *ui.Streams) *app {
	a := &app{streams: s}
	a.flags = a.options.flags()
	return a
}

func (a *app) execute(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == completeRequest {
		return a.complete(ctx, args[1:])
	}
	line, err := splitArgs(a.flags, args)
	if slices.Contains(line.options, "--output=json") {
		a.options.Output = string(ui.JSON) // even for errors before the options are read
	}
	if err == nil {
		err = command.OptionError(a.flags.Parse(line.options), "-")
	}
	if err != nil {
		return err
	}
	switch o := &a.options; {
	case o.Help:
		return a.help(ctx, line.words)
	case o.Script != "" && len(line.words) > 0:
		return fmt.Errorf("-f %s runs a script, but %q is a command; give only one of them", o.Script, strings.Join(line.words, " "))
	case len(line.words) > 0:
		return a.command(ctx, line.words)
	case o.Version:
		_, err := fmt.Fprintln(a.streams.Out, version.String())
		return err
	}
	return a.open(ctx)
}

// open runs a script or the shell.
func (a *app) open(ctx context.Context) error {
	stop, err := a.settle(ctx, a.options.Script == "" && a.streams.InTTY)
	if err != nil {
		return err
	}
	defer stop()
	if a.options.Script != "" {
		return a.runScript(ctx, a.options.Script)
	}
	if !a.streams.InTTY {
		return a.runScript(ctx, "-")
	}
	return a.runShell(ctx)
}

// catchBrokenPipe turns a write to a closed pipe into an error instead of ending the process, so
// that the session is closed. It installs a handler, because programs started by the shell would
// inherit an ignored signal.
func catchBrokenPipe() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// interruptible calls f with a context that Ctrl-C, SIGTERM or the end of the terminal cancels,
// and gives the error the signal's exit code. A second signal ends the process at once.
func interruptible(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // ignored by nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer signal.Stop(signals)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case sig := <-signals:
				if sig == os.Interrupt && ui.Lent() {
					continue
				}
				signal.Stop(signals)
				cancel(&signalError{sig})
			case <-stop:
			}
			return
		}
	}()
	err := f(ctx)
	var got *signalError
	if err == nil || !errors.As(context.Cause(ctx), &got) {
		return err
	}
	var exit *ui.ExitError
	if errors.As(err, &exit) && exit.Passed {
		return err
	}
	code := ui.ExitInterrupted
	switch got.signal {
	case syscall.SIGTERM:
		code = exitTerminated
	case syscall.SIGHUP:
		code = exitHungUp
	}
	return &ui.ExitError{Code: code, Err: unwrapExit(err)}
}

// unwrapExit removes the exit code that an error carries.
func unwrapExit(err error) error {
	if exit, ok := err.(*ui.ExitError); ok { //nolint:errorlint // only the outermost
		return exit.Err
	}
	return err
}

// signalError is the cause of a context cancelled by a signal.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string {
	if e.signal == os.Interrupt {
		return "interrupted"
	}
	return e.signal.String()
}
