package commands

import (
	"context"
	"strings"

	"github.com/zkctl/zkctl/internal/ui"
)

var cdCommand = &Command{
	Name: "cd", Group: ShellCmd, Usage: "[path]",
	Short: "change the current znode, from which relative paths start",
	Long:  "Without a path it goes to /.",
	Args:  []Arg{{Name: "path", Kind: Path, Optional: true, Bare: true}},
	Examples: []Example{
		{"cd /app/config", "then `get db` reads /app/config/db"},
		{"cd ..", "one up"},
	},
	Differs: "zkCli has no such command.",
	Run: func(ctx context.Context, env *Env, in *Invocation) error {
		dir := "/"
		if len(in.Args) > 0 && in.Args[0] != "/" {
			conn, err := env.conn()
			if err != nil {
				return err
			}
			paths, err := in.Paths(ctx, conn, 0)
			if err != nil {
				return err
			}
			if len(paths) > 1 {
				return in.problem("%s means %d znodes", in.Args[0], len(paths))
			}
			dir = strings.TrimRight(paths[0], "/")
			if _, err := conn.Exists(ctx, dir, false); err != nil {
				return err
			}
		}
		env.Dir = dir
		if env.Output == ui.JSON {
			return env.printJSON(object{"path": dir})
		}
		return nil
	},
}
