package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// syncTimeout is how long sync waits for the leader (SyncCommand.SYNC_TIMEOUT).
const syncTimeout = 30 * time.Second

var syncCommand = &command.Command{
	Name: "sync", Group: command.Ensemble, Usage: "path", Short: "make this session's server catch up with the leader",
	Long: "A read after it sees every write that was acknowledged before it. The path need not exist.",
	Args: []command.Arg{{Name: "path", Kind: command.NewPath}},
	Examples: []command.Example{
		{"sync /", "before a read that must be up to date"},
		{"sync /app", "the same; ZooKeeper ignores the path"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		conn, err := env.Conn()
		if err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, syncTimeout)
		defer cancel()
		if err := conn.Sync(limited, in.Args[0]); err != nil {
			if limited.Err() != nil && ctx.Err() == nil {
				return fmt.Errorf("sync %s: no answer within %v; the server may have no leader", in.Args[0], syncTimeout)
			}
			return err
		}
		if env.Output == ui.JSON {
			return env.PrintJSON(command.Object{"path": in.Args[0], "synced": true})
		}
		_, err = fmt.Fprintln(env.Streams.Out, "Sync is OK")
		return err
	},
}
