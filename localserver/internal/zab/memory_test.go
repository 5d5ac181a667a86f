package zab

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// Memory is a network without sockets, for tests in simulated time (testing/synctest). It has
// hosts; an address is "host:port". Like TCP, it delivers everything in order, or breaks the
// connection; latencies come from a seed. Methods may be called from any goroutine.
type Memory struct {
	mu        sync.Mutex
	seed      uint64
	min, max  time.Duration
	listeners map[string]*memoryListener
	conns     map[*memoryConn]struct{} // both ends of each
	links     map[[2]string]*rand.Rand // latencies from a host to another
	cut       map[[2]string]bool       // by hosts in order
	changed   chan struct{}            // closed and replaced when cut or listeners change
	ports     int
}

// NewMemory returns a network with latencies from min to max, drawn from seed.
func NewMemory(seed uint64, min, max time.Duration) *Memory {
	return &Memory{
		seed: seed, min: min, max: max,
		listeners: map[string]*memoryListener{}, conns: map[*memoryConn]struct{}{},
		links: map[[2]string]*rand.Rand{}, cut: map[[2]string]bool{}, changed: make(chan struct{}),
	}
}

// Host returns the network as seen from a host.
func (m *Memory) Host(name string) Network { return memoryHost{m, name} }

// Cut cuts the link between two hosts: data in transit and connection attempts wait for Heal.
func (m *Memory) Cut(a, b string) { m.setCut(a, b, true) }

// Heal restores the link between two hosts.
func (m *Memory) Heal(a, b string) { m.setCut(a, b, false) }

// HealAll restores all links.
func (m *Memory) HealAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.cut)
	m.stir()
}

func (m *Memory) setCut(a, b string, cut bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if cut {
		m.cut[pair(a, b)] = true
	} else {
		delete(m.cut, pair(a, b))
	}
	m.stir()
}

// Reset breaks all connections between two hosts.
func (m *Memory) Reset(a, b string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		if pair(c.host, c.peer.host) == pair(a, b) {
			c.fail(syscall.ECONNRESET)
		}
	}
}

// Crash closes everything that a host has open, like the end of its process, but abruptly: data in
// transit is lost.
func (m *Memory) Crash(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.listeners {
		if l.host == host {
			l.close()
		}
	}
	for c := range m.conns {
		if c.host == host || c.peer.host == host {
			c.fail(syscall.ECONNRESET)
		}
	}
	m.stir()
}

// Open returns the number of unclosed connection ends and listeners.
func (m *Memory) Open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.conns) + len(m.listeners)
}

func pair(a, b string) [2]string { return [2]string{min(a, b), max(a, b)} }

// stir wakes all waiters. m.mu is held, as for all unexported methods below, unless stated
// otherwise.
func (m *Memory) stir() {
	close(m.changed)
	m.changed = make(chan struct{})
	for c := range m.conns {
		c.stir()
	}
}

func (m *Memory) latency(from, to string) time.Duration {
	link := [2]string{from, to}
	r := m.links[link]
	if r == nil {
		h := fnv.New64a()
		_, _ = fmt.Fprintf(h, "%s>%s", from, to)
		r = rand.New(rand.NewPCG(m.seed, h.Sum64()))
		m.links[link] = r
	}
	return m.min + time.Duration(r.Int64N(int64(m.max-m.min)+1))
}

// memoryHost is a Network.
type memoryHost struct {
	m    *Memory
	name string
}

type memoryAddr string

func (a memoryAddr) Network() string { return "memory" }
func (a memoryAddr) String() string  { return string(a) }

// Listen listens on an address of the host. Port 0 means a free one.
func (h memoryHost) Listen(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "memory", Addr: memoryAddr(addr), Err: err}
	}
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if port == "0" {
		addr = net.JoinHostPort(host, h.m.freePort())
	}
	if host != h.name {
		return nil, &net.OpError{Op: "listen", Net: "memory", Addr: memoryAddr(addr), Err: syscall.EADDRNOTAVAIL}
	}
	if h.m.listeners[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "memory", Addr: memoryAddr(addr), Err: syscall.EADDRINUSE}
	}
	l := &memoryListener{m: h.m, host: h.name, addr: memoryAddr(addr), backlog: make(chan net.Conn, 128), done: make(chan struct{})}
	h.m.listeners[addr] = l
	h.m.stir()
	return l, nil
}

func (m *Memory) freePort() string {
	m.ports++
	return fmt.Sprint(1<<16 + m.ports)
}

// Dial waits for a cut link to be healed, until ctx ends.
func (h memoryHost) Dial(ctx context.Context, addr string) (net.Conn, error) {
	m := h.m
	host, _, err := net.SplitHostPort(addr)
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: memoryAddr(addr), Err: err}
	}
	if err != nil {
		return fail(err)
	}
	m.mu.Lock()
	there, back := m.latency(h.name, host), m.latency(host, h.name)
	m.mu.Unlock()
	select {
	case <-time.After(there + back):
	case <-ctx.Done():
		return fail(ctx.Err())
	}
	for {
		m.mu.Lock()
		cut, l, changed := m.cut[pair(h.name, host)], m.listeners[addr], m.changed
		if !cut {
			defer m.mu.Unlock()
			if l == nil {
				return fail(syscall.ECONNREFUSED)
			}
			near := m.newConn(h.name, memoryAddr(net.JoinHostPort(h.name, m.freePort())), l.addr)
			far := m.newConn(host, l.addr, near.local)
			near.peer, far.peer = far, near
			select {
			case l.backlog <- far:
				return near, nil
			default:
				delete(m.conns, near)
				delete(m.conns, far)
				return fail(syscall.ECONNREFUSED)
			}
		}
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return fail(ctx.Err())
		}
	}
}

type memoryListener struct {
	m       *Memory
	host    string
	addr    memoryAddr
	backlog chan net.Conn
	done    chan struct{} // closed by close
}

func (l *memoryListener) Addr() net.Addr { return l.addr }

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "memory", Addr: l.addr, Err: net.ErrClosed}
	}
}

func (l *memoryListener) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.close()
	return nil
}

func (l *memoryListener) close() {
	if l.m.listeners[string(l.addr)] != l {
		return
	}
	delete(l.m.listeners, string(l.addr))
	close(l.done)
	for {
		select {
		case c := <-l.backlog:
			c.(*memoryConn).fail(syscall.ECONNRESET)
			c.(*memoryConn).finish()
		default:
			return
		}
	}
}
