package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

// tree holds the paths of a subtree as they were found; it is not a snapshot.
type tree struct {
	root     string
	children map[string][]string // names, sorted; only of znodes that have children
	denied   map[string]error    // znodes whose children the session may not list
	n        int
	bytes    int // of names and paths, with what holds them
}

// maxTree is how many bytes of a tree are held at most.
const maxTree = 384 << 20

func (t *tree) size() int { return t.n }

// add adds the children found by another listing, of part of the tree.
func (t *tree) add(sub *tree) {
	for path, c := range sub.children {
		t.children[path] = c
	}
	for path, err := range sub.denied {
		t.denied[path] = err
	}
	delete(t.denied, sub.root)
	if sub.denied[sub.root] != nil {
		t.denied[sub.root] = sub.denied[sub.root]
	}
	t.n += sub.n - 1
	t.bytes += sub.bytes
}

// bottomUp returns the paths, deepest first.
func (t *tree) bottomUp() []string {
	paths := make([]string, 1, t.n)
	paths[0] = t.root
	for i := 0; i < len(paths); i++ {
		for _, c := range t.children[paths[i]] {
			paths = append(paths, childPath(paths[i], c))
		}
	}
	slices.Reverse(paths)
	return paths
}

func childPath(parent, name string) string {
	if parent == "/" {
		return parent + name
	}
	return parent + "/" + name
}

// errTreeTooLarge is in readTree's error about a tree that cannot be held.
var errTreeTooLarge = errors.New("the tree is too large to be listed in advance, or endless")

// readTree lists a subtree with many requests in flight. It fails when the root is not
// there, and with errTreeTooLarge when the tree takes more than most bytes; a znode that is
// deleted meanwhile is left out.
func readTree(ctx context.Context, env *command.Env, conn *client.Conn, root string, most int) (*tree, error) {
	t := &tree{root: root, children: map[string][]string{}, denied: map[string]error{}}
	progress := env.Streams.NewProgress("listed", 0)
	defer progress.Done()
	opt := client.WalkOptions{Progress: func(found int) { progress.Set(int64(found)) }}
	err := conn.Walk(ctx, root, opt, func(z *client.Walked) error {
		path, children, err := z.Path, z.Children, z.Err
		t.n++
		if t.bytes > most {
			return fmt.Errorf("%s: %w; process its parts one by one", root, errTreeTooLarge)
		}
		switch {
		case err == nil && len(children) > 0:
			t.children[path] = children
			t.bytes += len(path) + 100
			for _, c := range children {
				t.bytes += len(path) + 2*len(c) + 64 // in the list of paths, too
			}
		case err != nil && !errors.Is(err, proto.ErrNoNode):
			t.denied[path] = err
			t.bytes += len(path) + 200
		case err != nil && path == root:
			return err
		}
		return nil
	})
	return t, err
}
