package zab

import (
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// memoryConn is one end of a connection. The network's mutex guards it.
type memoryConn struct {
	m             *Memory
	host          string
	local, remote memoryAddr
	peer          *memoryConn

	in       []memorySegment // unread, in order
	buffered int             // bytes in in
	err      error           // broken
	closed   bool            // by its own side
	changed  chan struct{}   // closed and replaced when something above changes, at either end
	readBy   time.Time
	writeBy  time.Time
}

// memorySegment is data or, if empty, the end of the stream.
type memorySegment struct {
	at   time.Time // of arrival
	data []byte
}

// memoryWindow is how many bytes one end may write ahead of the other's reads.
const memoryWindow = 64 << 10

func (m *Memory) newConn(host string, local, remote memoryAddr) *memoryConn {
	c := &memoryConn{m: m, host: host, local: local, remote: remote, changed: make(chan struct{})}
	m.conns[c] = struct{}{}
	return c
}

func (c *memoryConn) stir() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *memoryConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "memory", Source: c.local, Addr: c.remote, Err: err}
}

// fail breaks the connection for both ends.
func (c *memoryConn) fail(err error) {
	for _, end := range []*memoryConn{c, c.peer} {
		if end.err == nil {
			end.err, end.in, end.buffered = err, nil, 0
		}
		end.stir()
	}
}

// finish is this end's Close.
func (c *memoryConn) finish() {
	if c.closed {
		return
	}
	c.closed = true
	delete(c.m.conns, c)
	c.in, c.buffered = nil, 0
	c.deliver(nil)
	c.stir()
}

// deliver sends a segment to the other end.
func (c *memoryConn) deliver(data []byte) {
	p := c.peer
	if p.closed || p.err != nil {
		return
	}
	at := time.Now().Add(c.m.latency(c.host, p.host))
	if n := len(p.in); n > 0 && p.in[n-1].at.After(at) {
		at = p.in[n-1].at
	}
	p.in = append(p.in, memorySegment{at, slices.Clone(data)})
	p.buffered += len(data)
	p.stir()
}

// ended reports whether the other end's close has arrived.
func (c *memoryConn) ended() bool {
	n := len(c.in)
	return n > 0 && c.in[n-1].data == nil && !c.in[n-1].at.After(time.Now()) && !c.m.cut[pair(c.host, c.peer.host)]
}

// await releases m.mu and waits until something changes, or until a time unless it is zero.
func (c *memoryConn) await(until time.Time) {
	changed := c.changed
	var timeout <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		timeout = timer.C
	}
	c.m.mu.Unlock()
	defer c.m.mu.Lock()
	select {
	case <-changed:
	case <-timeout:
	}
}

func (c *memoryConn) Read(b []byte) (int, error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	for {
		until := c.readBy
		switch {
		case c.closed:
			return 0, c.opError("read", net.ErrClosed)
		case c.err != nil:
			return 0, c.opError("read", c.err)
		case !until.IsZero() && !time.Now().Before(until):
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return 0, nil
		}
		if len(c.in) > 0 && !c.m.cut[pair(c.host, c.peer.host)] {
			first := &c.in[0]
			if !first.at.After(time.Now()) {
				if first.data == nil {
					return 0, io.EOF
				}
				n := copy(b, first.data)
				if first.data = first.data[n:]; len(first.data) == 0 {
					c.in = c.in[1:]
				}
				c.buffered -= n
				c.peer.stir()
				return n, nil
			}
			if until.IsZero() || first.at.Before(until) {
				until = first.at
			}
		}
		c.await(until)
	}
}

func (c *memoryConn) Write(b []byte) (done int, err error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	for {
		switch {
		case c.closed:
			return done, c.opError("write", net.ErrClosed)
		case c.err != nil:
			return done, c.opError("write", c.err)
		case c.ended():
			return done, c.opError("write", syscall.EPIPE)
		case !c.writeBy.IsZero() && !time.Now().Before(c.writeBy):
			return done, c.opError("write", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return done, nil
		}
		if room := memoryWindow - c.peer.buffered; room > 0 || c.peer.closed {
			n := len(b)
			if !c.peer.closed {
				n = min(n, room)
				c.deliver(b[:n])
			}
			done, b = done+n, b[n:]
			continue
		}
		c.await(c.writeBy)
	}
}

func (c *memoryConn) Close() error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.finish()
	return nil
}

func (c *memoryConn) LocalAddr() net.Addr  { return c.local }
func (c *memoryConn) RemoteAddr() net.Addr { return c.remote }

func (c *memoryConn) SetDeadline(t time.Time) error      { return c.setDeadlines(t, true, true) }
func (c *memoryConn) SetReadDeadline(t time.Time) error  { return c.setDeadlines(t, true, false) }
func (c *memoryConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, false, true) }

// setDeadlines takes m.mu itself.
func (c *memoryConn) setDeadlines(t time.Time, read, write bool) error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if read {
		c.readBy = t
	}
	if write {
		c.writeBy = t
	}
	c.stir()
	return nil
}
