package client

import (
	"context"
	"io/fs"
	"sync"
	"time"
)

const (
	// besides is how many other sessions a walk that asks for ACLs opens. Servers answer a getACL for one znode at a time,
	// and read one request of a connection at a time (NIOServerCnxn): with eight connections, a request takes half as much
	// of Apache ZooKeeper's CPU.
	besides = 8
	// besideAbove is how many znodes a tree has for which that is worth it.
	besideAbove = 3000
	// besideWait is how long a walk waits for them.
	besideWait = 3 * time.Second
)

// beside opens other sessions like this one, with the same servers and identities, if the tree is large. There may be fewer
// than wanted, or none. They are closed when the walk ends.
func (c *Conn) beside(ctx context.Context, root string, opt WalkOptions) (others []*Conn, done func()) {
	found := 0
	probe := WalkOptions{Levels: opt.Levels, Most: opt.Most, Rate: opt.Rate}
	err := newWalk(c, probe, func(z *Walked) error {
		if found += len(z.Children); found >= besideAbove {
			return fs.SkipAll
		}
		return nil
	}).run(ctx, root)
	if err != fs.SkipAll || c.State() != Connected { //nolint:errorlint // run returns it as it is
		return nil, func() {} // the walk itself meets the error
	}
	cfg := c.cfg
	cfg.OnEvent, cfg.Watched, cfg.Log, cfg.Warn = nil, nil, nil, nil
	cfg.Auth, cfg.Wait, cfg.ReadOnly = c.Identities(), false, false
	ctx, cancel := context.WithTimeout(ctx, besideWait)
	defer cancel()
	opened := make([]*Conn, besides)
	var all sync.WaitGroup
	for i := range opened {
		all.Go(func() {
			other, err := Open(cfg)
			if err != nil {
				return
			}
			if other.WaitConnected(ctx) != nil {
				_ = other.Close() // it was not needed
				return
			}
			opened[i] = other
		})
	}
	all.Wait()
	for _, other := range opened {
		if other != nil {
			others = append(others, other)
		}
	}
	return others, func() {
		for _, other := range others {
			c.closers.Go(func() { _ = other.Close() }) // it has no ephemeral znodes
		}
	}
}

// catchUp makes other sessions see what this one has seen. Those that cannot are left out.
func (c *Conn) catchUp(ctx context.Context, others []*Conn, root string) (ready []*Conn) {
	errs := make([]error, len(others))
	var all sync.WaitGroup
	for i, other := range others {
		all.Go(func() { errs[i] = other.Sync(ctx, root) })
	}
	all.Wait()
	for i, other := range others {
		if errs[i] == nil {
			ready = append(ready, other)
		}
	}
	return ready
}
