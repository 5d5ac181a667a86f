package replica

import (
	"encoding/binary"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Differs(unread-bounded): Apache keeps what a client does not read until its memory is used up. Here a
// client that does not read gets no further reply, and one that has too many events to read is
// cut off: it finds out by SetWatches what it missed, when it comes back.
const (
	// outPause is how many unsent bytes make the member answer no further request of the
	// connection until its client has read half of them.
	outPause = 1 << 20

	// writeAhead is how many bytes of replies to reads may be due before a write. More, and
	// the write sets out only when the client has taken some: they are made before it is applied.
	writeAhead = 4 << 20

	// unaskedLimit is how many bytes may be unsent of what does not wait for the client:
	// events, and replies to reads before a write.
	unaskedLimit = 16 << 20

	// outTotal is how many unsent bytes all connections may have together, but for single
	// replies, of which one more is made while there are fewer than half as many.
	outTotal = 32 << 20

	// smallReply is the size of replies and events that one connection is always allowed.
	smallReply = 64 << 10

	// stuck is for how long a client may take nothing when others need the room.
	stuck = time.Second

	// freeEvery is how often memory is given back to the system at most.
	freeEvery = 10 * time.Second

	// outPiece is how many bytes are written to the network at once.
	outPiece = 256 << 10

	// outKept is the room that a connection keeps for its next replies.
	outKept = 16 << 10
)

// output is what is to be sent to a client. The loop writes it; the writer, a goroutine that
// lives only while there is something, sends it. What has no other remark is the loop's.
type output struct {
	out      []byte // written in this round
	marked   bool   // is in Replica.dirty
	unasked  int    // bytes of what does not wait for the client, of those that are unsent
	awaiting bool   // is in Replica.awaiting

	stalled  atomic.Bool  // requests wait: for the client to read, for room, or for their turn
	unsent   atomic.Int64 // bytes in pieces and on their way
	taking   atomic.Int64 // since when the client is to take the piece on its way, ns since 1970; 0 for none
	awakened atomic.Bool  // the loop has been told that the client has read

	// Guarded by conn.mu.
	pieces  [][]byte // what the writer is to send
	spare   []byte   // to be written into again
	writing bool     // there is a writer
	ending  bool     // the writer closes the connection when it has sent everything
}

// outputs is what a server knows of the output of all its connections.
type outputs struct {
	dirty     []*conn            // with output of this round
	fresh     int64              // bytes of it
	awaiting  map[*conn]struct{} // whose next reply needs room
	relieveAt time.Time          // when to look again for clients that take nothing
	crowded   bool               // much has been in use since memory was given back
	freeAt    time.Time          // when it may be given back again
}

// held is how many bytes wait for clients to read them.
func (s *Replica) held() int64 { return s.shared.unsent.Load() + s.fresh }

// pending is how many bytes wait for this client.
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
	e := jute.NewEncoder(c.out)
	h.Visit(e)
	if body != nil {
		body.Visit(e)
	}
	c.out = e.Bytes()
	size := c.frameEnd(start)
	c.s.stats.responded(&c.stats, h.Xid, size)
}

// frameBegin makes room for a frame, and leaves some for its length.
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

// sizeOf is how long a frame with a large reply is; 0 where that does not matter.
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

// pushed cuts the client off when too much has been written that did not wait for it to read.
// Those who take nothing at all make room first.
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

// overdue reports whether a client has more events to read than there is room for.
func (c *conn) overdue() bool { return c.unasked > min(unaskedLimit, int(outTotal-c.s.held())) }

func (c *conn) cut() {
	c.s.log.Warnf("Closing the connection of %s, session = 0x%x: it does not read; %d bytes wait for it", c.remote, uint64(c.session), c.pending())
	c.close()
}

// scarce reports whether large replies have to wait.
func (s *Replica) scarce() bool { return s.held() > outTotal/2 }

// mustWait reports whether the connection's next request, if it is known, must wait: for its turn,
// for the client to read, or for others to do so.
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

// relieve cuts off who has taken nothing for a while, when there is little room left for others.
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

// makeRoom lets those go on who await room, if there is some.
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

// flushAll hands what was written in this round to the connections' writers.
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
		// What unsent replies and events took is not to stay with the process: the runtime
		// would give it back within minutes.
		s.crowded, s.freeAt = false, s.now.Add(freeEvery)
		time.AfterFunc(stuck, debug.FreeOSMemory) // the writers have let go of it then
	}
}

// flush hands what was written to the writer.
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

// sent counts what the writer has sent, and tells the loop when that lets requests go on. It is
// false when the connection is closed.
func (c *conn) sent(n int) bool {
	c.mu.Lock()
	if c.closed { // what is unsent is counted no more
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

// drained lets requests go on whose client has read. Who reads is alive, even if its pings wait
// behind what it has yet to read.
func (c *conn) drained() {
	c.awakened.Store(false)
	c.touch()
	c.advance()
}

// touch keeps the session of a connection whose pings are not read, because it has to wait.
func (c *conn) touch() {
	if c.s.conns[c.session] == c {
		c.s.touch(c.session, c.timeout)
	}
}
