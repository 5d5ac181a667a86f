package transfer

import (
	"context"
	"errors"
	"slices"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/zpath"
)

// renew deletes znodes at the destination that were deleted at the source and created anew while nobody told the mirror, if their
// next sequence numbers are too high: numbers cannot be lowered. What is below them is deleted, too. All of it is created again
// in the next step. anew are those that were deleted before, in order; the result has the new ones, too.
func (m *mirror) renew(ctx context.Context, r *reading, anew []string) ([]string, error) {
	if !m.delete {
		return anew, nil
	}
	below := func(path string) bool { return len(anew) > 0 && zpath.Within(path, anew[len(anew)-1]) }
	for _, t := range r.targets {
		path := m.atSource(t.Path)
		known, _ := m.state.twins.get(path)
		there := r.found[path]
		if below(path) || known.mzxid == 0 || t.Wanted.Stat.Czxid <= known.mzxid || t.Path == "/" ||
			there == nil || source.NextSequence(there) <= source.NextSequence(&t.Wanted.Stat) {
			continue
		}
		gone, err := m.removeTree(ctx, path)
		if err != nil {
			return anew, err
		}
		if gone {
			anew = append(anew, path)
		}
	}
	r.targets = slices.DeleteFunc(r.targets, func(t apply.Target) bool {
		path := m.atSource(t.Path)
		again := slices.ContainsFunc(anew, func(root string) bool { return zpath.Within(path, root) })
		if again {
			m.dirty.Add(path)
		}
		return again
	})
	return anew, nil
}

// removeTree deletes a tree at the destination, unless something in it is somebody else's, and reports whether it has. path is that at the
// source.
func (m *mirror) removeTree(ctx context.Context, path string) (bool, error) {
	var targets []apply.Target
	theirs := errors.New("somebody else's")
	err := m.dst.conn.Walk(ctx, m.atDest(path), client.WalkOptions{Stat: true, Rate: m.rate}, func(z *client.Walked) error {
		switch {
		case errors.Is(z.Err, proto.ErrNoNode):
			return nil
		case z.Err != nil, z.Stat.EphemeralOwner != 0, !m.force && !m.state.mine(m.atSource(z.Path), &z.Stat):
			return theirs
		}
		targets = append(targets, apply.Target{Path: z.Path, Found: &apply.Found{Version: z.Stat.Version, Aversion: z.Stat.Aversion}})
		return nil
	})
	switch {
	case errors.Is(err, theirs):
		return false, nil
	case err != nil && !errors.Is(err, proto.ErrNoNode):
		return false, err
	}
	for _, t := range targets {
		m.dirty.Add(m.atSource(t.Path))
	}
	return true, m.apply(ctx, targets, false)
}
