package commands

import (
	"bytes"
	"context"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
)

var statCommand = &Command{
	Name: "stat", Group: Reading, Usage: "[-w] [path]", Short: "print the metadata of a znode",
	Options:  []Option{watchOption},
	Args:     []Arg{pathArg, oldWatchArg},
	Examples: []Example{{"stat /app", "zxids, times, versions, owner, sizes"}},
	Run: func(ctx context.Context, env *Env, in *Invocation) error {
		watch := in.watching(env)
		return in.each(ctx, env, func(conn *client.Conn, path string) error {
			stat, err := conn.Exists(ctx, path, watch)
			if err != nil {
				return err
			}
			if env.Output == ui.JSON {
				return env.printJSON(struct {
					Path string `json:"path"`
					*statJSON
				}{path, jsonStat(stat)})
			}
			var b bytes.Buffer
			printStat(&b, stat)
			_, err = env.Streams.Out.Write(b.Bytes())
			return err
		})
	},
}
