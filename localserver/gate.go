package localserver

import (
	"context"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// gate stops what a member sends and receives without closing anything, as SIGSTOP does to a
// process and an unplugged cable to a connection. A nil gate is always open. It is a zab.Network.
type gate struct {
	id    int64
	links *links

	mu      sync.Mutex
	paused  bool
	changed chan struct{} // closed and replaced by each change of paused
}

func newGate(id int64, l *links) *gate {
	return &gate{id: id, links: l, changed: make(chan struct{})}
}

func (g *gate) setPaused(paused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused != paused {
		g.paused = paused
		close(g.changed)
		g.changed = make(chan struct{})
	}
}

// shut reports whether nothing may pass, and what is closed when that may have changed. peer is
// 0 for a connection that is not dialled to a member.
func (g *gate) shut(peer int64) (shut bool, changed <-chan struct{}) {
	g.mu.Lock()
	paused, changed := g.paused, (<-chan struct{})(g.changed)
	g.mu.Unlock()
	if paused || peer == 0 {
		return paused, changed
	}
	return g.links.isCut(g.id, peer)
}

// network is the one that the gate guards.
func (g *gate) network() zab.Network {
	if g == nil {
		return zab.TCP{}
	}
	return g
}

func (g *gate) listener(ln net.Listener) net.Listener {
	if g == nil {
		return ln
	}
	return &gateListener{ln, g}
}

// Listen implements zab.Network.
func (g *gate) Listen(addr string) (net.Listener, error) {
	ln, err := port.Listen(addr)
	if err != nil {
		return nil, err
	}
	return g.listener(ln), nil
}

// Dial implements zab.Network. It waits until ctx ends for a cut link to be healed.
func (g *gate) Dial(ctx context.Context, addr string) (net.Conn, error) {
	peer := g.links.memberAt(addr)
	for {
		shut, changed := g.shut(peer)
		if !shut {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
		}
	}
	nc, err := zab.TCP{}.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return newGateConn(nc, g, peer), nil
}

type gateListener struct {
	net.Listener
	gate *gate
}

func (l *gateListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newGateConn(nc, l.gate, 0), nil
}

// gateConn holds reads and writes back while its gate is shut, until a deadline or Close.
type gateConn struct {
	net.Conn
	gate   *gate
	peer   int64
	closed chan struct{}
	once   sync.Once

	// For the reader: what has arrived but was not let through.
	held    []byte
	heldErr error

	mu           sync.Mutex
	readBy       time.Time
	writeBy      time.Time
	deadlineMove chan struct{} // closed and replaced when a deadline is set
}

func newGateConn(nc net.Conn, g *gate, peer int64) *gateConn {
	return &gateConn{Conn: nc, gate: g, peer: peer, closed: make(chan struct{}), deadlineMove: make(chan struct{})}
}

// pass waits until the gate is open.
func (c *gateConn) pass(deadline *time.Time) error {
	for {
		shut, changed := c.gate.shut(c.peer)
		if !shut {
			return nil
		}
		c.mu.Lock()
		by, moved := *deadline, c.deadlineMove
		c.mu.Unlock()
		var timeout <-chan time.Time
		if !by.IsZero() {
			t := time.NewTimer(time.Until(by))
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-changed:
		case <-moved:
		case <-timeout:
			return os.ErrDeadlineExceeded
		case <-c.closed:
			return net.ErrClosed
		}
	}
}

// Read holds back what arrives while the gate is shut.
func (c *gateConn) Read(p []byte) (n int, err error) {
	if len(c.held) == 0 {
		n, err = c.Conn.Read(p)
		if !c.isShut() {
			return n, err
		}
		c.held, c.heldErr = append(c.held, p[:n]...), err
	}
	if err := c.pass(&c.readBy); err != nil {
		return 0, err
	}
	n = copy(p, c.held)
	if c.held = c.held[n:]; len(c.held) == 0 {
		err, c.heldErr = c.heldErr, nil
	}
	return n, err
}

func (c *gateConn) isShut() bool {
	shut, _ := c.gate.shut(c.peer)
	return shut
}

func (c *gateConn) Write(p []byte) (int, error) {
	if err := c.pass(&c.writeBy); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// CloseWrite ends what is sent, once the gate is open.
func (c *gateConn) CloseWrite() error {
	if err := c.pass(&c.writeBy); err != nil {
		return err
	}
	if one, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return one.CloseWrite()
	}
	return c.Close()
}

func (c *gateConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *gateConn) SetDeadline(t time.Time) error {
	c.remember(t, &c.readBy, &c.writeBy)
	return c.Conn.SetDeadline(t)
}

func (c *gateConn) SetReadDeadline(t time.Time) error {
	c.remember(t, &c.readBy)
	return c.Conn.SetReadDeadline(t)
}

func (c *gateConn) SetWriteDeadline(t time.Time) error {
	c.remember(t, &c.writeBy)
	return c.Conn.SetWriteDeadline(t)
}

func (c *gateConn) remember(t time.Time, deadlines ...*time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range deadlines {
		*d = t
	}
	close(c.deadlineMove)
	c.deadlineMove = make(chan struct{})
}

// links records which members cannot reach each other. A cut works in both directions. The side
// that made a connection holds its bytes back, because the other does not know the connecting
// member.
type links struct {
	mu      sync.Mutex
	members map[string]int64 // by the address of a quorum or election port
	cut     map[[2]int64]bool
	changed chan struct{} // closed and replaced by each change of cut
}

func newLinks() *links {
	return &links{members: map[string]int64{}, cut: map[[2]int64]bool{}, changed: make(chan struct{})}
}

func link(a, b int64) [2]int64 { return [2]int64{min(a, b), max(a, b)} }

func (l *links) place(id int64, addrs ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range addrs {
		l.members[a] = id
	}
}

// memberAt returns the member with the address, or 0.
func (l *links) memberAt(addr string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.members[addr]
}

func (l *links) isCut(a, b int64) (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut[link(a, b)], l.changed
}

func (l *links) set(change func(cut map[[2]int64]bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l.cut)
	close(l.changed)
	l.changed = make(chan struct{})
}

// pairs lists the links that are cut.
func (l *links) pairs() (list [][2]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for pair := range l.cut {
		list = append(list, pair)
	}
	slices.SortFunc(list, func(a, b [2]int64) int { return slices.Compare(a[:], b[:]) })
	return list
}
