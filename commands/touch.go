package commands

import (
	"context"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var touchCommand = &command.Command{
	Name: "touch", Group: command.Writing, Usage: "path [path ...]",
	Short: "set the data of znodes to what it is, which fires watches",
	Long: "Writes the same data again: the version and the time of change move on, and watches fire. If the znode changes at the same " +
		"moment, the new data is kept.",
	Args: []command.Arg{{Name: "path", Kind: command.Path, Repeat: true}},
	Examples: []command.Example{
		{"touch /app/config", "make its readers load it again"},
		{"touch /app/*/config", "several"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		conn, err := env.Conn()
		if err != nil {
			return err
		}
		var skipped command.Failures
		paths, err := in.AllPaths(ctx, conn, len(in.Args), &skipped)
		if err != nil {
			return err
		}
		err = env.Many(ctx, paths, func(_ int, path string) error {
			again := revision{path: path, version: -1, change: func(data []byte) ([]byte, error) { return data, nil }}
			stat, _, err := again.run(ctx, conn)
			if err != nil || env.Output != ui.JSON {
				return err
			}
			return env.PrintJSON(struct {
				Path string `json:"path"`
				*statJSON
			}{path, jsonStat(stat)})
		})
		return env.AndSkipped(err, &skipped)
	},
}
