package commands

import (
	"context"

	"github.com/zkctl/zkctl/internal/ui"
)

var deleteCommand = &Command{
	Name: "delete", Group: Writing, Usage: "[-v version] path",
	Short:   "delete a znode that has no children",
	Long:    "deleteall deletes a znode with everything below it.",
	Options: []Option{versionOption},
	Args:    []Arg{{Name: "path", Kind: Path}, {Name: "version", Kind: Number, Optional: true, Old: true}},
	Examples: []Example{
		{"delete /app/lock", "delete a znode"},
		{"delete -v 2 /app/config", "only if nobody has changed it since version 2"},
	},
	Differs: "The old form `delete path version` keeps to the version; zkCli ignores it and deletes any.",
	Run:     runDelete,
}

func runDelete(ctx context.Context, env *Env, in *Invocation) error {
	version, err := expectedVersion(in, in.Args, 1)
	if err != nil {
		return err
	}
	conn, err := env.conn()
	if err != nil {
		return err
	}
	if special(conn, in.Args[0]) {
		return specialError(in.Args[0])
	}
	if err := conn.Delete(ctx, in.Args[0], version); err != nil {
		return err
	}
	if env.Output == ui.JSON {
		return env.printJSON(object{"path": in.Args[0], "deleted": 1})
	}
	return nil
}
