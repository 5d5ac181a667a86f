package client

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// link is a connection after its handshake, with one goroutine that reads and one that writes. It
// belongs to the session; the goroutines wait only for the session and the socket.
type link struct {
	conn    net.Conn
	address Address
	peer    string // the server's address as dialled: host:port, or ip:port
	maxLen  int

	in     chan inbound
	writes chan []byte // whole frames; a buffer belongs to the writer until it takes the next
	done   chan struct{}
	once   sync.Once
	heard  *heardConn

	writing sync.Mutex // held during a write
	written int64      // bytes accepted by the system, guarded by writing
}

// inbound is what the reader delivers: complete frames, and finally the error with how many of
// the written bytes can have reached the server by then.
type inbound struct {
	frames  [][]byte
	err     error
	written int64
}

// heardConn records when bytes last arrived.
type heardConn struct {
	net.Conn
	last atomic.Int64 // nanoseconds of the monotonic clock; see since
}

var epoch = time.Now()

func since() int64 { return int64(time.Since(epoch)) }

func (h *heardConn) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if n > 0 {
		h.last.Store(since())
	}
	return n, err
}

// idle is how long nothing has arrived.
func (l *link) idle() time.Duration { return time.Duration(since() - l.heard.last.Load()) }

func newLink(conn *heardConn, r *bufio.Reader, address Address, peer string, maxLen int) *link {
	l := &link{conn: conn, heard: conn, address: address, peer: peer, maxLen: maxLen,
		in: make(chan inbound, 4), writes: make(chan []byte), done: make(chan struct{})}
	go l.read(r)
	go l.write()
	return l
}

// close ends both goroutines; anything they still deliver is ignored.
func (l *link) close() {
	l.once.Do(func() {
		close(l.done)
		go l.conn.Close() // TLS says goodbye first, which can take a while
	})
}

func (l *link) hand(in inbound) bool {
	select {
	case l.in <- in:
		return true
	case <-l.done:
		return false
	}
}

// batchFrames is the maximum number of frames the reader delivers at once.
const batchFrames = 256

func (l *link) read(r *bufio.Reader) {
	var batch [][]byte
	for {
		frame, err := readFrame(r, l.maxLen)
		if err != nil {
			l.hand(inbound{batch, err, l.final()})
			return
		}
		batch = append(batch, frame)
		if len(batch) < batchFrames && frameBuffered(r) {
			continue
		}
		if !l.hand(inbound{frames: batch}) {
			return
		}
		batch = make([][]byte, 0, min(2*len(batch), batchFrames))
	}
}

// final closes the connection, and with it a write in progress, and returns how many bytes the
// system accepted: no more than that can have reached the server.
func (l *link) final() int64 {
	_ = l.conn.Close()
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.written
}

// frameBuffered reports whether a frame can be read without blocking.
func frameBuffered(r *bufio.Reader) bool {
	if r.Buffered() < 4 {
		return false
	}
	b, _ := r.Peek(4)
	n := int32(binary.BigEndian.Uint32(b))
	return n >= 0 && int(n) <= r.Buffered()-4
}

func (l *link) write() {
	for {
		select {
		case b := <-l.writes:
			if len(b) > serverMaxBuffer {
				l.narrow()
			}
			l.writing.Lock()
			n, err := l.conn.Write(b)
			l.written += int64(n)
			l.writing.Unlock()
			if err != nil {
				// The reader may still find, and report, what the server said before it hung up;
				// a half-open connection ends by the read timeout.
				if !IsHangup(err) && !errors.Is(err, net.ErrClosed) { // closed by final
					l.hand(inbound{err: fmt.Errorf("write to the server: %w", err), written: l.final()})
				}
				return
			}
		case <-l.done:
			return
		}
	}
}

// narrow keeps the system from accepting much more than has arrived. If a request is so long that
// the server hangs up without reading it, it is then certain that the server did not get all of
// it.
func (l *link) narrow() {
	conn := l.heard.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(narrowBuffer)
	}
}

// narrowBuffer, in bytes, plus a server's window are less than serverMaxBuffer.
const narrowBuffer = 128 << 10

// maxUnasked is the longest event to accept: its path was once in a request, which may be up to 1
// MiB.
const maxUnasked = 2 << 20

// stepBytes is how much of a long frame is allocated before its bytes arrive.
const stepBytes = 1 << 20

// readFrame reads a frame into newly allocated memory.
func readFrame(r *bufio.Reader, maxLen int) ([]byte, error) {
	var head [4]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		return nil, cutOff(err, n, 0)
	}
	n := int32(binary.BigEndian.Uint32(head[:]))
	switch {
	case n < 0:
		return nil, &ProtocolError{What: fmt.Sprintf("the server sent a packet with an impossible length of %d", n)}
	case int(n) > maxLen:
		return nil, &ProtocolError{tooLong: true, What: fmt.Sprintf("the server sent a packet of %d bytes, but the limit is %d; "+
			"if the answer really is that long, raise -jute-maxbuffer", n, maxLen)}
	}
	if n > maxUnasked {
		// Anything that does not answer a request is short.
		if xid, err := r.Peek(4); err == nil && int32(binary.BigEndian.Uint32(xid)) < 0 {
			return nil, &ProtocolError{What: fmt.Sprintf("the server sent an unsolicited packet of %d bytes", n)}
		}
	}
	frame := make([]byte, min(int(n), stepBytes))
	got, err := io.ReadFull(r, frame)
	for err == nil && len(frame) < int(n) {
		more := min(int(n)-len(frame), len(frame))
		frame = append(frame, make([]byte, more)...)
		var m int
		m, err = io.ReadFull(r, frame[got:])
		got += m
	}
	if err != nil {
		return nil, cutOff(err, got+4, int(n)+4)
	}
	return frame, nil
}

// hangup is the error for a connection closed by the server.
type hangup struct {
	got, of int // bytes of an unfinished packet; of is 0 if its length is unknown
	err     error
}

func (e *hangup) Error() string {
	switch {
	case e.got == 0:
		return "the server closed the connection"
	case e.of == 0:
		return fmt.Sprintf("the server closed the connection in the middle of a packet, after %d bytes", e.got)
	}
	return fmt.Sprintf("the server closed the connection in the middle of a packet, after %d of %d bytes", e.got, e.of)
}

func (e *hangup) Unwrap() error { return e.err }

func cutOff(err error, got, of int) error {
	if IsHangup(err) {
		if got <= 4 {
			of = 0
		}
		return &hangup{got: got, of: of, err: err}
	}
	return fmt.Errorf("read from the server: %w", err)
}

// IsHangup reports whether an error means that the other end has closed the connection.
func IsHangup(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	return slices.ContainsFunc(hangupErrnos, func(e error) bool { return errors.Is(err, e) })
}
