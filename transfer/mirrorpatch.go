package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
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

// patch brings single znodes, given by their paths at the source in order, a chunk at a time, into step.
func (m *mirror) patch(ctx context.Context, chunks iter.Seq[[]string]) error {
	var gone, anew []string
	there := map[string]*proto.Stat{} // what is at the destination instead
	for part := range chunks {
		r, err := m.read(ctx, part)
		if err == nil {
			anew, err = m.renew(ctx, r, anew)
		}
		if err != nil {
			return err
		}
		for _, path := range r.absent {
			there[path] = r.found[path]
			m.countsAbove(path)
		}
		gone = append(gone, r.absent...)
		changed := r.targets[:0]
		for _, t := range r.targets {
			path := m.atSource(t.Path)
			there, next := r.found[path], source.NextSequence(&t.Wanted.Stat)
			known, mirrored := m.state.twins.get(path)
			if !mirrored || there == nil || *there == (proto.Stat{}) || known.next != next || t.Wanted.Stat.Czxid > known.mzxid {
				m.countsAbove(path)
				if next > 0 {
					m.parents[path] = struct{}{}
				}
			}
			switch f := m.found(path, t.Wanted, there); {
			case f == nil: // it is to be read
			case f.Absent || f.Data || f.ACL:
				t.Found = f
			case known.next == next:
				continue
			}
			changed = append(changed, t)
		}
		if err := m.apply(ctx, changed, false); err != nil {
			return err
		}
	}
	if slices.Contains(gone, m.src.path) && m.delete {
		return stopError{fmt.Errorf("%s is gone at the source; nothing was deleted at the destination", escape.Line(m.src.path))}
	}
	gone = slices.DeleteFunc(gone, func(path string) bool {
		_, known := m.state.twins.get(path)
		_, waits := m.state.pending[path]
		if f := m.found(path, nil, there[path]); known && f != nil && f.Absent { // at both ends
			m.state.drop(path)
			m.settled(path)
			return true
		}
		return !known && !waits && !(m.force && m.delete)
	})
	if !m.delete {
		for _, path := range gone {
			t, _ := m.state.twins.get(path)
			if _, waits := m.state.pending[path]; waits {
				t.theirs = -1
			}
			t.mzxid, t.gone = 0, true
			m.state.put(path, t)
			m.settled(path)
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

// countsAbove notes that the parent of a znode may have to give another number to its next sequential child.
func (m *mirror) countsAbove(path string) {
	if path != m.src.path && path != "/" {
		m.parents[zpath.Parent(path)] = struct{}{}
	}
}

// found compares a znode of the source, nil if there is none, with what was found at the destination: a stat, that of nothing
// if it is zero, and nil if it is not known. The result is nil if the znode must be read to know that.
func (m *mirror) found(path string, z *source.Znode, stat *proto.Stat) *apply.Found {
	t, known := m.state.twins.get(path)
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
		r, err := m.read(ctx, part)
		if err != nil {
			return false, err
		}
		if left, lost := m.dirty.Left(); left > 0 || lost { // reported before what was read
			return false, nil
		}
		r.targets = slices.DeleteFunc(r.targets, func(t apply.Target) bool {
			known, _ := m.state.twins.get(m.atSource(t.Path))
			return source.NextSequence(&t.Wanted.Stat) == 0 || known.unwritten || known.mzxid != t.Wanted.Stat.Mzxid // it has failed
		})
		for i := range r.targets {
			t := &r.targets[i]
			path := m.atSource(t.Path)
			t.Found = m.found(path, t.Wanted, r.found[path])
		}
		if err := m.apply(ctx, r.targets, true); err != nil {
			return false, err
		}
		for _, path := range part {
			delete(m.parents, path)
		}
	}
	return true, nil
}

// reading is what both ends say of znodes, by their paths at the source.
type reading struct {
	targets []apply.Target         // at the source
	absent  []string               // there: also ephemerals, which are not mirrored
	found   map[string]*proto.Stat // at the destination: zero for what does not exist, nil for what could not be read
}

// read reads znodes at the source and, at the same time, their stats at the destination.
func (m *mirror) read(ctx context.Context, paths []string) (*reading, error) {
	znodes := make([]*source.Znode, len(paths))
	found := make([]*proto.Stat, len(paths))
	errs := make([]error, len(paths))
	conn := m.src.conn
	command.ForEach(ctx, len(paths), command.InFlight, func(i int) error {
		var op *client.OpError
		var acl []proto.ACL
		var aclStat proto.Stat
		var aclErr error
		var others sync.WaitGroup
		others.Go(func() { acl, aclStat, aclErr = conn.GetACL(ctx, paths[i]) })
		others.Go(func() {
			if stat, err := m.dst.conn.Exists(ctx, m.atDest(paths[i]), false); err == nil || errors.Is(err, proto.ErrNoNode) {
				found[i] = &stat
			}
		})
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
	r := &reading{found: make(map[string]*proto.Stat, len(paths))}
	for i, path := range paths {
		r.found[path] = found[i]
		switch z := znodes[i]; {
		case errors.Is(errs[i], proto.ErrNoNode), z != nil && z.Kind == source.Ephemeral:
			r.absent = append(r.absent, path)
		case errs[i] != nil:
			return nil, errs[i]
		default:
			r.targets = append(r.targets, apply.Target{Path: m.atDest(path), Wanted: z})
		}
	}
	return r, nil
}

// apply makes znodes at the destination as they are wanted.
func (m *mirror) apply(ctx context.Context, targets []apply.Target, sequences bool) error {
	if len(targets) == 0 {
		return nil
	}
	stats := make(map[string]proto.Stat, len(targets))
	for i := range targets {
		if t := &targets[i]; t.Wanted != nil {
			stats[m.atSource(t.Path)] = t.Wanted.Stat
			own := *t.Wanted
			own.Path = t.Path
			t.Wanted = &own
		}
	}
	opt := m.options()
	opt.NoSequences = !sequences
	res, err := m.write(stats, func(opt apply.Options) (*apply.Result, error) {
		return apply.Patch(ctx, m.dst.conn, opt, targets)
	}, opt)
	if err == nil {
		m.unwritten(res, stats)
	}
	m.state.settled(err != nil)
	return err
}

// unwritten notes what is somebody else's: it is written again only when it changes at the source.
func (m *mirror) unwritten(res *apply.Result, stats map[string]proto.Stat) {
	for _, f := range res.Foreign.List {
		path := m.atSource(f.Path)
		t, known := m.state.twins.get(path)
		if src, read := stats[path]; read {
			t.mzxid, t.next, t.aversion, known = src.Mzxid, source.NextSequence(&src), src.Aversion, true
		}
		if known {
			t.unwritten, t.gone = true, false
			m.state.put(path, t)
			m.others[path] = struct{}{}
		}
	}
	m.count()
}

// settled notes that nothing is the matter with a znode any more.
func (m *mirror) settled(path string) {
	delete(m.others, path)
	delete(m.refused, path)
	m.count()
}

func (m *mirror) count() {
	m.stat.foreign.Store(int64(len(m.others)))
	m.stat.failed.Store(int64(len(m.refused)))
	m.stat.znodes.Store(m.state.mirrored())
}

// write runs what writes to the destination, and notes what it has done.
func (m *mirror) write(stats map[string]proto.Stat, run func(opt apply.Options) (*apply.Result, error), opt apply.Options) (*apply.Result, error) {
	if !m.force {
		opt.Mine = func(path string, found *proto.Stat) bool {
			return m.state.mine(m.atSource(path), found)
		}
	}
	opt.Lost = func(err error) {
		m.stat.trouble(err)
		m.show()
	}
	opt.Progress = func(int) {
		m.stat.resumed()
		m.show()
	}
	opt.Sends = func(paths []string) error {
		for _, path := range paths {
			m.state.intend(m.atSource(path))
		}
		return m.state.flush()
	}
	opt.Wrote = func(path string, stat *proto.Stat, finished bool) {
		path = m.atSource(path)
		t, _ := m.state.twins.get(path)
		if src, known := stats[path]; known {
			t.mzxid, t.next, t.aversion = src.Mzxid, source.NextSequence(&src), src.Aversion
		}
		if !finished {
			t.aversion = unfinishedACL
		}
		t.theirs, t.theirACL, t.unwritten, t.gone = stat.Mzxid, stat.Aversion, false, false
		m.state.put(path, t)
		if finished {
			delete(stats, path)
			m.settled(path)
		}
	}
	opt.Missed = func(path string, err error) { m.missed(m.atSource(path), err) }
	opt.Each = func(d apply.Done) {
		m.stat.applied.Add(1)
		if path := m.atSource(d.Path); d.Action == apply.Delete {
			m.state.drop(path)
			m.settled(path)
		}
	}
	res, err := run(opt)
	full := m.state.flush()
	switch {
	case full != nil:
		err = stopError{full}
	case errors.Is(err, apply.ErrTooMany), errors.Is(err, apply.ErrReserved):
		err = stopError{err}
	}
	for _, f := range res.Foreign.List {
		m.foreign(m.atSource(f.Path), f.Err)
	}
	for _, f := range res.Skipped.List { // ephemeral ones, in place of what is gone at the source
		path := m.atSource(f.Path)
		m.state.drop(path)
		m.settled(path)
	}
	for _, f := range res.Failed.List {
		m.failed(f)
	}
	m.count()
	return res, err
}

// missed notes that a znode could not be written. It is read again when everything is compared.
func (m *mirror) missed(path string, err error) {
	m.refused[path] = struct{}{}
	delete(m.others, path)
	m.count()
	if t, known := m.state.twins.get(path); known && !errors.Is(err, apply.ErrNumber) {
		t.mzxid = 0
		m.state.put(path, t)
	}
}

// failed reports a znode that could not be written.
func (m *mirror) failed(f apply.Failure) {
	if key := f.Path + " " + f.Err.Error(); !m.told[key] && len(m.told) < maxTold {
		m.told[key] = true
		m.warn("%s: %s", escape.Line(f.Path), reason(f.Err))
	}
}
