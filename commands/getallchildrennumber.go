package commands

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
)

var getAllChildrenNumberCommand = &Command{
	Name: "getAllChildrenNumber", Group: Reading, Usage: "[path]", Short: "count the znodes below a znode, at any depth",
	Args:     []Arg{pathArg},
	Examples: []Example{{"getAllChildrenNumber /app", "the znode itself is not counted"}},
	Run: func(ctx context.Context, env *Env, in *Invocation) error {
		return in.each(ctx, env, func(conn *client.Conn, path string) error {
			n, err := conn.AllChildrenNumber(ctx, path)
			if err != nil {
				return err
			}
			if env.Output == ui.JSON {
				return env.printJSON(struct {
					Path   string `json:"path"`
					Number int32  `json:"totalNumber"`
				}{path, n})
			}
			_, err = fmt.Fprintln(env.Streams.Out, n)
			return err
		})
	},
}
