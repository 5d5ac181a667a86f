package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// aclSetter sets the ACL of a tree. It lists and sets a znode's children before it descends into
// them, as ZKUtil.visitSubTreeDFS does, and prints in that order.
type aclSetter struct {
	env     *command.Env
	conn    *client.Conn
	edit    aclEdit
	version int32
	size    int // of the tree
	set     int
	nobody  int              // would have an empty ACL
	failed  command.Failures // to be set
	skipped command.Failures // to be listed
}

func (s *aclSetter) run(ctx context.Context, root string) error {
	tree, err := readTree(ctx, s.env, s.conn, root, maxTree)
	if interrupted := command.Stopped(ctx, err, "no ACL was set"); interrupted != nil {
		return interrupted
	}
	if err != nil {
		return err
	}
	if err := tree.denied[root]; err != nil {
		return err // before anything is set, as with zkCli
	}
	s.size = tree.size()
	if err := s.confirm(ctx, tree, root); err != nil {
		return err
	}
	err = s.apply(ctx, tree, root)
	if interrupted := command.Stopped(ctx, err, fmt.Sprintf("set the ACL of %s of %s znodes; the rest is untouched", command.Thousands(s.set), command.Thousands(s.size))); interrupted != nil {
		err = interrupted
	}
	if n := s.failed.N; n > 0 {
		if s.env.Output != ui.JSON && s.env.Streams.OutTTY {
			fmt.Fprintln(s.env.Streams.Out)
		}
		first := s.failed.List[0].Op
		failed := command.Reword(first, "the ACL of %s znodes was set, that of %s was not; the first: %v",
			command.Thousands(s.set), command.Thousands(n), command.Explain(ctx, command.ExplainACL(first, s.edit.added())))
		err = s.also(err, failed)
	} else if missed := s.edit.missed("any znode in " + escape.Line(root)); missed != nil {
		err = s.also(err, missed)
	}
	if s.nobody > 0 {
		err = s.also(err, fmt.Errorf("the ACL of %s znodes was not changed", command.Thousands(s.nobody)))
	}
	if skipped := s.skipped.Skipped(s.env); skipped != nil {
		err = s.also(err, skipped)
	}
	if s.env.Output == ui.JSON {
		answer := command.Object{"path": root, "set": s.set, "failed": append([]command.Failure{}, s.failed.List...)}
		if s.skipped.N > 0 {
			answer["skipped"] = s.skipped.List
		}
		return errors.Join(s.env.PrintJSON(answer), err)
	}
	return err
}

// also returns one of two errors, with which the command ends, and prints the other.
func (s *aclSetter) also(err, next error) error {
	if err == nil {
		return next
	}
	s.env.Complain(next)
	return err
}

// apply sets the ACLs in visiting order. If the children of a znode could not be listed, they are
// listed again after its own ACL is set, which may have helped; otherwise they are skipped.
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
			sub, err := readTree(ctx, s.env, s.conn, path, maxTree-tree.bytes)
			if errors.Is(err, proto.ErrNoNode) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := sub.denied[path]; err != nil {
				return s.skipped.Add(err)
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
		return err
	}
	return flush()
}

// setAll sets the ACL of each path, many at the same time, and reports command.Failures in path
// order. It fails only if the session or the context does.
func (s *aclSetter) setAll(ctx context.Context, paths []string) error {
	errs := make([]error, len(paths))
	settled, cancel := command.Settling(ctx)
	defer cancel()
	progress := s.env.Streams.NewProgress("set", int64(s.size))
	before := s.set + s.failed.N
	command.ForEach(ctx, len(paths), command.InFlight, func(i int) error {
		if s.edit.list == nil {
			_, _, errs[i] = changeACL(settled, s.conn, paths[i], s.edit, s.version, nil)
		} else {
			_, errs[i] = s.conn.SetACL(settled, paths[i], s.edit.list, s.version)
		}
		if errors.Is(errs[i], errNobody) {
			return nil
		}
		return command.Fatal(errs[i])
	}, errs, func(done int) { progress.Set(int64(before + done)) })
	progress.Done()
	var lost error
	for _, err := range errs {
		var op *client.OpError
		switch {
		case err == nil:
			s.set++
		case errors.As(err, &op):
			_ = s.failed.Add(err)
			if s.env.Output != ui.JSON {
				fmt.Fprint(s.env.Streams.Out, op.Error()) // zkCli prints these without a line break
			}
		case errors.Is(err, errNobody):
			s.nobody++
			s.env.Complain(err)
		case lost == nil:
			lost = err
		}
	}
	return lost
}
