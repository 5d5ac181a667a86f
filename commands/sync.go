package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/ui"
)

// syncTimeout is how long sync waits for the leader (SyncCommand.SYNC_TIMEOUT).
const syncTimeout = 30 * time.Second

var syncCommand = &Command{
	Name: "sync", Group: Ensemble, Usage: "path", Short: "make this session's server catch up with the leader",
	Long:     "Afterwards a read sees every write that was acknowledged before. The path need not exist.",
	Args:     []Arg{{Name: "path", Kind: NewPath}},
	Examples: []Example{{"sync /", "before a read that must be current"}},
	Run: func(ctx context.Context, env *Env, in *Invocation) error {
		conn, err := env.conn()
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
			return env.printJSON(object{"path": in.Args[0], "synced": true})
		}
		_, err = fmt.Fprintln(env.Streams.Out, "Sync is OK")
		return err
	},
}
