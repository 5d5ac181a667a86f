package commands

import (
	"context"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var closeCommand = &command.Command{
	Name: "close", Group: command.Ensemble, Short: "close the session",
	Long:    "Its ephemeral znodes and watches are removed. connect opens a new one.",
	Offline: true,
	Run: func(_ context.Context, env *command.Env, _ *command.Invocation) error {
		if env.Session == nil {
			return nil
		}
		if err := env.Session.Close(); err != nil || env.Output != ui.JSON {
			return err
		}
		return env.PrintJSON(command.Object{"closed": true})
	},
}
