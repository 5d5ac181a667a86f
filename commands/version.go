package commands

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/version"
)

var versionCommand = &command.Command{
	Name: "version", Group: command.ShellCmd, Short: "print the version of zkctl",
	Offline: true,
	Differs: "It prints zkctl's own version.",
	Run: func(_ context.Context, env *command.Env, _ *command.Invocation) error {
		text := version.String()
		if env.Output == ui.JSON {
			return env.PrintJSON(command.Object{"version": version.Version, "commit": version.Commit, "date": version.Date})
		}
		_, err := fmt.Fprintln(env.Streams.Out, text)
		return err
	},
}
