package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// aclSetter sets the ACL of a tree. It lists and sets a znode's children before it goes
// into them, as ZKUtil.visitSubTreeDFS does; what it prints has that order.
type aclSetter struct {
	env     *Env
	conn    *client.Conn
	acl     []proto.ACL
	version int32
	size    int // of the tree
	set     int
	failed  []aclFailure
	first   error // of failed
}

type aclFailure struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

func (s *aclSetter) run(ctx context.Context, root string) error {
	tree, err := readTree(ctx, s.env, s.conn, root)
	if interrupted := stopped(ctx, err, "no ACL was set"); interrupted != nil {
		return interrupted
	}
	if err != nil {
		return err
	}
	if err := tree.denied[root]; err != nil {
		return err // before anything is set, as with zkCli
	}
	s.size = tree.size()
	err = s.apply(ctx, tree, root)
	if interrupted := stopped(ctx, err, fmt.Sprintf("set the ACL of %s of %s znodes; the rest is untouched", thousands(s.set), thousands(s.size))); interrupted != nil {
		err = interrupted
	}
	if n := len(s.failed); n > 0 {
		if s.env.Output != ui.JSON && s.env.Streams.OutTTY {
			fmt.Fprintln(s.env.Streams.Out)
		}
		text := fmt.Sprintf("the ACL of %s znodes was set, that of %s was not", thousands(s.set), thousands(n))
		if err == nil {
			err = &said{fmt.Sprintf("%s; the first: %v", text, Explain(ctx, explainACL(s.first, s.acl))), s.first}
		} else {
			fmt.Fprintln(s.env.Streams.Err, text)
		}
	}
	if s.env.Output == ui.JSON {
		if s.failed == nil {
			s.failed = []aclFailure{}
		}
		return errors.Join(s.env.printJSON(object{"path": root, "set": s.set, "failed": s.failed}), err)
	}
	return err
}

// apply sets the ACLs in visiting order up to the first znode whose children cannot be
// listed. Such a znode is listed again after its own ACL is set, which may have helped.
func (s *aclSetter) apply(ctx context.Context, tree *tree, root string) error {
	pending := []string{root}
	flush := func() error {
		err := s.setAll(ctx, pending)
		pending = pending[:0]
		return err
	}
	var visit func(path string) error
	visit = func(path string) error {
		if tree.denied[path] != nil {
			if err := flush(); err != nil {
				return err
			}
			sub, err := readTree(ctx, s.env, s.conn, path)
			if errors.Is(err, proto.ErrNoNode) {
				return nil
			}
			if err != nil {
				return err
			}
			if sub.denied[path] != nil {
				return sub.denied[path]
			}
			tree.add(sub)
			s.size = tree.size()
		}
		children := tree.children[path]
		for _, c := range children {
			pending = append(pending, childPath(path, c))
		}
		for _, c := range children {
			if err := visit(childPath(path, c)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := visit(root); err != nil {
		if lost := flush(); lost != nil {
			return lost
		}
		return err
	}
	return flush()
}

// setAll sets the ACL of each path, many at once, and reports failures in the paths' order.
// It fails only when the session or the context does.
func (s *aclSetter) setAll(ctx context.Context, paths []string) error {
	errs := make([]error, len(paths))
	settled, cancel := settling(ctx)
	defer cancel()
	progress := s.env.Streams.NewProgress("set", int64(s.size))
	before := s.set + len(s.failed)
	forEach(ctx, len(paths), inFlight, func(i int) error {
		_, errs[i] = s.conn.SetACL(settled, paths[i], s.acl, s.version)
		return fatal(errs[i])
	}, errs, func(done int) { progress.Set(int64(before + done)) })
	progress.Done()
	var lost error
	for i, err := range errs {
		var op *client.OpError
		switch {
		case err == nil:
			s.set++
		case errors.As(err, &op):
			s.failed = append(s.failed, aclFailure{paths[i], op.Code.Name()})
			s.first = cmp.Or(s.first, err)
			if s.env.Output != ui.JSON {
				fmt.Fprint(s.env.Streams.Out, op.Error()) // zkCli prints these without a line break
			}
		case lost == nil:
			lost = err
		}
	}
	return lost
}
