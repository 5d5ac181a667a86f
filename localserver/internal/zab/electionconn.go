package zab

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	maxElectionPacket = 512 << 10 // QuorumCnxManager.PACKETMAXSIZE
	maxElectionConns  = 1024      // so that strangers cannot exhaust memory
)

// electionConns keeps a connection to each server that votes are sent to (QuorumCnxManager). Of two
// servers, the one with the larger id connects: the other only calls, identifies itself and hangs
// up.
//
// An unreachable server does not block anyone: send puts a message into the server's slot, where
// the next one replaces it; a new connection sends the newest.
type electionConns struct {
	self     int64
	opt      *ElectionOptions
	address  func() string                     // the addresses that this server announces
	members  func(sid int64) []string          // the election addresses of a member; nil for a stranger
	receive  func(sid int64, msg []byte) error // an error closes the connection
	lost     func()                            // called when a server turns out to be absent
	ctx      context.Context
	shutdown context.CancelFunc
	wg       sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	listeners map[string]net.Listener // by address
	open      map[net.Conn]struct{}   // all of them, for close
	peers     map[int64]*electionPeer
	nameless  int64 // the id for the next server without one
}

type electionPeer struct {
	slot      []byte // not written yet
	last      []byte // written last; may have been lost with its connection
	link      *electionLink
	dialing   bool
	absent    bool     // the last attempt to connect was refused, not just slow
	announced []string // the addresses that it announces
}

// electionLink is a connection that carries votes in both directions.
type electionLink struct {
	conn net.Conn
	r    *bufio.Reader
	wake chan struct{} // capacity 1: the slot is full
	done chan struct{} // closed when the link is dropped
}

// listen listens on addrs, and no longer on any other address.
func (c *electionConns) listen(addrs []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(addrs) == 0 || c.closed {
		return nil // a former member continues to answer
	}
	opened := map[string]net.Listener{}
	for _, addr := range addrs {
		if c.listeners[addr] != nil {
			continue
		}
		l, err := c.opt.Network.Listen(addr)
		if err != nil {
			for _, l := range opened {
				_ = l.Close()
			}
			return fmt.Errorf("listen for elections on %s: %w", addr, err)
		}
		opened[addr] = l
	}
	for addr, l := range c.listeners {
		if !slices.Contains(addrs, addr) {
			_ = l.Close()
			delete(c.listeners, addr)
		}
	}
	for addr, l := range opened {
		c.opt.Log.Infof("%d is accepting connections now, my election bind port: %s", c.self, l.Addr())
		c.listeners[addr] = l
		c.wg.Go(func() { c.accept(l) })
	}
	return nil
}

func (c *electionConns) close() {
	c.shutdown()
	c.mu.Lock()
	c.closed = true
	for _, l := range c.listeners {
		_ = l.Close()
	}
	for conn := range c.open {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

// enter registers a connection, or closes it if it is one too many.
func (c *electionConns) enter(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.open) >= maxElectionConns {
		_ = conn.Close()
		return false
	}
	c.open[conn] = struct{}{}
	return true
}

func (c *electionConns) leave(conn net.Conn) {
	_ = conn.Close()
	c.mu.Lock()
	delete(c.open, conn)
	c.mu.Unlock()
}

func (c *electionConns) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if c.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			c.opt.Log.Warnf("Exception while listening to address %s: %v", l.Addr(), err)
			select { // probably out of file descriptors
			case <-c.ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		c.opt.Log.Infof("Received connection request from %s", conn.RemoteAddr())
		if c.enter(conn) {
			c.wg.Go(func() {
				defer c.leave(conn)
				c.answer(conn)
			})
		}
	}
}

// answer is handleConnection: a server with a smaller id is called back; with a larger id, the
// connection is used.
func (c *electionConns) answer(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(c.opt.ConnectTimeout))
	r := bufio.NewReader(conn)
	sid, announced, err := readInitialMessage(r)
	if err != nil {
		c.opt.Log.Warnf("Initial message parsing error from %s: %v", conn.RemoteAddr(), err)
		return
	}
	if err := c.opt.Auth.accept(conn, r, c.opt.Log); err != nil {
		c.opt.Log.Warnf("Exception handling connection, addr: %s, closing server connection: %v", conn.RemoteAddr(), err)
		return
	}
	_ = conn.SetDeadline(time.Time{})
	if sid == observerID {
		c.mu.Lock()
		c.nameless--
		sid = c.nameless
		c.mu.Unlock()
		c.opt.Log.Infof("Setting arbitrary identifier to observer: %d", sid)
	}
	switch {
	case sid == c.self:
		c.opt.Log.Warnf("We got a connection request from a server with our own ID. " +
			"This should be either a configuration error, or a bug.")
	case sid < c.self:
		_ = conn.Close()
		c.mu.Lock()
		p := c.peer(sid)
		p.announced = announced
		c.drop(p, p.link) // the other end may have lost it without our noticing
		c.connect(sid, p)
		c.mu.Unlock()
	default:
		c.talk(sid, conn, r)
	}
}

// peer must be called with c.mu held.
func (c *electionConns) peer(sid int64) *electionPeer {
	p := c.peers[sid]
	if p == nil {
		p = &electionPeer{}
		c.peers[sid] = p
	}
	return p
}

// send sends msg to a server as soon as there is a connection, unless a newer message replaces it.
// It does not block.
func (c *electionConns) send(sid int64, msg []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.peer(sid)
	p.slot = msg
	if p.link == nil {
		c.connect(sid, p)
		return
	}
	select {
	case p.link.wake <- struct{}{}:
	default:
	}
}

// connect must be called with c.mu held.
func (c *electionConns) connect(sid int64, p *electionPeer) {
	if p.link != nil || p.dialing || c.closed {
		return
	}
	p.dialing = true
	announced := p.announced
	c.wg.Go(func() { c.dial(sid, announced) })
}

// dial is initiateConnection. The configuration has a member's address. The address that a server
// announces counts only if it is not a member yet.
func (c *electionConns) dial(sid int64, announced []string) {
	addrs := c.members(sid)
	if addrs == nil {
		addrs = announced
	}
	conn, addr, err := c.dialAny(addrs)
	var r *bufio.Reader
	if err == nil {
		r = bufio.NewReader(conn)
		err = within(conn, c.opt.ConnectTimeout, func() error {
			if _, err := conn.Write(encodeInitialMessage(c.self, c.address())); err != nil {
				return err
			}
			return c.opt.Auth.connect(c.ctx, conn, r, addr)
		})
	}
	if conn == nil || !c.enter(conn) {
		conn = nil
	} else {
		defer c.leave(conn)
	}
	if c.ctx.Err() == nil && err != nil {
		c.opt.Log.Warnf("Cannot open channel to %d at election address %v: %v", sid, addrs, err)
	}
	if conn == nil || err != nil {
		c.dialed(sid, refused(err))
		return
	}
	if sid > c.self {
		c.opt.Log.Infof("Have smaller server identifier, so dropping the connection: (myId:%d --> sid:%d)", c.self, sid)
		c.dialed(sid, false)
		return
	}
	c.talk(sid, conn, r)
}

// refused reports whether a dialling error means that no server is there; a timeout may be due to a
// slow network.
func refused(err error) bool {
	var timeout net.Error
	return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
}

func (c *electionConns) dialed(sid int64, absent bool) {
	c.mu.Lock()
	p := c.peer(sid)
	p.dialing, p.absent = false, absent
	c.mu.Unlock()
	c.forget(sid)
	if absent {
		c.lost()
	}
}

// absent reports whether a server was down at the last attempt to send to it.
func (c *electionConns) absent(sid int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.peers[sid]
	return p != nil && p.absent && p.link == nil && !p.dialing
}

func (c *electionConns) dialAny(addrs []string) (_ net.Conn, addr string, err error) {
	err = errors.New("its address is not known")
	for _, addr = range addrs {
		ctx, cancel := context.WithTimeout(c.ctx, c.opt.ConnectTimeout)
		var conn net.Conn
		conn, err = c.opt.Network.Dial(ctx, addr)
		cancel()
		if err == nil {
			return conn, addr, nil
		}
	}
	return nil, "", err
}

// talk makes conn the connection to sid and returns when it ends.
func (c *electionConns) talk(sid int64, conn net.Conn, r *bufio.Reader) {
	link := &electionLink{conn: conn, r: r, wake: make(chan struct{}, 1), done: make(chan struct{})}
	c.mu.Lock()
	p := c.peer(sid)
	p.dialing, p.absent = false, false
	c.drop(p, p.link)
	p.link = link
	c.mu.Unlock()

	var wg sync.WaitGroup
	wg.Go(func() { c.write(sid, p, link) })
	err := c.read(sid, link)
	c.mu.Lock()
	current := p.link == link
	c.drop(p, link)
	c.mu.Unlock()
	c.forget(sid)
	wg.Wait()
	if current && c.ctx.Err() == nil {
		c.opt.Log.Warnf("Connection broken for id %d, my id = %d: %v", sid, c.self, err)
	}
}

// drop must be called with c.mu held. link may be nil or dropped already.
func (c *electionConns) drop(p *electionPeer, link *electionLink) {
	if link == nil {
		return
	}
	if p.link == link {
		p.link = nil
	}
	select {
	case <-link.done:
	default:
		close(link.done)
		_ = link.conn.Close()
	}
}

// forget removes a stranger that is not connected.
func (c *electionConns) forget(sid int64) {
	if c.members(sid) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.peers[sid]; p != nil && p.link == nil && !p.dialing {
		delete(c.peers, sid)
	}
}

// write sends the message in the slot. A new connection starts with the last message if there is no
// newer one: the previous connection may have broken while sending it.
func (c *electionConns) write(sid int64, p *electionPeer, link *electionLink) {
	c.mu.Lock()
	if p.slot == nil {
		p.slot = p.last
	}
	c.mu.Unlock()
	for {
		c.mu.Lock()
		msg := p.slot
		if p.link != link {
			msg = nil // another connection has taken over
		} else if msg != nil {
			p.slot, p.last = nil, msg
		}
		c.mu.Unlock()
		if msg != nil {
			packet := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(msg)), uint32(len(msg)))
			_ = link.conn.SetWriteDeadline(time.Now().Add(c.opt.ConnectTimeout))
			if _, err := link.conn.Write(append(packet, msg...)); err != nil {
				if c.ctx.Err() == nil {
					c.opt.Log.Warnf("Exception when using channel: for id %d my id = %d: %v", sid, c.self, err)
				}
				c.mu.Lock()
				c.drop(p, link)
				c.mu.Unlock()
				return
			}
		}
		select {
		case <-link.wake:
		case <-link.done:
			return
		}
	}
}

// read passes on messages until the connection ends, always with an error.
func (c *electionConns) read(sid int64, link *electionLink) error {
	for {
		msg, err := readElectionPacket(link.r)
		if err != nil {
			return err
		}
		if err := c.receive(sid, msg); err != nil {
			return err
		}
	}
}

func readElectionPacket(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(head[:]))
	if n <= 0 || n > maxElectionPacket {
		return nil, fmt.Errorf("Received packet with invalid packet: its length is %d, expected 1 to %d", n, maxElectionPacket)
	}
	// Announced bytes may never arrive: memory grows only with what does.
	buf := make([]byte, 0, min(int(n), 4<<10))
	for len(buf) < int(n) {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(int(n), 4*cap(buf))), buf...)
		}
		m, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		if err != nil {
			return nil, fmt.Errorf("the connection ended %d bytes into a packet of %d: %w", len(buf), n, err)
		}
	}
	return buf, nil
}
