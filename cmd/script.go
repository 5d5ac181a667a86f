package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/adrg/xdg"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/shell"
)

// runScript runs the commands of a file, or of standard input for "-", in one session.
func (a *app) runScript(ctx context.Context, file string) error {
	var in io.Reader = a.streams.In
	name := "stdin"
	if file != "-" {
		f, err := os.Open(file) // nobody has the signals yet: Ctrl-C ends the wait for a FIFO's writer
		if err != nil {
			return fmt.Errorf("read the script: %w", err)
		}
		defer f.Close()
		in, name = f, file
	}
	env, session, err := a.environment()
	if err != nil {
		return err
	}
	defer session.Close()
	return interruptible(ctx, func(ctx context.Context) error {
		return shell.RunScript(ctx, shell.Options{
			Session: session, Streams: a.streams, Output: env.Output, Yes: env.Yes, Quiet: env.Quiet, KeepGoing: a.options.KeepGoing,
			Verbs: offlineVerbs, Outside: a.outside(),
		}, in, name)
	})
}

// runShell opens the shell, which has the signals to itself.
func (a *app) runShell(ctx context.Context) error {
	env, session, err := a.environment()
	if err != nil {
		return err
	}
	return shell.Run(ctx, shell.Options{
		Session: session, Streams: a.streams, Output: env.Output, Yes: env.Yes, Quiet: env.Quiet, StateDir: stateDir(), Verbs: offlineVerbs, Outside: a.outside(),
		Transient: a.options.Local > 0, Servers: a.nameable,
	})
}

// stateDir is where the shell keeps its history.
func stateDir() string { return filepath.Join(xdg.StateHome, "zkctl") }

// outside are the commands that a line of the shell or of a script cannot begin with.
func (a *app) outside() []string {
	return a.verbNames(func(c *cobra.Command) bool { return c.Annotations[groupKey] != offlineGroup })
}

// verbNames are the commands besides those about znodes.
func (a *app) verbNames(which func(*cobra.Command) bool) (names []string) {
	for _, c := range a.root.Commands() {
		if commands.All.Lookup(c.Name()) == nil && !c.Hidden && which(c) {
			names = append(names, c.Name())
		}
	}
	return names
}
