package replica

import (
	"encoding/binary"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Differs(unread-bounded): Apache buffers what a client does not read until it runs out of memory. Here
// a client that does not read gets no further replies, and one with too many unread events is
// disconnected: when it reconnects, SetWatches tells it what it missed.
const (
	// outPause is the number of unsent bytes at which the member answers no further requests of the
	// connection until its client has read half of them.
	outPause = 1 << 20

	// writeAhead is how many bytes of replies to reads may be due before a write. With more, the
	// write is submitted only once the client has read some: these replies must be made before the
	// write is applied.
	writeAhead = 4 << 20

	// unaskedLimit limits the unsent bytes of output that does not wait for the client: events, and
	// replies to reads before a write.
	unaskedLimit = 16 << 20

	// outTotal limits the unsent bytes of all connections together. A single reply may exceed it,
	// if less than half of it is in use.
	outTotal = 32 << 20

	// smallReply is how many bytes of replies and events a connection may always have.
	smallReply = 64 << 10

	// stuck is how long a client may read nothing while others need the memory.
	stuck = time.Second

	// freeEvery is the shortest time between two returns of memory to the system.
	freeEvery = 10 * time.Second

	// outPiece is how many bytes are written to the network at once.
	outPiece = 256 << 10

	// outKept is the buffer that a connection keeps for its next replies.
	outKept = 16 << 10
)

// output is what remains to be sent to a client. The loop writes it; the writer, a goroutine that
// exists only while there is something to send, sends it. Fields belong to the loop unless stated
// otherwise.
type output struct {
	out      []byte // written in this round
	marked   bool   // is in Replica.dirty
	unasked  int    // unsent bytes of output that does not wait for the client
	awaiting bool   // is in Replica.awaiting

	stalled  atomic.Bool  // requests wait for the client to read, for memory, or for their turn
	unsent   atomic.Int64 // bytes in pieces and being written
	taking   atomic.Int64 // when the write in progress began, ns since 1970; 0 for none
	awakened atomic.Bool  // the loop has been told that the client has read

	// Guarded by conn.mu.
	pieces  [][]byte // for the writer to send
	spare   []byte   // for reuse
	writing bool     // a writer is running
	ending  bool     // the writer closes the connection once it has sent everything
}

// outputs is the loop's view of the output of all connections.
type outputs struct {
	dirty     []*conn            // with output of this round
	fresh     int64              // bytes of it
	awaiting  map[*conn]struct{} // whose next reply needs memory
	relieveAt time.Time          // when to look again for clients that read nothing
	crowded   bool               // much memory has been used since it was last returned
	freeAt    time.Time          // when it may be returned again
}

// held returns how many bytes wait for clients to read them.
func (s *Replica) held() int64 { return s.shared.unsent.Load() + s.fresh }

// pending returns how many bytes wait for this client.
func (c *conn) pending() int { return len(c.out) + int(c.unsent.Load()) }

// send writes a frame: a header, and a record unless it is nil.
func (c *conn) send(h *proto.ReplyHeader, body jute.Record) {
	if c.gone {
		return
	}
	if len(c.late) > 0 {
		c.late = append(c.late, lateFrame{header: *h, body: body})
		return
	}
	start := c.frameBegin(body)
	e := &c.s.codec
	e.ResetEncoder(c.out)
	h.Visit(e)
	if body != nil {
		body.Visit(e)
	}
	c.out = e.Bytes()
	e.ResetEncoder(nil)
	size := c.frameEnd(start)
	c.s.stats.responded(&c.stats, h.Xid, size)
}

// frameBegin starts a frame and reserves space for its length.
func (c *conn) frameBegin(body jute.Record) (start int) {
	start = len(c.out)
	if size := sizeOf(body); size > smallReply && cap(c.out)-start < size {
		c.out = append(make([]byte, 0, start+size), c.out...)
	}
	c.out = append(c.out, 0, 0, 0, 0)
	return start
}

// frameEnd writes the length of a frame and returns it.
func (c *conn) frameEnd(start int) (size int) {
	size = len(c.out) - start - 4
	binary.BigEndian.PutUint32(c.out[start:], uint32(size))
	c.s.fresh += int64(4 + size)
	c.mark()
	return size
}

// mark has the connection's output flushed at the end of the round.
func (c *conn) mark() {
	if !c.marked {
		c.marked = true
		c.s.dirty = append(c.s.dirty, c)
	}
}

const replyHeaderSize = 4 + 8 + 4

// sizeOf returns the length of a frame with a large reply, or 0 for others.
func sizeOf(body jute.Record) int {
	const rest = 4 + replyHeaderSize + proto.StatSize
	names := func(list []string) int {
		size := rest + 4 + 4*len(list)
		for _, name := range list {
			size += len(name)
		}
		return size
	}
	switch b := body.(type) {
	case *proto.GetDataResponse:
		return rest + 4 + len(b.Data)
	case *proto.GetChildrenResponse:
		return names(b.Children)
	case *proto.GetChildren2Response:
		return names(b.Children)
	case *proto.GetEphemeralsResponse:
		return names(b.Ephemerals)
	}
	return 0
}

// notify sends the event of a watch.
func (c *conn) notify(zxid int64, event *proto.WatcherEvent) {
	c.send(&proto.ReplyHeader{Xid: proto.XidWatcherEvent, Zxid: zxid}, event)
}

// pushed disconnects the client if there is too much output that did not wait for it to read.
// Clients that read nothing at all are disconnected first.
func (c *conn) pushed(bytes int) {
	if c.gone {
		return
	}
	c.unasked = min(c.unasked, c.pending()-bytes) + bytes
	if c.unasked <= smallReply || !c.overdue() {
		return
	}
	if c.unasked < unaskedLimit {
		c.s.relieve()
	}
	if !c.gone && c.overdue() {
		c.cut()
	}
}

// overdue reports whether a client has more unread events than memory allows.
func (c *conn) overdue() bool { return c.unasked > min(unaskedLimit, int(outTotal-c.s.held())) }

func (c *conn) cut() {
	c.s.log.Warnf("Closing the connection of %s, session = 0x%x: it does not read; %d bytes wait for it", c.remote, uint64(c.session), c.pending())
	c.close()
}

// scarce reports whether large replies have to wait.
func (s *Replica) scarce() bool { return s.held() > outTotal/2 }

// mustWait reports whether the connection's next request, if known, must wait: for its turn, for
// the client to read, or for others to read.
func (c *conn) mustWait(next *request) bool {
	if c.turn.over {
		return true
	}
	limit, scarce := outPause, c.s.scarce()
	if scarce {
		limit = smallReply
	}
	if c.stalled.Load() {
		limit /= 2
	}
	if c.pending() > limit {
		return true
	}
	if next == nil || !scarce || c.s.weigh(next) <= smallReply {
		return false
	}
	if !c.awaiting {
		c.awaiting = true
		c.s.awaiting[c] = struct{}{}
		c.s.shared.wanted.Store(true)
	}
	return true
}

// relieve disconnects clients that have read nothing for a while, if little memory is left for
// others.
func (s *Replica) relieve() {
	if !s.scarce() || s.now.Before(s.relieveAt) {
		return
	}
	s.relieveAt = s.now.Add(stuck / 10)
	late := s.now.Add(-stuck).UnixNano()
	for c := range s.all {
		if since := c.taking.Load(); c.pending() > smallReply && since != 0 && since < late {
			c.cut()
		}
	}
}

// makeRoom resumes the connections that wait for memory, if there is some.
func (s *Replica) makeRoom() {
	s.shared.awakened.Store(false)
	s.relieve()
	for c := range s.awaiting {
		c.touch()
	}
	if s.scarce() {
		return
	}
	list := s.awaiting
	s.awaiting = map[*conn]struct{}{}
	s.shared.wanted.Store(false)
	for c := range list {
		c.awaiting = false
		c.advance()
	}
}

// flushAll passes this round's output to the connections' writers.
func (s *Replica) flushAll() {
	for _, c := range s.dirty {
		c.flush()
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
	switch held := s.shared.unsent.Load(); {
	case held > outTotal/4:
		s.crowded = true
		s.relieve()
	case held < outTotal/16 && s.crowded && s.now.After(s.freeAt):
		// Return the memory of unsent replies and events at once: the runtime would take minutes.
		s.crowded, s.freeAt = false, s.now.Add(freeEvery)
		time.AfterFunc(stuck, debug.FreeOSMemory) // by then the writers have released it
	}
}

// flush passes the output to the writer.
func (c *conn) flush() {
	c.marked = false
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		c.dropFresh()
		return
	}
	n := int64(len(c.out))
	c.s.fresh -= n
	c.unsent.Add(n)
	c.s.shared.unsent.Add(n)
	c.enqueue()
	c.unasked = min(c.unasked, c.pending())
	if c.leaving {
		c.ending = true
		_ = c.nc.SetDeadline(time.Now().Add(parting))
	}
	if !c.writing {
		c.writing = true
		go c.write()
	}
	if !c.gone && !c.stalled.Load() && c.mustWait(nil) {
		c.stall()
	}
}

// enqueue puts the round's output into the queue of the writer.
func (c *conn) enqueue() {
	last := len(c.pieces) - 1
	switch {
	case len(c.out) == 0:
		return
	case last < 0:
		c.pieces = append(c.pieces, c.out)
		c.out, c.spare = c.spare, nil
		return
	case len(c.out) <= cap(c.pieces[last])-len(c.pieces[last]):
		c.pieces[last] = append(c.pieces[last], c.out...)
	case len(c.out) < smallReply/2:
		c.pieces = append(c.pieces, append(make([]byte, 0, smallReply), c.out...))
	default:
		c.pieces = append(c.pieces, c.out)
		c.out = nil
	}
	if c.out = c.out[:0]; cap(c.out) > outKept {
		c.out = nil
	}
}

// write is the writer: it sends what there is and ends.
func (c *conn) write() {
	var piece, rest []byte
	for {
		c.mu.Lock()
		if len(rest) == 0 {
			if cap(piece) > 0 && cap(piece) <= outKept {
				c.spare = piece[:0]
			}
			if len(c.pieces) == 0 || c.closed {
				c.writing, c.pieces = false, nil
				c.taking.Store(0)
				if c.ending {
					c.closeLocked()
				}
				c.mu.Unlock()
				return
			}
			piece, c.pieces[0] = c.pieces[0], nil
			c.pieces = c.pieces[1:]
			rest = piece
		}
		c.mu.Unlock()
		c.taking.Store(time.Now().UnixNano())
		n, err := c.nc.Write(rest[:min(len(rest), outPiece)])
		rest = rest[n:]
		if !c.sent(n) {
			return // it has been closed
		}
		if err != nil {
			c.hangUp()
			return
		}
	}
}

// sent counts what the writer has sent, and wakes the loop if requests can continue. It returns
// false if the connection is closed.
func (c *conn) sent(n int) bool {
	c.mu.Lock()
	if c.closed { // unsent bytes no longer count
		c.mu.Unlock()
		return false
	}
	left := c.unsent.Add(int64(-n))
	all := c.s.shared.unsent.Add(int64(-n))
	c.mu.Unlock()
	if c.stalled.Load() && left <= outPause/2 && c.awakened.CompareAndSwap(false, true) {
		c.s.box.put(event{run: c.drained})
	}
	if all <= outTotal/2 && c.s.shared.wanted.Load() && c.s.shared.awakened.CompareAndSwap(false, true) {
		c.s.box.put(event{run: c.s.makeRoom})
	}
	return true
}

// dropFresh forgets what was written in this round.
func (c *conn) dropFresh() {
	c.s.fresh -= int64(len(c.out))
	c.out = nil
}

// dropOutput forgets what is unsent. conn.mu is held.
func (c *conn) dropOutput() {
	c.s.shared.unsent.Add(-c.unsent.Swap(0))
	c.pieces, c.spare = nil, nil
}

// drained resumes requests once the client has read. A client that reads is alive, even if its
// pings wait in the queue.
func (c *conn) drained() {
	c.awakened.Store(false)
	c.touch()
	c.advance()
}

// touch keeps a session alive whose pings are not read because its connection has to wait.
func (c *conn) touch() {
	if c.s.conns[c.session] == c {
		c.s.touch(c.session, c.timeout)
	}
}
