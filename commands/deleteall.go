package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

var deleteBatch = command.NewValue("b", "batch size", command.Number, "znodes per transaction (default 1000); 0 deletes one by one",
	func(text string) (int, error) {
		size, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("-b argument must be an int value: %q is not a number of znodes", text)
		}
		return size, nil
	})

var deleteAllCommand = &command.Command{
	Name: "deleteall", Aliases: []string{"rmr"}, Group: command.Writing, Usage: "path [path ...] [-b batch size] [--dry-run | --trash file]",
	Short: "delete znodes with everything below them",
	Long: "It lists the tree, then deletes it from the leaves up, in transactions of many znodes. It is not " +
		"a single transaction: Ctrl-C stops it and reports how far it got. On a terminal, more than 100 znodes " +
		"need confirmation, unless -y is given. Znodes that may not be listed or deleted are reported and stay, and so do those " +
		"above them. / and the server's own znodes in /zookeeper are never deleted.\n\n" +
		"--trash keeps the tree in a file first, with ACLs and stats; import brings it back. Then only what is in the file is " +
		"deleted: znodes that are created or changed meanwhile stay, and so do those above them.",
	Options: command.Options{deleteBatch, dryRun, deleteTrash},
	Args:    []command.Arg{{Name: "path", Kind: command.Path, Repeat: true}},
	Examples: []command.Example{
		{"deleteall /app", "delete a tree"},
		{"deleteall -y /app/cache", "without confirmation"},
		{"deleteall /app/tmp-* /app/old", "several trees"},
		{"deleteall /app --dry-run", "show what would be deleted"},
		{"deleteall /app --trash app.jsonl.zst", "keep it in a file, from which import brings it back"},
	},
	Differs: "It accepts several paths, and patterns. It refuses / (zkCli deletes part of it, or nothing, and reports success). " +
		"If a znode cannot be deleted, the rest is deleted and the exit code is 1 (0 with zkCli); zkCli deletes nothing if a " +
		"znode may not be listed, and stops at the first that it may not delete. It does not stop if znodes are created or deleted meanwhile.",
	Run: runDeleteAll,
}

// deleteAskAbove is the number of znodes above which a person is asked.
const deleteAskAbove = 100

// doomed is a tree to be deleted.
type doomed struct {
	root  string
	paths []string // from the leaves up; nil if root cannot be listed
	bytes int      // that they take
	err   error    // why

	versions map[string]int32 // that they must have; nil if any will do, and for what is below them now
}

func runDeleteAll(ctx context.Context, env *command.Env, in *command.Invocation) error {
	size, err := deleteBatch.Or(in, 1000)
	switch {
	case err != nil:
		return err
	case dryRun.On(in) && deleteTrash.Given(in):
		return in.Problem("--dry-run and --trash exclude each other")
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	if !dryRun.On(in) {
		if err := conn.MayChange("delete znodes"); err != nil {
			return err
		}
	}
	var skipped command.Failures
	roots, err := in.AllPaths(ctx, conn, len(in.Args), &skipped)
	if err != nil {
		return err
	}
	if err := checkRoots(conn, roots); err != nil {
		return err
	}
	if file := deleteTrash.In(in); deleteTrash.Given(in) {
		return deleteKept(ctx, env, conn, roots, file, max(size, 1), &skipped)
	}
	trees := make([]doomed, len(roots))
	total, room := 0, maxTree
	for i, root := range roots {
		if trees[i], err = listDoomed(ctx, env, conn, root, room); err != nil {
			return err
		}
		total += len(trees[i].paths)
		room -= trees[i].bytes
	}
	if dryRun.On(in) {
		return env.AndSkipped(rehearseDeleteAll(ctx, env, trees), &skipped)
	}
	question := fmt.Sprintf("Delete %s and the %s below it?", escape.Line(roots[0]), command.Counted(max(0, total-1), "znode"))
	switch {
	case len(roots) > 1:
		question = fmt.Sprintf("Delete %s trees with %s znodes in total?", command.Thousands(len(roots)), command.Thousands(total))
	case total == 1:
		question = fmt.Sprintf("Delete %s?", escape.Line(roots[0]))
	}
	if total > 0 { // otherwise none can be listed
		if err := env.ConfirmChange(ctx, conn, total, deleteAskAbove, question, "nothing was deleted"); err != nil {
			return err
		}
	}
	err = env.Many(ctx, roots, func(i int, _ string) error {
		if trees[i].err != nil {
			return trees[i].err
		}
		d := deletion{conn: conn, size: max(size, 1)}
		return d.report(env, trees[i].root, d.delete(ctx, env, trees[i]))
	})
	return env.AndSkipped(err, &skipped)
}

// deleteKept deletes a tree that it has kept in a file.
func deleteKept(ctx context.Context, env *command.Env, conn *client.Conn, roots []string, file string, size int, skipped *command.Failures) error {
	if len(roots) != 1 {
		return fmt.Errorf("--trash keeps one tree in a file; run deleteall for each of the %s", command.Thousands(len(roots)))
	}
	tree, err := keepTree(ctx, env, conn, roots[0], file)
	if err != nil {
		return env.AndSkipped(err, skipped)
	}
	question := fmt.Sprintf("Delete %s and the %s below it?", escape.Line(roots[0]), command.Counted(len(tree.paths)-1, "znode"))
	if err := env.ConfirmChange(ctx, conn, len(tree.paths), deleteAskAbove, question, "nothing was deleted"); err != nil {
		return err
	}
	d := deletion{conn: conn, size: size, only: true, versions: tree.versions}
	return env.AndSkipped(d.report(env, tree.root, d.delete(ctx, env, tree)), skipped)
}

// rehearseDeleteAll lists the znodes that would be deleted, parents first.
func rehearseDeleteAll(ctx context.Context, env *command.Env, trees []doomed) error {
	var deleted, roots []string
	for _, tree := range trees {
		roots = append(roots, tree.root)
	}
	err := env.Many(ctx, roots, func(i int, root string) error {
		switch {
		case trees[i].err != nil:
			return trees[i].err
		case trees[i].paths == nil:
			return specialError(root)
		}
		for _, path := range slices.Backward(trees[i].paths) {
			deleted = append(deleted, path)
		}
		return nil
	})
	return errors.Join(listDeletions(env, deleted), err)
}

// checkRoots refuses, before anything is deleted, to delete everything there is.
func checkRoots(conn *client.Conn, roots []string) error {
	switch chroot := conn.Chroot(); {
	case !slices.Contains(roots, "/"):
		return nil
	case chroot != "":
		return fmt.Errorf("/ is the chroot %s of this session and cannot be deleted; name what to delete, such as a child of /", chroot)
	}
	return errors.New("/ cannot be deleted, and /zookeeper in it belongs to the server; name what to delete, such as a child of /")
}

// listDoomed lists a tree that takes up to room bytes. Its error is one that ends the command.
func listDoomed(ctx context.Context, env *command.Env, conn *client.Conn, root string, room int) (doomed, error) {
	if special(conn, root) {
		return doomed{root: root}, nil
	}
	t, err := readTree(ctx, env, conn, root, room)
	if interrupted := command.Stopped(ctx, err, "nothing was deleted"); interrupted != nil {
		return doomed{}, interrupted
	}
	if err != nil {
		return doomed{root: root, err: err}, command.About(err)
	}
	return doomed{root: root, paths: t.bottomUp(), bytes: t.bytes}, nil
}

// delete deletes a tree and reports the result.
func (d *deletion) delete(ctx context.Context, env *command.Env, tree doomed) error {
	if tree.paths == nil {
		// zkCli also reports success here and leaves everything unchanged.
		fmt.Fprintln(env.Streams.Err, "Failed to delete some node(s) in the subtree!", specialError(tree.root))
		return nil
	}
	progress := env.Streams.NewProgress("deleted", int64(len(tree.paths)))
	d.progress = func() { progress.Set(int64(d.deleted)) }
	err := d.run(ctx, tree.paths)
	progress.Done()
	rest := "; the rest is untouched"
	if d.unsure > 0 {
		rest = fmt.Sprintf("; %s more may be, and the rest is untouched", command.Thousands(d.unsure))
	}
	done := fmt.Sprintf("deleted %s of %s znodes", command.Thousands(d.deleted), command.Thousands(len(tree.paths)))
	if d.failed.N > 0 && len(tree.paths) > 1 {
		d.failed.Name(env)
	}
	switch interrupted := command.Stopped(ctx, err, done+rest); {
	case interrupted != nil:
		return interrupted
	case err != nil && len(tree.paths) > 1:
		return fmt.Errorf("%w (%s; run it again for the rest)", err, done)
	case err != nil || d.failed.N == 0:
		return err
	case len(tree.paths) == 1:
		return d.failed.List[0].Err
	}
	return command.Reword(d.failed.List[0].Err,
		"Failed to delete some node(s) in the subtree! %s; the znodes named above and their ancestors stay", done)
}

func (d *deletion) report(env *command.Env, root string, err error) error {
	if env.Output == ui.JSON {
		answer := command.Object{"path": root, "deleted": d.deleted}
		if d.failed.N > 0 {
			answer["failed"] = d.failed.List
		}
		err = errors.Join(env.PrintJSON(answer), err)
	}
	return err
}

// special reports whether the server refuses to delete the znode.
func special(conn *client.Conn, path string) bool {
	return proto.IsSpecialPath(path) && conn.Chroot() == ""
}

func specialError(path string) error {
	op := &client.OpError{Op: proto.OpDelete, Path: path, Code: proto.ErrBadArguments}
	return command.Reword(op, "%s (it belongs to the server and cannot be deleted)", command.Sentence(op))
}
