package commands

import (
	"context"
	"errors"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// walkTree calls visit for each znode below root in zkCli's order: the children of a znode, and
// then what is below each of them (ZKUtil.visitSubTreeDFS). Znodes deleted meanwhile are skipped.
// refused receives the error for a znode that the session may not list; the walk continues.
//
// Differs(walk-goes-on): zkCli stops at the first znode that may not be read, and never shows the
// rest of the tree.
func walkTree(ctx context.Context, conn *client.Conn, root string, watch bool, visit func(path string) error, refused func(error) error) error {
	list := func(z *client.Walked) error {
		switch {
		case errors.Is(z.Err, proto.ErrNoNode):
			return nil
		case z.Err != nil:
			return refused(z.Err)
		}
		for _, c := range z.Children {
			if err := visit(childPath(z.Path, c)); err != nil {
				return err
			}
		}
		return nil
	}
	return conn.Walk(ctx, root, client.WalkOptions{Watch: watch}, list)
}
