package completions

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

const (
	maxPlaces = 8                // other ensembles and files that are remembered
	idle      = 10 * time.Second // after which the session with another ensemble ends
	resting   = 10 * time.Second // before an ensemble that could not be reached is tried again
	reaching  = 3 * time.Second  // to connect
	closing   = 300 * time.Millisecond
)

// place is where the znodes of a location are, other than the session at hand.
type place struct {
	*Completer
	tree interface {
		Tree
		close()
	}
	used int
}

// elsewhere completes a path in another ensemble or in a file; where is the location without it.
func (c *Completer) elsewhere(where, typed, lead string) Result {
	p := c.placeOf(where)
	if p == nil {
		return Result{}
	}
	r := p.paths(typed, lead+where, "/")
	for i := range r.Suggestions {
		r.Suggestions[i].place = where
	}
	return r
}

// describeElsewhere is Describe for the znodes of other places.
func (c *Completer) describeElsewhere(list []Suggestion) bool {
	complete := true
	for i := 0; i < len(list); {
		where, n := list[i].place, 1
		for i+n < len(list) && list[i+n].place == where {
			n++
		}
		if where != "" {
			if p := c.placeOf(where); p != nil {
				part := slices.Clone(list[i : i+n])
				for k := range part {
					part[k].place = ""
				}
				complete = p.Describe(part) && complete
				for k := range part {
					list[i+k].Help, list[i+k].Parent = part[k].Help, part[k].Parent
				}
			}
		}
		i += n
	}
	return complete
}

// placeOf returns a place, or nil if that cannot be looked into.
func (c *Completer) placeOf(where string) *place {
	l, err := source.Parse(where+"/", time.Now())
	if err != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	if p := c.places[where]; p != nil {
		p.used = c.clock
		return p
	}
	p := &place{used: c.clock}
	switch {
	case l.Form == source.File:
		p.tree = &fileTree{where: where}
	case c.cfg.Elsewhere == nil:
		return nil
	default:
		p.tree = &otherTree{open: func() (client.Config, error) { return c.cfg.Elsewhere(l) }}
	}
	p.Completer = New(Config{Tree: func() Tree { return p.tree }, Changed: c.announce, Guard: c.cfg.Guard, TTL: c.cfg.TTL})
	if len(c.places) >= maxPlaces {
		oldest := ""
		for name, q := range c.places {
			if oldest == "" || q.used < c.places[oldest].used {
				oldest = name
			}
		}
		go c.places[oldest].tree.close()
		delete(c.places, oldest)
	}
	c.places[where] = p
	return p
}

// Close ends the sessions with other ensembles.
func (c *Completer) Close() {
	c.mu.Lock()
	places := c.places
	c.places = map[string]*place{}
	c.mu.Unlock()
	for _, p := range places {
		p.tree.close()
	}
}

// otherTree is the tree of another ensemble. Its session opens when it is first asked, and ends when it has not been asked for
// a while.
type otherTree struct {
	open func() (client.Config, error)

	mu     sync.Mutex
	conn   *client.Conn
	users  int
	ends   *time.Timer
	failed error // why it could not be reached
	until  time.Time
}

// use calls f with the session.
func (t *otherTree) use(ctx context.Context, f func(conn *client.Conn) error) error {
	conn, err := t.begin(ctx)
	if err != nil {
		return err
	}
	defer t.end()
	return f(conn)
}

func (t *otherTree) begin(ctx context.Context) (*client.Conn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn != nil && !t.conn.State().Alive() {
		go t.conn.Close()
		t.conn = nil
	}
	if t.conn == nil {
		if time.Now().Before(t.until) {
			return nil, t.failed
		}
		conn, err := t.connect(ctx)
		if err != nil {
			t.failed, t.until = err, time.Now().Add(resting)
			return nil, err
		}
		t.conn = conn
	}
	if t.users++; t.ends != nil {
		t.ends.Stop()
	}
	return t.conn, nil
}

func (t *otherTree) connect(ctx context.Context) (*client.Conn, error) {
	cfg, err := t.open()
	if err != nil {
		return nil, err
	}
	cfg.Wait, cfg.SessionTimeout, cfg.OnEvent = false, reaching, nil
	cfg.Log, cfg.Warn = nil, nil // nobody has asked for this session
	conn, err := client.Open(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, reaching)
	defer cancel()
	if err := conn.WaitConnected(ctx); err != nil {
		go conn.Close() // which may wait for an attempt that is under way
		return nil, err
	}
	return conn, nil
}

func (t *otherTree) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users--; t.users > 0 {
		return
	}
	if t.ends != nil {
		t.ends.Stop()
	}
	t.ends = time.AfterFunc(idle, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.users == 0 && t.conn != nil {
			go t.conn.Close()
			t.conn = nil
		}
	})
}

// close waits only a moment: neither for an attempt to connect nor for a silent server, with which the session expires soon.
func (t *otherTree) close() {
	if !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	if t.ends != nil {
		t.ends.Stop()
	}
	t.failed, t.until = client.ErrClosed, time.Now().Add(resting)
	if t.conn == nil {
		return
	}
	closed := make(chan struct{})
	go func(conn *client.Conn) {
		_ = conn.Close()
		close(closed)
	}(t.conn)
	t.conn = nil
	select {
	case <-closed:
	case <-time.After(closing):
	}
}

// Children asks the ensemble.
func (t *otherTree) Children(ctx context.Context, path string, _ bool) (names []string, stat proto.Stat, err error) {
	err = t.use(ctx, func(conn *client.Conn) error {
		names, stat, err = conn.Children(ctx, path, false)
		return err
	})
	return names, stat, err
}

// Exists asks the ensemble.
func (t *otherTree) Exists(ctx context.Context, path string, _ bool) (stat proto.Stat, err error) {
	err = t.use(ctx, func(conn *client.Conn) error {
		stat, err = conn.Exists(ctx, path, false)
		return err
	})
	return stat, err
}

// GetConfig is not asked for.
func (t *otherTree) GetConfig(context.Context, bool) ([]byte, proto.Stat, error) {
	return nil, proto.Stat{}, errors.ErrUnsupported
}

// fileTree is the tree in a snapshot or a data directory. A list of children is read with their stats, which are kept until
// the file changes.
type fileTree struct {
	where string

	mu    sync.Mutex // held while the file is read
	stats map[string]proto.Stat
	of    time.Time // when the file had changed
}

func (t *fileTree) close() {}

// fresh forgets what was read before the file changed; t.mu is held.
func (t *fileTree) fresh(l source.Location) {
	info, err := os.Stat(l.File)
	if err == nil && info.ModTime().Equal(t.of) && len(t.stats) < maxStats {
		return
	}
	t.stats = map[string]proto.Stat{}
	if err == nil {
		t.of = info.ModTime()
	}
}

// Children reads the file.
func (t *fileTree) Children(ctx context.Context, node string, _ bool) (names []string, stat proto.Stat, err error) {
	l, err := source.Parse(t.where+node, time.Now())
	if err != nil {
		return nil, stat, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fresh(l)
	src, err := source.Open(l, nil)
	if err != nil {
		return nil, stat, err
	}
	defer src.Close()
	_, err = src.Walk(ctx, source.Options{Stat: true, Levels: 1}, func(z *source.Znode) error {
		if z.Path != l.Path {
			names = append(names, path.Base(z.Path))
		} else {
			stat = z.Stat
		}
		t.stats[strings.Clone(z.Path)] = z.Stat
		return nil
	})
	slices.Sort(names)
	return names, stat, err
}

// Exists answers from what was read with the lists of children.
func (t *fileTree) Exists(_ context.Context, node string, _ bool) (proto.Stat, error) {
	l, err := source.Parse(t.where+node, time.Now())
	if err != nil {
		return proto.Stat{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fresh(l)
	stat, ok := t.stats[node]
	if !ok {
		return stat, proto.ErrNoNode
	}
	return stat, nil
}

// GetConfig is not asked for.
func (t *fileTree) GetConfig(context.Context, bool) ([]byte, proto.Stat, error) {
	return nil, proto.Stat{}, errors.ErrUnsupported
}
