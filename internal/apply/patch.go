package apply

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/zpath"
)

// Target is a single znode as it is wanted.
type Target struct {
	Path   string
	Wanted *source.Znode // nil if it is not to exist
	// Found, if set, is how the caller has just found the znode, which saves reading it. If that is no longer so, it is read.
	Found *Found
}

// Found is how a znode was found.
type Found struct {
	Absent            bool
	Version, Aversion int32 // that its data and its ACL have
	Data, ACL         bool  // these differ from what is wanted
}

// Patch makes single znodes as they are wanted. Those that are not wanted are deleted, and stay if others are below them.
// opt.Root, DeleteExtra, Resume and Instead do not count.
func Patch(ctx context.Context, conn *client.Conn, opt Options, targets []Target) (*Result, error) {
	r := newRun(conn, opt)
	w := newWriter(ctx, r)
	defer w.close()
	r.w = w
	slices.SortFunc(targets, func(a, b Target) int { return source.Compare(a.Path, b.Path) })
	known, unknown := r.parted(targets)
	err := r.patchFound(ctx, known)
	if unknown = append(unknown, r.doubted...); err == nil && len(unknown) > 0 {
		r.doubted = nil
		err = r.patchUnknown(ctx, unknown)
	}
	if err == nil {
		err = r.late.finish(ctx)
	}
	if err != nil {
		w.settle()
	}
	return r.res, err
}

// parted divides targets, which are in order, into those that were found, and those that are to be read. What is wanted below
// one of these is, too: it may have to be created after it.
func (r *run) parted(targets []Target) (found, unknown []Target) {
	unread := ""
	for _, t := range targets {
		switch {
		case t.Wanted != nil && unread != "" && zpath.Within(t.Path, unread):
			unknown = append(unknown, t)
		case t.Found == nil, t.Wanted != nil && r.known(t.Wanted) != nil:
			unknown = append(unknown, t)
			if t.Wanted != nil {
				unread = t.Path
			}
		default:
			found = append(found, t)
		}
	}
	return found, unknown
}

// patchFound changes znodes at the versions with which they were found, and creates those that were not there.
func (r *run) patchFound(ctx context.Context, targets []Target) error {
	p := &plan{run: r, ctx: ctx, single: true}
	for i := range targets {
		t := &targets[i]
		var changes []*change
		counts := Alter
		switch {
		case t.Found.Absent && t.Wanted == nil || !p.mine(t.Path):
			continue
		case t.Found.Absent:
			if err := p.see(t.Wanted); err != nil {
				return err
			}
			continue
		case t.Wanted == nil:
			continue
		}
		if t.Found.Data {
			changes = append(changes, &change{op: setData, path: t.Path, data: t.Wanted.Data, version: t.Found.Version, counts: counts, partly: t.Found.ACL, found: t})
			counts = ""
		}
		if t.Found.ACL {
			changes = append(changes, &change{op: setACL, path: t.Path, acl: t.Wanted.ACL, version: t.Found.Aversion, counts: counts, found: t})
		}
		for _, c := range changes {
			if err := r.w.add(c); err != nil {
				return err
			}
		}
		if next := source.NextSequence(&t.Wanted.Stat); next > 0 && !r.opt.NoSequences {
			b := &branch{path: t.Path, raise: true, want: next, container: t.Wanted.Kind == source.Container}
			if err := r.late.add(ctx, b); err != nil {
				return err
			}
		}
	}
	if err := p.ascend("//"); err != nil {
		return err
	}
	for i := range slices.Backward(targets) { // children first
		if t := &targets[i]; t.Wanted == nil && !t.Found.Absent && p.mine(t.Path) {
			if err := r.w.add(&change{op: remove, path: t.Path, version: t.Found.Version, counts: Delete, found: t}); err != nil {
				return err
			}
		}
	}
	return r.w.flush()
}

// patchUnknown reads znodes, and then makes them as they are wanted.
func (r *run) patchUnknown(ctx context.Context, targets []Target) error {
	slices.SortFunc(targets, func(a, b Target) int { return source.Compare(a.Path, b.Path) })
	found, err := r.find(ctx, targets)
	if err != nil {
		return err
	}
	p := &plan{run: r, ctx: ctx, single: true}
	there := &listed{}
	p.actual = there
	var gone []*source.Znode
	for i := range targets {
		switch z := found[i]; {
		case z == nil:
		case targets[i].Wanted == nil:
			gone = append(gone, z)
		default:
			there.list = append(there.list, z)
		}
	}
	if err = p.advance(); err == nil {
		err = p.patch(targets, gone)
	}
	if err == nil {
		err = r.w.flush()
	}
	return err
}

func (p *plan) patch(targets []Target, gone []*source.Znode) error {
	for _, t := range targets {
		if t.Wanted == nil {
			continue
		}
		if err := p.see(t.Wanted); err != nil {
			return err
		}
	}
	if err := p.ascend("//"); err != nil {
		return err
	}
	for _, z := range slices.Backward(gone) {
		switch {
		case !p.mine(z.Path):
			continue
		case z.Err != nil:
			p.miss(z.Path, ErrUnreadable)
			continue
		case z.Stat.EphemeralOwner != 0:
			p.res.Skipped.add(z.Path, ofSession(z.Stat.EphemeralOwner))
			continue
		case p.opt.Mine != nil && !p.opt.Mine(z.Path, &z.Stat):
			p.res.Foreign.add(z.Path, errTheirs)
			continue
		}
		if err := p.w.add(&change{op: remove, path: z.Path, version: z.Stat.Version, counts: Delete}); err != nil {
			return err
		}
	}
	return nil
}

// find reads what is at the places of targets; nil is nothing.
func (r *run) find(ctx context.Context, targets []Target) ([]*source.Znode, error) {
	found := make([]*source.Znode, len(targets))
	errs := make([]error, len(targets))
	command.ForEach(ctx, len(targets), command.InFlight, func(i int) error {
		found[i], errs[i] = r.read(ctx, targets[i].Path, targets[i].Wanted != nil)
		return errs[i]
	}, errs, func(int) {})
	for _, err := range errs {
		var loss *client.LossError
		switch {
		case errors.As(err, &loss) && loss.Code == proto.ErrConnectionLoss:
			if err := r.w.reconnect(err); err != nil {
				return nil, err
			}
			return r.find(ctx, targets)
		case err != nil:
			return nil, err
		}
	}
	return found, nil
}

// read reads a znode, or only its stat. Err is set if the server refuses that.
func (r *run) read(ctx context.Context, path string, all bool) (*source.Znode, error) {
	var z source.Znode
	var dataErr, aclErr error
	var dataStat, aclStat proto.Stat
	var others sync.WaitGroup
	if all { // at the same time, for a single round trip
		others.Go(func() { z.Data, dataStat, dataErr = r.conn.Get(ctx, path, false) })
		others.Go(func() { z.ACL, aclStat, aclErr = r.conn.GetACL(ctx, path) })
	}
	stat, err := r.conn.Exists(ctx, path, false)
	others.Wait()
	switch {
	case errors.Is(err, proto.ErrNoNode):
		return nil, nil
	case notOfZnode(err) != nil:
		return nil, err
	}
	z.Path, z.Stat, z.Err = path, stat, err
	if !all || err != nil {
		return &z, nil
	}
	if err := errors.Join(notOfZnode(dataErr), notOfZnode(aclErr)); err != nil {
		return nil, err
	}
	if dataErr == nil && aclErr == nil {
		z.Known, z.Stat = true, dataStat
		z.Stat.Aversion = aclStat.Aversion
	}
	return &z, nil
}

// listed are znodes that were read.
type listed struct{ list []*source.Znode }

// Next returns the next one.
func (l *listed) Next() (*source.Znode, error) {
	if len(l.list) == 0 {
		return nil, nil
	}
	z := l.list[0]
	l.list = l.list[1:]
	return z, nil
}

// Stop does nothing.
func (l *listed) Stop() {}
