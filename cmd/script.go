package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/adrg/xdg"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/shell"
)

// runScript runs the commands of a file, or of standard input for "-", in one session.
func (a *app) runScript(ctx context.Context, file string) error {
	var in io.Reader = a.streams.In
	name := "stdin"
	if file != "-" {
		f, err := os.Open(file) // signals are not yet handled, so Ctrl-C ends the wait for a FIFO's writer
		if err != nil {
			return fmt.Errorf("read the script: %w", err)
		}
		defer f.Close()
		in, name = f, file
	}
	env, err := a.environment()
	if err != nil {
		return err
	}
	defer env.Session.Close()
	return interruptible(ctx, func(ctx context.Context) error {
		return shell.RunScript(ctx, shell.Options{
			Session: env.Session, Streams: a.streams, Output: env.Output, Yes: env.Yes, Quiet: env.Quiet, KeepGoing: a.options.KeepGoing,
			Verbs: env.Verbs,
		}, in, name)
	})
}

// runShell opens the shell, which handles all signals.
func (a *app) runShell(ctx context.Context) error {
	env, err := a.environment()
	if err != nil {
		return err
	}
	c, err := a.options.readConfig()
	if err != nil {
		return err
	}
	settings, err := c.shell(env)
	if err != nil {
		return err
	}
	for _, w := range settings.warnings {
		ui.Warn(a.streams.Err, "%v", w)
	}
	return shell.Run(ctx, shell.Options{
		Session: env.Session, Streams: a.streams, Output: env.Output, Yes: env.Yes, Quiet: env.Quiet, StateDir: stateDir(), Verbs: env.Verbs,
		Transient: a.options.Local > 0, Servers: a.nameable, Elsewhere: a.elsewhereSilently(env.Session),
		Aliases: settings.aliases, Prompt: settings.prompt, Pager: settings.pagerLine(), NoSuggest: !settings.suggestions, NoColors: !settings.colors,
	})
}

// stateDir is where the shell keeps its history.
func stateDir() string { return filepath.Join(xdg.StateHome, "zkctl") }
