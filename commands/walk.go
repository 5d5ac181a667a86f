package commands

import (
	"context"
	"errors"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// walkTree calls visit for each znode below root in zkCli's order: the children of a
// znode, and then what is below each of them (ZKUtil.visitSubTreeDFS). A znode that goes
// meanwhile is passed over; any other error ends the walk.
func walkTree(ctx context.Context, conn *client.Conn, root string, watch bool, visit func(path string) error) error {
	if watch {
		return walkWatching(ctx, conn, root, visit)
	}
	return conn.Walk(ctx, root, client.WalkOptions{}, func(path string, children []string, err error) error {
		if errors.Is(err, proto.ErrNoNode) {
			return nil
		} else if err != nil {
			return err
		}
		return visitChildren(path, children, visit)
	})
}

// walkWatching also sets a watch on each znode, which a request for many cannot.
func walkWatching(ctx context.Context, conn *client.Conn, root string, visit func(path string) error) error {
	children, _, err := conn.Children(ctx, root, true)
	if errors.Is(err, proto.ErrNoNode) {
		return nil
	} else if err != nil {
		return err
	}
	sortNames(children)
	if err := visitChildren(root, children, visit); err != nil {
		return err
	}
	for _, c := range children {
		if err := walkWatching(ctx, conn, childPath(root, c), visit); err != nil {
			return err
		}
	}
	return nil
}

func visitChildren(parent string, children []string, visit func(path string) error) error {
	for _, c := range children {
		if err := visit(childPath(parent, c)); err != nil {
			return err
		}
	}
	return nil
}
