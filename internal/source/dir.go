package source

import (
	"context"
	"errors"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
)

// dir is znodes in a data directory.
type dir struct {
	path   string
	files  *storage.Dir
	moment storage.LoadOptions
	state  storage.State // once it is known
	tree   *ztree.Tree   // once it is loaded, if it must be
	faults []*storage.Fault
}

func openDir(l Location) (walker, error) {
	files, err := storage.ReadDir(l.File)
	if err != nil {
		return nil, &LocationError{l, err.Error()}
	}
	d := &dir{path: l.Path, files: files, moment: storage.LoadOptions{Zxid: l.Zxid}}
	d.moment.State = &d.state
	if !l.Time.IsZero() {
		d.moment.Time = l.Time.UnixMilli()
	}
	return d, nil
}

func (d *dir) Conn() *client.Conn { return nil }
func (d *dir) TellsKinds() bool   { return true }
func (d *dir) Close() error       { return nil }

// Walk reads the state from the files each time, and sorts it outside memory. Only where that does not tell what the state is, it
// loads the state into memory, once.
func (d *dir) Walk(ctx context.Context, opt Options, visit func(*Znode) error) (r Report, err error) {
	defer client.LessGarbage()()
	if d.tree == nil {
		if err := d.flat(ctx, opt, &r, visit); !errors.Is(err, storage.ErrTree) {
			return r, err
		}
		if d.tree, d.faults, err = d.files.Load(ctx, d.moment); err != nil {
			return r, err
		}
	}
	r.Faults = d.faults
	if d.tree.Get(d.path) == nil {
		return r, none(d.path)
	}
	if d.path == "/" {
		opt.total(d.tree.Len())
	}
	d.tell(&opt)
	var z Znode
	i := -1
	for path, n := range d.tree.Below(d.path) {
		i++
		if err := opt.pulse(ctx, i, r.Read); err != nil {
			return r, err
		}
		if level, _ := within(d.path, path); !opt.covers(level) {
			continue
		}
		r.Read++
		opt.found(n.Data())
		z = Znode{Path: path, Known: true, Stat: n.ClientStat(), Kind: KindOf(n.Owner()), TTL: ttlOf(n.Owner()), Data: n.Data()}
		if opt.ACL {
			z.ACL = d.tree.ACL(n.ACL)
		}
		if opt.Match != nil && !opt.Match(&z) {
			continue
		}
		if err := visit(&z); err != nil {
			return r, err
		}
	}
	return r, nil
}

// flat walks without a tree in memory. The error is storage.ErrTree, before the first visit, if that cannot be done.
func (d *dir) flat(ctx context.Context, opt Options, r *Report, visit func(*Znode) error) error {
	s := newReplay(d.path, &opt)
	defer s.close()
	faults, err := d.files.Stream(ctx, d.moment, s)
	if err != nil {
		return err
	}
	d.moment.Until = d.state.Zxid // for the next walk
	if err := s.first(ctx); err != nil {
		return err
	}
	r.Faults = faults
	if d.path == "/" && opt.Levels == 0 {
		opt.total(s.exist)
	}
	d.tell(&opt)
	return s.second(ctx, r, visit)
}

func (d *dir) tell(opt *Options) {
	opt.moment(Moment{Start: d.state.Zxid, End: d.state.Zxid, Consistent: d.state.Exact})
}
