package commands

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var getAllChildrenNumberCommand = &command.Command{
	Name: "getAllChildrenNumber", Group: command.Reading, Usage: "[path]", Short: "count the znodes below a znode, at any depth",
	Args: []command.Arg{pathArg},
	Examples: []command.Example{
		{"getAllChildrenNumber /app", "the znode itself is not counted"},
		{"getAllChildrenNumber -o json /app", "the same as JSON"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		return each(ctx, env, in, func(conn *client.Conn, path string) error {
			n, err := conn.AllChildrenNumber(ctx, path)
			if err != nil {
				return err
			}
			if env.Output == ui.JSON {
				return env.PrintJSON(struct {
					Path   string `json:"path"`
					Number int32  `json:"totalNumber"`
				}{path, n})
			}
			_, err = fmt.Fprintln(env.Streams.Out, n)
			return err
		})
	},
}
