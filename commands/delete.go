package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/lazyre"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

var deleteCommand = &command.Command{
	Name: "delete", Group: command.Writing, Usage: "[-v version] [--dry-run] path [path ...]",
	Short: "delete znodes that have no children",
	Long: "deleteall deletes a znode with everything below it. A pattern deletes every match. On a terminal, more than " +
		"100 znodes need confirmation, unless -y is given.",
	Options: command.Options{dataVersion, dryRun},
	Args:    []command.Arg{{Name: "path", Kind: command.Path, Repeat: true}},
	Examples: []command.Example{
		{"delete /app/lock", "delete a znode"},
		{"delete -v 2 /app/config", "only if it still has version 2"},
		{"delete /app/job-* /app/done", "several"},
		{"delete /app/job-* --dry-run", "show which"},
	},
	Differs: "It accepts several paths, and patterns. The old form `delete path version` checks the version; zkCli ignores it and deletes any version.",
	Run:     runDelete,
}

func runDelete(ctx context.Context, env *command.Env, in *command.Invocation) error {
	n, version, err := toDelete(in)
	if err != nil {
		return err
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	var skipped command.Failures
	paths, err := in.AllPaths(ctx, conn, n, &skipped)
	if err != nil {
		return err
	}
	if version != -1 && len(paths) > 1 {
		return in.Problem("-v needs a single znode, not %s", command.Thousands(len(paths)))
	}
	if dryRun.On(in) {
		return env.AndSkipped(rehearseDelete(ctx, env, conn, paths, version), &skipped)
	}
	question := fmt.Sprintf("Delete %s znodes?", command.Thousands(len(paths)))
	if len(paths) == 1 {
		question = "Delete " + escape.Line(paths[0]) + "?"
	}
	if err := env.ConfirmChange(ctx, conn, len(paths), deleteAskAbove, question, "nothing was deleted"); err != nil {
		return err
	}
	err = env.Many(ctx, paths, func(_ int, path string) error {
		if special(conn, path) {
			return specialError(path)
		}
		if err := conn.Delete(ctx, path, version); err != nil {
			return err
		}
		if env.Output == ui.JSON {
			return env.PrintJSON(command.Object{"path": path, "deleted": 1})
		}
		return nil
	})
	return env.AndSkipped(err, &skipped)
}

// rehearseDelete lists the znodes that would be deleted, and reports the others as a deletion would.
func rehearseDelete(ctx context.Context, env *command.Env, conn *client.Conn, paths []string, version int32) error {
	var deleted []string
	err := env.Many(ctx, paths, func(_ int, path string) error {
		stat, err := conn.Exists(ctx, path, false)
		refused := &client.OpError{Op: proto.OpDelete, Path: path}
		switch {
		case err != nil:
			return err
		case special(conn, path):
			return specialError(path)
		case version != -1 && stat.Version != version:
			refused.Code = proto.ErrBadVersion
			return refused
		case stat.NumChildren > 0:
			refused.Code = proto.ErrNotEmpty
			return refused
		}
		deleted = append(deleted, path)
		return nil
	})
	return errors.Join(listDeletions(env, deleted), err)
}

var wholeNumber = lazyre.New(`^-?\d+$`)

// toDelete returns how many of the arguments are paths, and the version: a number after a single
// path is the version, as in zkCli 3.4.
func toDelete(in *command.Invocation) (n int, version int32, err error) {
	n, args := len(in.Args), in.Args
	if n == 2 && wholeNumber().MatchString(in.Words[1].Text) {
		n, args = 1, []string{in.Args[0], in.Words[1].Text}
	}
	version, err = expectedVersion(in, dataVersion, args[:min(len(args), n+1)], n)
	return n, version, err
}
