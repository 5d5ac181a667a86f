// Package cmd is the command line: it reads options, environment and profile, and then
// runs a znode command, a script, the shell, or a verb of its own.
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

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/version"
)

// Exit codes besides those of ui.
const (
	exitHungUp     = 128 + 1  // SIGHUP, as a shell reports it
	exitTerminated = 128 + 15 // SIGTERM
	exitBrokenPipe = 128 + 13 // the reader of our stdout has gone away
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
	ui.Report(s.Err, ui.InFormat(err, a.options.format()))
	return code
}

func init() {
	cobra.EnableTraverseRunHooks = true // the hook of a verb is not to replace the root's
}

// app is one run of zkctl.
type app struct {
	streams *ui.Streams
	options options
	flags   *pflag.FlagSet
	root    *cobra.Command
	typed   string // the znode command as it was typed
	helpErr error  // of cobra's hook for help
}

func newApp(s *ui.Streams) *app {
	a := &app{streams: s}
	a.flags = a.options.flags()
	a.root = &cobra.Command{
		Use:               "zkctl",
		Short:             "a command line for Apache ZooKeeper",
		Args:              cobra.ArbitraryArgs, // an unknown command is commands' to report
		SilenceErrors:     true,
		SilenceUsage:      true,
		TraverseChildren:  true,
		DisableAutoGenTag: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: a.scriptOrCommand,
		RunE:              a.run,
	}
	a.root.SetIn(s.In)
	a.root.SetOut(s.Out)
	a.root.SetErr(s.Err)
	a.root.Flags().AddFlagSet(a.flags)
	a.root.Flags().SortFlags = false
	a.root.Flags().SetInterspersed(false)
	a.root.SetHelpFunc(a.help)
	a.root.SetHelpCommand(a.helpCommand())
	a.root.AddCommand(a.completionCommand(), a.manCommand())
	a.addZnodeCommands()
	a.addOfflineVerbs()
	a.addEnsembleVerbs()
	a.addVerb(a.localCommand(), localGroup)
	a.addVerb(a.serverCommand(), localGroup)
	return a
}

func (a *app) execute(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == completeRequest {
		return a.complete(ctx, args[1:])
	}
	line, err := splitArgs(a.flags, args)
	if slices.Contains(line.options, "--output=json") {
		a.options.Output = string(ui.JSON) // also of what is wrong before cobra reads the options
	}
	if err != nil {
		return err
	}
	if len(line.words) > 0 {
		if c := commands.All.Lookup(line.words[0]); c != nil {
			a.typed = line.words[0] // in any case, or an alias; cobra gets the name
			line.words = append([]string{c.Name}, line.words[1:]...)
		} else if len(line.words[0]) == 0 || line.words[0][0] == '-' {
			return command.Run(ctx, a.commandEnv(), command.Args(line.words...))
		}
	}
	if len(line.words) > 0 {
		line.words = a.normalizeVerb(line.words)
	}
	a.root.SetArgs(append(line.options, line.words...))
	if err := a.root.ExecuteContext(ctx); err != nil {
		return err
	}
	return a.helpErr
}

// scriptOrCommand refuses a script beside a command, of which only one could run.
func (a *app) scriptOrCommand(c *cobra.Command, words []string) error {
	if c != a.root {
		words = append([]string{c.Name()}, words...)
	}
	if a.options.Script == "" || len(words) == 0 || a.options.Help {
		return nil
	}
	return fmt.Errorf("-f %s runs a script, and %q is a command: give one of the two", a.options.Script, strings.Join(words, " "))
}

// run is zkctl without a verb of its own: a script or the shell.
func (a *app) run(c *cobra.Command, words []string) error {
	switch {
	case a.options.Version:
		_, err := fmt.Fprintln(a.streams.Out, version.String())
		return err
	case len(words) > 0:
		return command.Run(c.Context(), a.commandEnv(), command.Args(words...)) // it is unknown
	}
	stop, err := a.settle(c.Context(), a.options.Script == "" && a.streams.InTTY)
	if err != nil {
		return err
	}
	defer stop()
	if a.options.Script != "" {
		return a.runScript(c.Context(), a.options.Script)
	}
	if !a.streams.InTTY {
		return a.runScript(c.Context(), "-")
	}
	return a.runShell(c.Context())
}

// commandEnv is for what needs no session: an unknown command, and help.
func (a *app) commandEnv() *command.Env {
	_ = fillFromEnv(a.flags) // for the form of the answer, which a mistake elsewhere does not change
	return &command.Env{Streams: a.streams, Commands: commands.All, Output: a.options.format(), Outside: a.verbNames(func(*cobra.Command) bool { return true })}
}

// catchBrokenPipe makes a write to a closed pipe an error instead of the process's end,
// so that the session is closed. It takes a handler because an ignored signal would be
// ignored by the programs that the shell starts, too.
func catchBrokenPipe() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// interruptible runs f with a context that Ctrl-C, SIGTERM or the end of the terminal
// cancels, and gives the error the exit code of the signal. A second signal ends the process
// at once.
func interruptible(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer signal.Stop(signals)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case sig := <-signals:
			signal.Stop(signals)
			cancel(&signalError{sig})
		case <-stop:
		}
	}()
	err := f(ctx)
	var got *signalError
	if err == nil || !errors.As(context.Cause(ctx), &got) {
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

// unwrapExit takes off the exit code that an error carries.
func unwrapExit(err error) error {
	if exit, ok := err.(*ui.ExitError); ok { //nolint:errorlint // only the outermost
		return exit.Err
	}
	return err
}

// signalError is the cause of a context that a signal cancelled.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string {
	if e.signal == os.Interrupt {
		return "interrupted"
	}
	return e.signal.String()
}
