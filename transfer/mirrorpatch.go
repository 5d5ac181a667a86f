package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/zpath"
)

// chunk is how many znodes are read before they are written.
const chunk = 1000

// patch brings single znodes, given by their paths at the source in order, into step.
func (m *mirror) patch(ctx context.Context, paths []string) error {
	var gone []string
	there := map[string]*proto.Stat{} // what is at the destination instead
	for part := range slices.Chunk(paths, chunk) {
		found := make([]*proto.Stat, len(part))
		targets, absent, err := m.read(ctx, part, found)
		if err != nil {
			return err
		}
		stats := map[string]*proto.Stat{}
		for i, path := range part {
			stats[path] = found[i]
		}
		for _, path := range absent {
			there[path] = stats[path]
			m.countsAgain(path)
		}
		gone = append(gone, absent...)
		targets = slices.DeleteFunc(targets, func(t apply.Target) bool {
			path := m.atSource(t.Path)
			known, mirrored := m.state.twins[path]
			if !mirrored || known.next != source.NextSequence(&t.Wanted.Stat) || t.Wanted.Stat.Czxid > known.mzxid {
				m.countsAgain(path)
			}
			return m.asMirrored(path, t.Wanted, stats[path])
		})
		for i := range targets {
			t := &targets[i]
			if f := m.found(m.atSource(t.Path), t.Wanted, stats[m.atSource(t.Path)]); f != nil && (f.Absent || f.Data || f.ACL) {
				t.Found = f
			}
		}
		if err := m.apply(ctx, targets, false); err != nil {
			return err
		}
	}
	if slices.Contains(gone, m.src.path) && m.delete {
		return stopError{fmt.Errorf("%s is gone at the source; nothing was deleted at the destination", escape.Line(m.src.path))}
	}
	gone = slices.DeleteFunc(gone, func(path string) bool {
		_, known := m.state.twins[path]
		if f := m.found(path, nil, there[path]); known && f != nil && f.Absent { // at both ends
			m.state.drop(path)
			return true
		}
		return !known
	})
	if !m.delete {
		for _, path := range gone {
			m.state.drop(path)
		}
		return nil
	}
	if err := m.mayDelete(len(gone)); err != nil {
		return err
	}
	targets := make([]apply.Target, len(gone))
	for i, path := range gone {
		targets[i].Path, targets[i].Found = m.atDest(path), m.found(path, nil, there[path])
	}
	return m.apply(ctx, targets, false)
}

// countsAgain notes that a znode, or its parent, may have to give another number to its next sequential child.
func (m *mirror) countsAgain(path string) {
	m.parents[path] = struct{}{}
	if path != m.src.path && path != "/" {
		m.parents[zpath.Parent(path)] = struct{}{}
	}
}

// asMirrored reports whether a znode is as it was when it was mirrored, at both ends.
func (m *mirror) asMirrored(path string, z *source.Znode, found *proto.Stat) bool {
	f := m.found(path, z, found)
	return f != nil && !f.Absent && !f.Data && !f.ACL && m.state.twins[path].next == source.NextSequence(&z.Stat)
}

// found compares a znode of the source, nil if there is none, with what was found at the destination: a stat, that of nothing
// if it is zero, and nil if it is not known. The result is nil if the znode must be read to know that.
func (m *mirror) found(path string, z *source.Znode, stat *proto.Stat) *apply.Found {
	t, known := m.state.twins[path]
	_, waits := m.state.pending[path]
	switch {
	case stat == nil, waits, z != nil && !z.Known:
		return nil
	case *stat == (proto.Stat{}):
		return &apply.Found{Absent: true}
	case !known, t.unwritten, t.theirs <= 0, t.theirs != stat.Mzxid, t.theirACL != stat.Aversion, z != nil && z.Stat.Czxid > t.mzxid: // created anew
		return nil
	}
	f := &apply.Found{Version: stat.Version, Aversion: stat.Aversion}
	if z != nil {
		f.Data, f.ACL = t.mzxid != z.Stat.Mzxid, t.aversion != z.Stat.Aversion
	}
	return f
}

// raise brings the numbers of sequential children into step, once all changes that the source has reported are applied:
// before, a number could be raised for a child that is still to be created. It reports whether nothing is left.
func (m *mirror) raise(ctx context.Context) (done bool, err error) {
	paths := slices.SortedFunc(maps.Keys(m.parents), source.Compare)
	for part := range slices.Chunk(paths, chunk) {
		targets, _, err := m.read(ctx, part, nil)
		if err != nil {
			return false, err
		}
		if left, lost := m.dirty.Left(); left > 0 || lost { // reported before what was read
			return false, nil
		}
		targets = slices.DeleteFunc(targets, func(t apply.Target) bool {
			return !t.Wanted.Known || m.state.twins[m.atSource(t.Path)].unwritten
		})
		if err := m.apply(ctx, targets, true); err != nil {
			return false, err
		}
		for _, path := range part {
			delete(m.parents, path)
		}
	}
	return true, nil
}

// read reads znodes at the source and, at the same time, their stats at the destination into found, unless that is nil: zero for
// what does not exist, nil for what could not be read.
func (m *mirror) read(ctx context.Context, paths []string, found []*proto.Stat) (targets []apply.Target, absent []string, err error) {
	znodes := make([]*source.Znode, len(paths))
	errs := make([]error, len(paths))
	conn := m.src.conn
	command.ForEach(ctx, len(paths), command.InFlight, func(i int) error {
		var op *client.OpError
		var acl []proto.ACL
		var aclStat proto.Stat
		var aclErr error
		var others sync.WaitGroup
		others.Go(func() { acl, aclStat, aclErr = conn.GetACL(ctx, paths[i]) })
		if found != nil {
			others.Go(func() {
				if stat, err := m.dst.conn.Exists(ctx, m.atDest(paths[i]), false); err == nil || errors.Is(err, proto.ErrNoNode) {
					found[i] = &stat
				}
			})
		}
		data, stat, err := conn.Get(ctx, paths[i], false)
		others.Wait()
		if err == nil && aclErr == nil && aclStat.Czxid != stat.Czxid { // created anew in between: the ACL may be the old one's
			acl, aclStat, aclErr = conn.GetACL(ctx, paths[i])
		}
		if err = cmp.Or(err, aclErr); err == nil {
			stat.Aversion = aclStat.Aversion
			znodes[i] = source.OfWalk(&client.Walked{Path: paths[i], Known: true, Stat: stat, Data: data, ACL: acl})
		}
		if errors.As(err, &op) && op.Code != proto.ErrNoNode {
			znodes[i] = &source.Znode{Path: paths[i], Err: op}
			err = nil
		}
		errs[i] = err
		if errors.As(err, &op) {
			return nil
		}
		return err
	}, errs, func(int) {})
	for i, path := range paths {
		switch z := znodes[i]; {
		case errors.Is(errs[i], proto.ErrNoNode):
			absent = append(absent, path)
		case errs[i] != nil:
			return nil, nil, errs[i]
		case z.Kind == source.Ephemeral:
		default:
			targets = append(targets, apply.Target{Path: m.atDest(path), Wanted: z})
		}
	}
	return targets, absent, nil
}

// apply makes znodes at the destination as they are wanted.
func (m *mirror) apply(ctx context.Context, targets []apply.Target, sequences bool) error {
	if len(targets) == 0 {
		return nil
	}
	stats := make(map[string]proto.Stat, len(targets))
	paths := make([]string, len(targets))
	for i := range targets {
		t := &targets[i]
		paths[i] = m.atSource(t.Path)
		if t.Wanted != nil {
			stats[paths[i]] = t.Wanted.Stat
			own := *t.Wanted
			own.Path = t.Path
			t.Wanted = &own
		}
	}
	m.state.intend(paths)
	if err := m.stopIf(m.state.flush()); err != nil {
		return err
	}
	opt := m.options()
	opt.NoSequences = !sequences
	res, err := m.write(stats, func(opt apply.Options) (*apply.Result, error) {
		return apply.Patch(ctx, m.dst.conn, opt, targets)
	}, opt)
	if err != nil {
		m.state.settled(true)
		return err
	}
	m.unwritten(res, stats)
	m.state.settled(false)
	return nil
}

// unwritten notes what is somebody else's: it is written again only when it changes at the source.
func (m *mirror) unwritten(res *apply.Result, stats map[string]proto.Stat) {
	for _, f := range res.Foreign.List {
		path := m.atSource(f.Path)
		t, known := m.state.twins[path]
		if src, read := stats[path]; read {
			t.mzxid, t.next, t.aversion, known = src.Mzxid, source.NextSequence(&src), src.Aversion, true
		}
		if known {
			t.unwritten = true
			m.state.put(path, t)
		}
	}
}

// write runs what writes to the destination, and notes what it has done.
func (m *mirror) write(stats map[string]proto.Stat, run func(opt apply.Options) (*apply.Result, error), opt apply.Options) (*apply.Result, error) {
	if !m.force {
		opt.Mine = func(path string, found *proto.Stat) bool {
			return m.state.mine(m.atSource(path), found)
		}
	}
	opt.Lost = func(err error) { m.stat.trouble(err) }
	var full error
	opt.Progress = func(int) {
		full = cmp.Or(full, m.state.flush())
		m.stat.znodes.Store(int64(len(m.state.twins)))
		m.line.show(m.status())
	}
	opt.Wrote = func(path string, stat *proto.Stat) {
		path = m.atSource(path)
		t := m.state.twins[path]
		if src, known := stats[path]; known {
			t.mzxid, t.next, t.aversion = src.Mzxid, source.NextSequence(&src), src.Aversion
		}
		t.theirs, t.unwritten = -1, false
		if stat != nil {
			t.theirs, t.theirACL = stat.Mzxid, stat.Aversion
		}
		t.seen = m.round
		m.state.put(path, t)
	}
	opt.Each = func(d apply.Done) {
		m.stat.applied.Add(1)
		if d.Action == apply.Delete {
			m.state.drop(m.atSource(d.Path))
		}
	}
	res, err := run(opt)
	if full != nil {
		err = stopError{full}
	}
	for _, f := range res.Foreign.List {
		m.foreign(m.atSource(f.Path), f.Err)
	}
	m.stat.failed.Add(int64(res.Failed.N))
	for _, f := range res.Failed.List {
		m.failed(f)
	}
	m.stat.znodes.Store(int64(len(m.state.twins)))
	return res, err
}

// failed reports a znode that could not be written. It is read again when everything is compared.
func (m *mirror) failed(f apply.Failure) {
	path := m.atSource(f.Path)
	if t, known := m.state.twins[path]; known {
		t.mzxid = 0
		m.state.put(path, t)
	}
	if key := f.Path + " " + f.Err.Error(); !m.told[key] && len(m.told) < maxTold {
		m.told[key] = true
		m.warn("%s: %v", escape.Line(f.Path), f.Err)
	}
}
