package source

import (
	"context"

	"github.com/zkctl/zkctl/internal/client"
)

// live is znodes on a server.
type live struct {
	conn *client.Conn
	path string
	own  bool    // the session ends with the source
	dirt Changes // what changes, if it is the source's own
	// watchless says that the servers have no recursive watches.
	watchless bool
}

func openLive(cfg client.Config, path string) (walker, error) {
	l := &live{path: path, own: true}
	cfg.Watched, cfg.NoWatchReset = l.dirt.Event, true
	var err error
	if l.conn, err = client.Open(cfg); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *live) Conn() *client.Conn { return l.conn }
func (l *live) TellsKinds() bool   { return false }

func (l *live) Close() error {
	if l.own {
		return l.conn.Close()
	}
	return nil
}

// OfWalk returns what a walk of a server has found.
func OfWalk(w *client.Walked) *Znode {
	return &Znode{Path: w.Path, Known: w.Known, Stat: w.Stat, Kind: KindOf(w.Stat.EphemeralOwner), Data: w.Data, ACL: w.ACL, Err: w.Err}
}

func (l *live) Walk(ctx context.Context, opt Options, visit func(*Znode) error) (r Report, err error) {
	if opt.Settle > 0 {
		return l.settled(ctx, opt, visit)
	}
	l.count(ctx, &opt)
	walk := client.WalkOptions{Stat: opt.Stat, Data: opt.Data, ACL: opt.ACL, Levels: opt.Levels, Most: opt.Most, Rate: opt.Rate, Progress: opt.Progress}
	var z Znode
	err = l.conn.Walk(ctx, l.path, walk, func(found *client.Walked) error {
		if isGone(found.Err) {
			if found.Path == l.path {
				return none(l.path)
			}
			r.Gone++
			return nil
		}
		r.Read++
		opt.found(found.Data)
		if found.Err != nil {
			r.failed(found.Path, found.Err)
		}
		z = *OfWalk(found)
		z.Known = z.Known || !walk.Stat && !walk.Data && !walk.ACL
		if opt.Match != nil && !opt.Match(&z) {
			return nil
		}
		return visit(&z)
	})
	return r, err
}

// count returns the number of znodes, which servers report since 3.6.
func (l *live) count(ctx context.Context, opt *Options) {
	if opt.Total == nil || opt.Levels != 0 {
		return
	}
	if below, err := l.conn.AllChildrenNumber(ctx, l.path); err == nil {
		opt.Total(int(below) + 1)
	} // the walk meets the error again
}
