package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

var deleteAllCommand = &Command{
	Name: "deleteall", Aliases: []string{"rmr"}, Group: Writing, Usage: "path [-b batch size]",
	Short: "delete a znode with everything below it",
	Long: "The tree is listed first, then deleted from the leaves up, in transactions of many znodes. It is not " +
		"one transaction: Ctrl-C stops it and says how far it got. On a terminal a tree of more than 100 znodes " +
		"is asked about first; -y answers yes. / and what the server keeps in /zookeeper are never deleted.",
	Options: []Option{{Name: "b", Value: "batch size", Kind: Number, Help: "znodes per transaction, 1000 unless given; 0 deletes one by one"}},
	Args:    []Arg{{Name: "path", Kind: Path}},
	Examples: []Example{
		{"deleteall /app", "delete a tree"},
		{"deleteall -y /app/cache", "without a question"},
	},
	Differs: "It refuses / (zkCli deletes a part of it, or nothing, and reports success). A znode that is not deleted makes the exit code 1, " +
		"with zkCli it is 0. A znode that appears or goes while it runs does not end it.",
	Run: runDeleteAll,
}

// deleteAskAbove is the size of a tree, in znodes, beyond which a person is asked.
const deleteAskAbove = 100

func runDeleteAll(ctx context.Context, env *Env, in *Invocation) error {
	root := in.Args[0]
	size := 1000
	if in.Has("b") {
		var err error
		if size, err = strconv.Atoi(in.Value("b")); err != nil {
			return fmt.Errorf("-b argument must be an int value: %q is not a number of znodes", in.Value("b"))
		}
	}
	conn, err := env.conn()
	if err != nil {
		return err
	}
	if chroot := conn.Chroot(); root == "/" && chroot != "" {
		return fmt.Errorf("/ is the chroot %s of this session and stays; name what to delete, such as a child of /", chroot)
	} else if root == "/" {
		return errors.New("/ itself cannot be deleted, and /zookeeper in it belongs to the server; name what to delete, such as a child of /")
	}
	d := deletion{conn: conn, size: max(size, 1), progress: func() {}}
	if special(conn, root) {
		// zkCli too reports success here and leaves all as it is.
		fmt.Fprintln(env.Streams.Err, "Failed to delete some node(s) in the subtree!", specialError(root))
		return d.report(env, root, nil)
	}
	t, err := readTree(ctx, env, conn, root)
	if interrupted := stopped(ctx, err, "nothing was deleted"); interrupted != nil {
		return interrupted
	}
	if err != nil {
		return err
	}
	paths := t.bottomUp()
	for _, path := range slices.Backward(paths) {
		if err := t.denied[path]; err != nil {
			return err // before anything is deleted
		}
	}
	if len(paths) > deleteAskAbove && env.Streams.InTTY && !env.Yes {
		yes, err := env.Streams.Ask(ctx, fmt.Sprintf("Delete %s and the %s znodes below it?", root, thousands(len(paths)-1)))
		if interrupted := stopped(ctx, err, "nothing was deleted"); interrupted != nil {
			return interrupted
		}
		if err != nil {
			return err
		}
		if !yes {
			return errors.New("nothing was deleted")
		}
	}
	progress := env.Streams.NewProgress("deleted", int64(len(paths)))
	d.progress = func() { progress.Set(int64(d.deleted)) }
	err = d.run(ctx, paths)
	progress.Done()
	rest := "; the rest is untouched"
	if d.unsure > 0 {
		rest = fmt.Sprintf("; %s more may be, and the rest is untouched", thousands(d.unsure))
	}
	done := fmt.Sprintf("deleted %s of %s znodes", thousands(d.deleted), thousands(len(paths)))
	switch interrupted := stopped(ctx, err, done+rest); {
	case interrupted != nil:
		err = interrupted
	case err != nil && len(paths) > 1:
		var op *client.OpError
		text := err.Error()
		if errors.As(err, &op) && sentence(op) != "" {
			text = sentence(op)
		}
		err = &said{fmt.Sprintf("%s (%s; run it again for the rest)", text, done), err}
	}
	return d.report(env, root, err)
}

func (d *deletion) report(env *Env, root string, err error) error {
	if env.Output == ui.JSON {
		err = errors.Join(env.printJSON(object{"path": root, "deleted": d.deleted}), err)
	}
	return err
}

// special tells whether the server refuses to delete the znode (DataTree.isSpecialPath).
func special(conn *client.Conn, path string) bool {
	switch path {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return conn.Chroot() == ""
	}
	return false
}

func specialError(path string) error {
	op := &client.OpError{Op: proto.OpDelete, Path: path, Code: proto.ErrBadArguments}
	return &said{sentence(op) + " (it belongs to the server and cannot be deleted)", op}
}
