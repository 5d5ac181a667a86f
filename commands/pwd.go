package commands

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var pwdCommand = &command.Command{
	Name: "pwd", Group: command.ShellCmd, Short: "print the current znode", Offline: true,
	Differs: "zkCli has no such command.",
	Run: func(_ context.Context, env *command.Env, _ *command.Invocation) error {
		dir := env.Dir
		if dir == "" {
			dir = "/"
		}
		if env.Output == ui.JSON {
			return env.PrintJSON(command.Object{"path": dir})
		}
		_, err := fmt.Fprintln(env.Streams.Out, dir)
		return err
	},
}
