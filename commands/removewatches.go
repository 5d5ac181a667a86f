package commands

import (
	"context"
	"errors"

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

var removeWatchesCommand = &Command{
	Name: "removewatches", Group: Watches, Usage: "path [-c|-d|-p|-r|-a] [-l]", Short: "remove this session's watches of a znode",
	Options: []Option{
		{Name: "c", Help: "those of the list of children"},
		{Name: "d", Help: "those of the data"},
		{Name: "p", Help: "persistent ones (3.9)"},
		{Name: "r", Help: "persistent recursive ones (3.9)"},
		{Name: "a", Help: "all of them (default)"},
		{Name: "l", Help: "also when no server can be reached: forget them here"},
	},
	Args:     []Arg{{Name: "path", Kind: NewPath}},
	Examples: []Example{{"removewatches /app", "all kinds"}, {"removewatches -d /app", "only those of its data"}},
	Run: func(ctx context.Context, env *Env, in *Invocation) error {
		kind := proto.WatcherAny
		for _, k := range watchKinds {
			if in.Has(k.option) {
				kind = k.kind
				break
			}
		}
		conn, err := env.conn()
		if err != nil {
			return err
		}
		err = conn.RemoveWatches(ctx, in.Args[0], kind, in.Has("l"))
		if errors.Is(err, proto.ErrNoWatcher) {
			return &said{text: err.Error() + " in this session", cause: err}
		}
		if err != nil || env.Output != ui.JSON {
			return err
		}
		return env.printJSON(object{"path": in.Args[0], "removed": true})
	},
}
