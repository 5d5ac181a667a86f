package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/adrg/xdg"

	"github.com/zkctl/zkctl/shell"
)

// runScript runs the commands of a file, or of standard input for "-", in one session.
func (a *app) runScript(ctx context.Context, file string) error {
	var in io.Reader = a.streams.In
	name := "stdin"
	if file != "-" {
		f, err := os.Open(file)
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
			Session: session, Streams: a.streams, Output: env.Output, Yes: env.Yes, KeepGoing: a.options.KeepGoing,
			Verbs: offlineVerbs,
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
		Session: session, Streams: a.streams, Output: env.Output, Yes: env.Yes, StateDir: stateDir(), Verbs: offlineVerbs,
		Transient: a.options.Local > 0,
	})
}

// stateDir is where the shell keeps its history.
func stateDir() string { return filepath.Join(xdg.StateHome, "zkctl") }
