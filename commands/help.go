package commands

import (
	"context"

	"github.com/zkctl/zkctl/internal/command"
)

var helpCommand = &command.Command{
	Name: "help", Aliases: []string{"?"}, Group: command.ShellCmd, Usage: "[command]", Short: "list the commands, or explain one",
	Args: []command.Arg{{Name: "command", Kind: command.CommandName, Optional: true}},
	Examples: []command.Example{
		{"help ls", "explain ls"},
		{"help", "list the commands"},
	},
	Offline: true,
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		return env.Help(ctx, in.Args...)
	},
}
