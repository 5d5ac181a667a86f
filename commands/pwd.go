package commands

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/ui"
)

var pwdCommand = &Command{
	Name: "pwd", Group: ShellCmd, Short: "print the current znode", Offline: true,
	Differs: "zkCli has no such command.",
	Run: func(_ context.Context, env *Env, _ *Invocation) error {
		dir := env.Dir
		if dir == "" {
			dir = "/"
		}
		if env.Output == ui.JSON {
			return env.printJSON(object{"path": dir})
		}
		_, err := fmt.Fprintln(env.Streams.Out, dir)
		return err
	},
}
