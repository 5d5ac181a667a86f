package commands

import (
	"bytes"
	"context"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var statCommand = &command.Command{
	Name: "stat", Group: command.Reading, Usage: "[-w] [path]", Short: "print the metadata of a znode",
	Options: command.Options{watch},
	Args:    []command.Arg{pathArg, oldWatchArg},
	Examples: []command.Example{
		{"stat /app", "zxids, times, versions, owner, sizes"},
		{"stat -w /app", "report its next change, too"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		watch := watching(env, in)
		return each(ctx, env, in, func(conn *client.Conn, path string) error {
			stat, err := conn.Exists(ctx, path, watch)
			if err != nil {
				return err
			}
			if env.Output == ui.JSON {
				return env.PrintJSON(struct {
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
