package commands

import (
	"context"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/recipe"
)

var electData = command.NewText("data", "V", command.Data, "the data by which others recognise this participant (default host:pid)")

var electCommand = &command.Command{
	Name: "elect", Group: command.Waiting, Usage: "path [--data V] [--timeout D] [--kill-after D] -- command [argument …]",
	Short: "run a command as the leader of an election",
	Long: "Waits to be elected, runs a command as the leader, and resigns when it ends. Curator's LeaderLatch and LeaderSelector, kazoo's " +
		"Election and others with the same path take part in the same election." + lockLong,
	Options: command.Options{electData, lockTimeout, killAfter},
	Args:    lockArgs,
	Exits:   lockExits,
	Examples: []command.Example{
		{"elect /app/leader -- ./scheduler", "one scheduler of many"},
		{"elect /app/leader --data node-7 -- ./scheduler", "under a name that others see"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		opt := recipe.Options{Path: in.Args[0], Data: []byte(whereFrom()), Leader: true}
		if electData.Given(in) {
			data, err := env.Data(ctx, electData.In(in))
			if err != nil {
				return err
			}
			opt.Data = data
		}
		return runLocked(ctx, env, in, opt)
	},
}
