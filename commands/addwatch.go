package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

const watchModes = "[PERSISTENT, PERSISTENT_RECURSIVE]"

var addWatchMode = command.NewValue("m", "mode", command.Choice, "PERSISTENT or PERSISTENT_RECURSIVE (default), in any case",
	func(text string) (proto.AddWatchMode, error) {
		switch strings.ToUpper(text) {
		case "PERSISTENT":
			return proto.WatchPersistent, nil
		case "PERSISTENT_RECURSIVE":
			return proto.WatchPersistentRecursive, nil
		}
		return 0, fmt.Errorf("unknown mode %q", text)
	}, "PERSISTENT", "PERSISTENT_RECURSIVE")

var addWatchCommand = &command.Command{
	Name: "addWatch", Group: command.Watches,
	Usage: "[-m mode] path # optional mode is one of " + watchModes + " - default is PERSISTENT_RECURSIVE",
	Short: "watch a znode until the watch is removed",
	Long: "Unlike a watch set with -w, it stays after it fires. PERSISTENT reports changes to the znode's data and its list of " +
		"children; PERSISTENT_RECURSIVE reports changes to the data, the creation and the deletion of the znode and everything below it. " +
		"Needs ZooKeeper 3.6 or later.",
	Options:  command.Options{addWatchMode},
	Args:     []command.Arg{{Name: "path", Kind: command.NewPath}},
	Examples: []command.Example{{"addWatch /app", "every change below /app"}, {"addWatch -m PERSISTENT /app/config", "only this znode and its list of children"}},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		mode, err := addWatchMode.Or(in, proto.WatchPersistentRecursive)
		if err != nil {
			return in.Problem("%v", err)
		}
		conn, err := env.Conn()
		if err != nil {
			return err
		}
		if err := conn.AddWatch(ctx, in.Args[0], mode); err != nil {
			return err
		}
		warnOfWatch(env)
		if env.Output != ui.JSON {
			return nil
		}
		return env.PrintJSON(command.Object{"path": in.Args[0], "mode": mode.String()})
	},
}
