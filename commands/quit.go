package commands

import (
	"context"

	"github.com/zkctl/zkctl/internal/command"
)

var quitCommand = &command.Command{
	Name: "quit", Aliases: []string{"exit"}, Group: command.ShellCmd, Short: "close the session and exit",
	Offline: true,
	Run: func(_ context.Context, env *command.Env, _ *command.Invocation) error {
		if env.Shell != nil {
			env.Shell.Quit()
			return nil
		}
		if env.Session == nil {
			return nil
		}
		return env.Session.Close()
	},
}
