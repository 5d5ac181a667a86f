package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

// mirror keeps one tree like another. All of it belongs to the goroutine of loop, but dirty and stat.
type mirror struct {
	*mirrorOptions
	src, dst *end
	state    *mirrorState
	dirty    *dirty
	stat     mirrorStat
	round    uint32              // of comparisons
	parents  map[string]struct{} // whose numbers of sequential children may lag behind
	told     map[string]bool     // foreign changes that were reported
	line     *statusLine
}

// atSource returns the path at the source of what has a path at the destination, and atDest the other way round.
func (m *mirror) atSource(path string) string { return zpath.Rebase(path, m.dst.path, m.src.path) }
func (m *mirror) atDest(path string) string   { return zpath.Rebase(path, m.src.path, m.dst.path) }

// dirty is what has changed at the source, from events. It is safe for concurrent use.
type dirty struct {
	mu    sync.Mutex
	paths map[string]struct{}
	lost  bool // changes may be missing: everything must be compared
	wake  chan struct{}
}

// mostDirty bounds the paths that are remembered; beyond, everything is compared.
const mostDirty = 200_000

func newDirty() *dirty { return &dirty{wake: make(chan struct{}, 1)} }

// event notes what the source's session reports.
func (d *dirty) event(e client.Event) {
	switch e.Type {
	case proto.EventNone:
		// A reconnect sets the watch again, but nothing reports what happened meanwhile.
		if e.State == proto.StateDisconnected || e.State == proto.StateExpired {
			d.miss()
		}
	case proto.EventPersistentWatchRemoved:
		d.miss()
	case proto.EventNodeCreated, proto.EventNodeDeleted, proto.EventNodeDataChanged:
		d.put(e.Path)
	}
}

func (d *dirty) put(paths ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, path := range paths {
		if len(d.paths) >= mostDirty {
			d.paths, d.lost = nil, true
		}
		if d.paths == nil {
			d.paths = map[string]struct{}{}
		}
		d.paths[path] = struct{}{}
	}
	d.signal()
}

// miss notes that changes may be missing.
func (d *dirty) miss() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = true
	d.signal()
}

func (d *dirty) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take returns what has changed, in order, and whether changes may be missing.
func (d *dirty) take() (paths []string, lost bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.paths {
		paths = append(paths, path)
	}
	lost = d.lost
	d.paths, d.lost = nil, false
	slices.SortFunc(paths, source.Compare)
	return paths, lost
}

func (d *dirty) left() (n int, lost bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.paths), d.lost
}

// stopError ends a mirror.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

// loop brings the destination into step, and keeps it there.
func (m *mirror) loop(ctx context.Context) error {
	m.told, m.parents = map[string]bool{}, map[string]struct{}{}
	verify := time.NewTicker(m.verify)
	defer verify.Stop()
	m.line = newStatusLine(m.env, m.once)
	defer m.line.end()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	m.dirty.miss() // everything is compared first
	for {
		err := m.step(ctx)
		var stop stopError
		switch {
		case ctx.Err() != nil:
			return m.stopped(ctx)
		case errors.As(err, &stop):
			return stop.error
		case err != nil:
			m.stat.trouble(err)
			m.line.show(m.status())
			timer := time.NewTimer(m.patience)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
			continue
		}
		left, lost := m.dirty.left()
		if left > 0 || lost {
			m.line.show(m.status())
			continue
		}
		if done, err := m.raise(ctx); err != nil {
			m.stat.trouble(err)
			m.dirty.miss()
			continue
		} else if !done {
			continue
		}
		m.stat.inStep()
		m.line.show(m.status())
		if m.once {
			return m.finished()
		}
		select {
		case <-m.dirty.wake:
		case <-verify.C:
			m.dirty.miss()
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// warn prints a warning above the status line.
func (m *mirror) warn(format string, a ...any) {
	m.line.end()
	m.env.Warn(format, a...)
}

// stopped is the end of a mirror that was interrupted, which is how it is meant to end.
func (m *mirror) stopped(ctx context.Context) error {
	text := m.status()
	m.line.end()
	if m.once {
		return command.Stopped(ctx, ctx.Err(), text)
	}
	m.env.Note("stopped: %s", text)
	return nil
}

// finished is the end with --once.
func (m *mirror) finished() error {
	if m.env.Output == ui.JSON {
		if err := m.env.PrintJSON(m.statusObject()); err != nil {
			return err
		}
	} else if !m.env.Quiet {
		fmt.Fprintln(m.env.Streams.Out, m.status())
	}
	switch failed, foreign := m.stat.failed.Load(), m.stat.foreign.Load(); {
	case failed > 0:
		return &ui.ExitError{Code: ui.ExitFailed, Err: fmt.Errorf("%s could not be mirrored", command.Counted(int(failed), "znode"))}
	case foreign > 0:
		return &ui.ExitError{Code: ui.ExitFailed, Err: fmt.Errorf("%s at the destination were changed by somebody else, and stay; --force overwrites them", command.Counted(int(foreign), "znode"))}
	}
	return nil
}

// step does what there is to do. After an error it is called again.
func (m *mirror) step(ctx context.Context) error {
	fresh, err := m.src.open(ctx)
	if err == nil && fresh {
		m.stat.reconnects.Add(1)
		m.dirty.miss()
		err = m.watch(ctx)
	}
	if err != nil {
		return m.env.At(m.src.location, fmt.Errorf("the source cannot be read: %w", err))
	}
	if _, err := m.dst.open(ctx); err != nil {
		return m.env.At(m.dst.location, fmt.Errorf("the destination cannot be written: %w", err))
	}
	paths, lost := m.dirty.take()
	if lost {
		err = m.compare(ctx)
	} else {
		err = m.patch(ctx, paths)
	}
	if err != nil {
		m.dirty.put(paths...)
		if lost {
			m.dirty.miss()
		}
		return err
	}
	m.stat.zxid.Store(m.src.conn.Zxid())
	return m.stopIf(m.state.flush())
}

func (m *mirror) stopIf(err error) error {
	if err != nil {
		return stopError{err}
	}
	return nil
}

// compare compares all znodes of the source with what is known of them, and then reads those that differ.
func (m *mirror) compare(ctx context.Context) error {
	if err := m.src.conn.Sync(ctx, m.src.path); err != nil {
		return err
	}
	if len(m.state.twins) == 0 {
		if err := m.firstCopy(ctx); err != nil {
			return err
		}
	}
	m.stat.failed.Store(0)
	m.round++
	var changed []string
	err := m.src.conn.Walk(ctx, m.src.path, client.WalkOptions{Stat: true, Rate: m.rate}, func(z *client.Walked) error {
		switch t, known := m.state.twins[z.Path]; {
		case errors.Is(z.Err, proto.ErrNoNode) || z.Known && z.Stat.EphemeralOwner != 0:
		case !known:
			changed = append(changed, z.Path)
		default:
			t.seen = m.round
			m.state.twins[z.Path] = t
			if t.mzxid != z.Stat.Mzxid || t.next != source.NextSequence(&z.Stat) || t.aversion != z.Stat.Aversion {
				changed = append(changed, z.Path)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	gone := 0
	for path, t := range m.state.twins {
		if t.seen != m.round {
			changed = append(changed, path)
			gone++
		}
	}
	if err := m.mayDelete(gone); err != nil {
		return err
	}
	theirs, err := m.compareDest(ctx)
	if err != nil {
		return err
	}
	if m.force {
		changed = append(changed, theirs...)
	}
	slices.SortFunc(changed, source.Compare)
	if err := m.patch(ctx, slices.Compact(changed)); err != nil {
		return err
	}
	m.state.mark(false, true)
	m.stat.compared.Store(time.Now().UnixNano())
	return nil
}

// mayDelete stops a mirror before it deletes very much.
func (m *mirror) mayDelete(gone int) error {
	const few = 10
	if !m.delete || m.force || gone <= max(few, len(m.state.twins)/10) {
		return nil
	}
	return stopError{fmt.Errorf("%s of %s znodes are gone at the source, which looks empty; nothing was deleted at the destination; if that is right, run it with --force",
		command.Thousands(gone), command.Thousands(len(m.state.twins)))}
}

// compareDest finds what somebody else has changed at the destination.
func (m *mirror) compareDest(ctx context.Context) (theirs []string, err error) {
	foreign := 0
	note := func(path, what string) {
		foreign++
		theirs = append(theirs, path)
		m.foreign(path, errors.New(what))
	}
	seen := map[string]struct{}{}
	err = m.dst.conn.Walk(ctx, m.dst.path, client.WalkOptions{Stat: true, Rate: m.rate}, func(z *client.Walked) error {
		path := m.atSource(z.Path)
		t, known := m.state.twins[path]
		switch {
		case errors.Is(z.Err, proto.ErrNoNode):
			return nil
		case z.Err != nil || z.Stat.EphemeralOwner != 0:
			seen[path] = struct{}{}
			return nil
		}
		if known && source.NextSequence(&z.Stat) < t.next {
			m.parents[path] = struct{}{}
		}
		_, waits := m.state.pending[path]
		switch {
		case waits:
		case !known:
			if m.delete && !(m.state.fresh && !m.state.whole) {
				note(path, "is not at the source, and was created by somebody else")
			}
		case t.theirs == -1: // the reply did not tell
			t.theirs, t.theirACL = z.Stat.Mzxid, z.Stat.Aversion
			m.state.put(path, t)
		case t.unwritten:
			foreign++
			theirs = append(theirs, path)
		case t.theirs > 0 && (t.theirs != z.Stat.Mzxid || t.theirACL != z.Stat.Aversion):
			note(path, "was changed by somebody else")
		}
		if known && t.seen == m.round {
			seen[path] = struct{}{}
		}
		return nil
	})
	if errors.Is(err, proto.ErrNoNode) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if len(seen) < len(m.state.twins) {
		for path, t := range m.state.twins {
			if _, there := seen[path]; !there && t.seen == m.round && t.theirs != 0 {
				note(path, "was deleted by somebody else")
			}
		}
	}
	m.stat.foreign.Store(int64(foreign))
	return theirs, nil
}

// foreign reports what somebody else has changed, once.
func (m *mirror) foreign(path string, what error) {
	at := m.atDest(path)
	if m.force || m.told[at] || len(m.told) >= maxTold {
		return
	}
	m.told[at] = true
	m.warn("%s: %v; it stays (--force overwrites it)", escape.Line(at), what)
}

// maxTold bounds the foreign changes that are named.
const maxTold = 1000

// firstCopy copies everything, in one stream.
func (m *mirror) firstCopy(ctx context.Context) error {
	opt := m.options()
	opt.Root, opt.NoSequences = m.dst.path, false
	opt.DeleteExtra = m.delete && m.force
	res, err := m.write(nil, func(opt apply.Options) (*apply.Result, error) {
		return apply.Run(ctx, m.dst.conn, opt, func(ctx context.Context, visit func(z *source.Znode) error) error {
			return m.src.conn.Walk(ctx, m.src.path, client.WalkOptions{Stat: true, Data: true, ACL: true, Rate: m.rate}, func(w *client.Walked) error {
				if errors.Is(w.Err, proto.ErrNoNode) {
					return nil
				}
				z := walked(w)
				if z.Kind != source.Ephemeral {
					m.state.twins[w.Path] = twin{mzxid: w.Stat.Mzxid, next: source.NextSequence(&w.Stat), aversion: w.Stat.Aversion}
				}
				z.Path = m.atDest(w.Path)
				return visit(z)
			})
		})
	}, opt)
	m.unwritten(res, nil)
	return err
}

func walked(w *client.Walked) *source.Znode {
	z := &source.Znode{Path: w.Path, Known: w.Known, Stat: w.Stat, Kind: source.Persistent, Data: w.Data, ACL: w.ACL, Err: w.Err}
	if w.Stat.EphemeralOwner != 0 {
		z.Kind = source.Ephemeral
	}
	return z
}

func (m *mirror) options() apply.Options {
	rate := m.rate
	if rate == 0 {
		rate = -1
	}
	return apply.Options{OnConflict: apply.Overwrite, Rate: rate, NoSequences: true}
}

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
		if left, lost := m.dirty.left(); left > 0 || lost { // reported before what was read
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
			znodes[i] = walked(&client.Walked{Path: paths[i], Known: true, Stat: stat, Data: data, ACL: acl})
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
