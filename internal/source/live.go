package source

import (
	"context"

	"github.com/zkctl/zkctl/internal/client"
)

// live is znodes on a server.
type live struct {
	conn *client.Conn
	path string
	own  bool // the session ends with the source
	dirt dirt // what changes, if it is the source's own
	// watchless says that the servers have no recursive watches.
	watchless bool
}

func openLive(cfg client.Config, path string) (walker, error) {
	l := &live{path: path, own: true}
	cfg.Watched, cfg.NoWatchReset = l.dirt.event, true
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

func (l *live) Walk(ctx context.Context, opt Options, visit func(*Znode) error) (r Report, err error) {
	if opt.Settle > 0 {
		return l.settled(ctx, opt, visit)
	}
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
		z = Znode{Path: found.Path, Known: found.Known || !walk.Stat && !walk.Data && !walk.ACL, Stat: found.Stat, Kind: KindOf(found.Stat.EphemeralOwner), Data: found.Data, ACL: found.ACL, Err: found.Err}
		if opt.Match != nil && !opt.Match(&z) {
			return nil
		}
		return visit(&z)
	})
	return r, err
}
