package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

// addZnodeCommands makes each znode command a verb. Its words reach the parser of the
// commands untouched.
func (a *app) addZnodeCommands() {
	for _, c := range commands.All {
		if c.Name == "help" {
			continue // the verb knows them all
		}
		a.root.AddCommand(&cobra.Command{
			Use:                c.Name,
			Short:              c.Short,
			Hidden:             c.Group == command.ShellCmd,
			DisableFlagParsing: true,
			RunE: func(cc *cobra.Command, words []string) error {
				return a.runZnodeCommand(cc.Context(), append([]string{a.typed}, words...))
			},
		})
	}
}

// runZnodeCommand runs one command in a session of its own.
func (a *app) runZnodeCommand(ctx context.Context, words []string) error {
	if a.options.Help {
		return a.helpOn(words[0])
	}
	stop, err := a.settle(ctx, false)
	if err != nil {
		return err
	}
	defer stop()
	env, session, err := a.environment()
	if err != nil {
		return err
	}
	// Differs(session-closed): zkCli leaves the session to its timeout, and with it ephemeral znodes.
	defer session.Close()
	printWatches(env, session)
	return interruptible(ctx, func(ctx context.Context) error { return command.Run(ctx, env, command.Args(words...)) })
}

// environment is what commands run in, with a session that opens when the first of them
// needs it. The caller closes the session.
func (a *app) environment() (*command.Env, *session.Session, error) {
	cfg, err := a.options.session(a.flags, a.streams)
	if err != nil {
		return nil, nil, err
	}
	session := session.New(cfg)
	session.Named, session.Advise = a.named, a.advise
	return &command.Env{
		Streams: a.streams, Commands: commands.All, Session: session, Dir: "/", Output: a.options.format(), Yes: a.options.Yes, Quiet: a.options.Quiet,
	}, session, nil
}

// printWatches prints the events of znodes while a command runs, between its own writes.
func printWatches(env *command.Env, opened *session.Session) {
	streams := *env.Streams
	out := &ui.LockedWriter{W: streams.Out}
	streams.Out = out
	env.Streams = &streams
	opened.OnWatch = session.EventPrinter(out, env.Output)
}
