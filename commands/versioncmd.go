package commands

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/version"
)

var versionCommand = &Command{
	Name: "version", Group: ShellCmd, Short: "print the version of zkctl",
	Offline: true,
	Differs: "It prints zkctl's own version.",
	Run: func(_ context.Context, env *Env, _ *Invocation) error {
		text := version.String()
		if env.Output == ui.JSON {
			return env.printJSON(object{"version": version.Version, "commit": version.Commit, "date": version.Date})
		}
		_, err := fmt.Fprintln(env.Streams.Out, text)
		return err
	},
}
