package commands

import (
	"context"
	"errors"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// watchKinds are the options that choose watches, the first given one counting, as in zkCli.
var watchKinds = []struct {
	option string
	kind   proto.WatcherType
}{
	{"c", proto.WatcherChildren},
	{"d", proto.WatcherData},
	{"p", proto.WatcherPersistent},
	{"r", proto.WatcherPersistentRecursive},
	{"a", proto.WatcherAny},
}

var removeWatchesCommand = &command.Command{
	Name: "removewatches", Group: command.Watches, Usage: "path [-c|-d|-p|-r|-a] [-l]", Short: "remove this session's watches of a znode",
	Options: []command.Option{
		{Name: "c", Help: "those of the list of children"},
		{Name: "d", Help: "those of the data"},
		{Name: "p", Help: "persistent ones (3.9)"},
		{Name: "r", Help: "persistent recursive ones (3.9)"},
		{Name: "a", Help: "all of them (default)"},
		{Name: "l", Help: "also when no server can be reached: forget them here"},
	},
	Args:     []command.Arg{{Name: "path", Kind: command.NewPath}},
	Examples: []command.Example{{"removewatches /app", "all kinds"}, {"removewatches -d /app", "only those of its data"}},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		kind := proto.WatcherAny
		for _, k := range watchKinds {
			if in.Has(k.option) {
				kind = k.kind
				break
			}
		}
		conn, err := env.Conn()
		if err != nil {
			return err
		}
		err = conn.RemoveWatches(ctx, in.Args[0], kind, in.Has("l"))
		if errors.Is(err, proto.ErrNoWatcher) {
			return command.Reword(err, "%v in this session", err)
		}
		if err != nil || env.Output != ui.JSON {
			return err
		}
		return env.PrintJSON(command.Object{"path": in.Args[0], "removed": true})
	},
}
