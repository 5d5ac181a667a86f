package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// surveyed is how many ACLs are read before they are looked at.
const surveyed = 4096

// survey reads the ACLs of a tree, parents first, and calls see for each that could be read.
func (s *aclSetter) survey(ctx context.Context, tree *tree, see func(path string, acl []proto.ACL, stat proto.Stat) error) error {
	paths := tree.bottomUp()
	slices.Reverse(paths)
	progress := s.env.Streams.NewProgress("read", int64(len(paths)))
	defer progress.Done()
	before := 0
	for part := range slices.Chunk(paths, surveyed) {
		acls, stats, errs := make([][]proto.ACL, len(part)), make([]proto.Stat, len(part)), make([]error, len(part))
		command.ForEach(ctx, len(part), command.InFlight, func(i int) error {
			acls[i], stats[i], errs[i] = s.conn.GetACL(ctx, part[i])
			return command.Fatal(errs[i])
		}, errs, func(done int) { progress.Set(int64(before + done)) })
		for i, err := range errs {
			switch {
			case errors.Is(err, proto.ErrNoNode):
			case err != nil:
				if err := s.skipped.Add(err); err != nil {
					return err
				}
			default:
				if err := see(part[i], acls[i], stats[i]); err != nil {
					return err
				}
			}
		}
		before += len(part)
	}
	return nil
}

// confirm asks before this session loses the permission to set the ACLs of the tree again.
func (s *aclSetter) confirm(ctx context.Context, tree *tree, root string) error {
	if s.edit.list != nil {
		return confirmACL(ctx, s.env, s.conn, root, s.size-1, s.edit.list)
	}
	if s.env.Yes || !s.edit.removes() {
		return nil
	}
	who := newIdentities(ctx, s.conn)
	lost, first := 0, ""
	err := s.survey(ctx, tree, func(path string, now []proto.ACL, _ proto.Stat) error {
		if acl, err := s.edit.of(now); err == nil && who.admin(now) && !who.admin(acl) {
			if lost++; first == "" {
				first = path
			}
		}
		return nil
	})
	s.skipped = command.Failures{} // what cannot be read cannot be changed either, and is reported then
	if err != nil || lost == 0 {
		return err
	}
	return confirmLoss(ctx, s.env, fmt.Sprintf("the change leaves this session no permission a (admin) for %s, such as %s, so it could not set their ACLs again",
		command.Counted(lost, "znode"), escape.Line(first)))
}

// rehearse prints what would change in the ACLs of a tree.
func (s *aclSetter) rehearse(ctx context.Context, root string) error {
	tree, err := readTree(ctx, s.env, s.conn, root, maxTree)
	if err != nil {
		return err
	}
	for _, denied := range tree.denied {
		if err := s.skipped.Add(denied); err != nil {
			return err
		}
	}
	changed := 0
	err = s.survey(ctx, tree, func(path string, now []proto.ACL, stat proto.Stat) error {
		if s.version >= 0 && stat.Aversion != s.version {
			return s.failed.Add(&client.OpError{Op: proto.OpSetACL, Path: path, Code: proto.ErrBadVersion})
		}
		acl, err := s.edit.of(now)
		if err != nil {
			s.env.Complain(fmt.Errorf("%s: %w", escape.Line(path), err))
			s.nobody++
			return nil
		}
		if slices.Equal(acl, now) {
			return nil
		}
		changed++
		return printChange(s.env, path, diffACL(path, now, acl, stat))
	})
	if err == nil {
		err = s.edit.missed("any znode in " + escape.Line(root))
	}
	s.env.Note("the ACL of %s of %s would change", command.Thousands(changed), command.Counted(tree.size(), "znode"))
	if s.failed.N > 0 {
		s.failed.Name(s.env)
		err = s.also(err, fmt.Errorf("the ACL of %s would not be set", command.Counted(s.failed.N, "znode")))
	}
	if s.nobody > 0 {
		err = s.also(err, fmt.Errorf("the ACL of %s would not be changed", command.Counted(s.nobody, "znode")))
	}
	if skipped := s.skipped.Skipped(s.env); skipped != nil {
		err = s.also(err, skipped)
	}
	return err
}
