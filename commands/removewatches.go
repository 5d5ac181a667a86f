package commands

import (
	"context"
	"errors"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// watchKinds are the options that select watches; the first one given wins, as in zkCli.
var watchKinds = []struct {
	command.Flag
	kind proto.WatcherType
}{
	{command.NewFlag("c", "watches of the list of children"), proto.WatcherChildren},
	{command.NewFlag("d", "watches of the data"), proto.WatcherData},
	{command.NewFlag("p", "persistent watches (3.9)"), proto.WatcherPersistent},
	{command.NewFlag("r", "persistent recursive watches (3.9)"), proto.WatcherPersistentRecursive},
	{command.NewFlag("a", "all watches (default)"), proto.WatcherAny},
}

var forgetWatches = command.NewFlag("l", "remove them locally even if no server can be reached")

var removeWatchesCommand = &command.Command{
	Name: "removewatches", Group: command.Watches, Usage: "path [-c|-d|-p|-r|-a] [-l]", Short: "remove this session's watches of a znode",
	Options:  command.Options{watchKinds[0], watchKinds[1], watchKinds[2], watchKinds[3], watchKinds[4], forgetWatches},
	Args:     []command.Arg{{Name: "path", Kind: command.NewPath}},
	Examples: []command.Example{{"removewatches /app", "remove all kinds"}, {"removewatches -d /app", "remove only watches of the data"}},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		kind := proto.WatcherAny
		for _, k := range watchKinds {
			if k.On(in) {
				kind = k.kind
				break
			}
		}
		conn, err := env.Conn()
		if err != nil {
			return err
		}
		err = conn.RemoveWatches(ctx, in.Args[0], kind, forgetWatches.On(in))
		if errors.Is(err, proto.ErrNoWatcher) {
			return command.Reword(err, "%v in this session", err)
		}
		if err != nil || env.Output != ui.JSON {
			return err
		}
		return env.PrintJSON(command.Object{"path": in.Args[0], "removed": true})
	},
}
