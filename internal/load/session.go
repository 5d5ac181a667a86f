package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// session is one client. One goroutine reads its answers and sends what follows; with a rate, the pacer sends, too.
type session struct {
	e      *engine
	i      int
	server int
	track  *track
	src    Source

	mu       sync.Mutex
	w        *client.Wire // nil while there is no connection
	old      *client.Wire // the last one, to resume its session
	zxid     int64
	ring     []slot // requests that wait for their answers
	head     uint32 // of the oldest one; also its xid
	tail     uint32
	ops      int   // in flight
	begun    int64 // operations
	due      int64 // with a rate: those that should have begun
	events   []int64
	batch    Batch
	spare    []byte
	writing  bool // another goroutine writes
	pinging  bool
	closing  bool
	lastSend int64
	heard    int64
	requests int64 // ever sent
	outages  int64
}

// slot is a request that waits for its answer.
type slot struct {
	at   int64 // when its operation began, or should have begun
	kind uint8
	role role
}

// role is what the answer to a request means.
type role uint8

const (
	ends    role = iota // it ends an operation
	part                // it is one of several requests of an operation, and does not end it
	byEvent             // the event that the request causes ends the operation
	multi               // it ends an operation, and may hold an error inside
	aside               // it belongs to no operation
	closing             // it ends the session
)

func (s *session) open(ctx context.Context) error {
	server := s.e.cfg.Servers[s.server]
	w, err := client.OpenWire(ctx, s.e.cfg.Client, server, nil, 0)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	before := w.Calls
	err = s.src.Open(w, false)
	if !stop() && err != nil {
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests += int64(w.Calls-before) + 1
	if err != nil {
		_ = w.Close()
		return fmt.Errorf("prepare client %d on %v: %w", s.i+1, server, err)
	}
	s.use(w)
	return nil
}

// use starts with a connection; s.mu is held.
func (s *session) use(w *client.Wire) {
	now := s.e.now()
	s.w, s.old, s.heard, s.lastSend = w, w, now, now
}

// live reads answers until the session is closed; it connects again when the connection is lost.
func (s *session) live(ctx context.Context) {
	for {
		err := s.read(s.w)
		s.lost(err)
		if s.closing || s.e.over.Load() {
			return
		}
		for !s.again(ctx) {
			select {
			case <-time.After(backOff):
			case <-ctx.Done():
				return
			}
		}
		s.kick()
	}
}

// again connects again, and reports whether it did.
func (s *session) again(ctx context.Context) bool {
	s.mu.Lock()
	old, zxid := s.old, s.zxid
	s.mu.Unlock()
	w, err := client.OpenWire(ctx, s.e.cfg.Client, s.e.cfg.Servers[s.server], old, zxid)
	resumed := old != nil
	if errors.Is(err, proto.ErrSessionExpired) {
		s.mu.Lock()
		s.old = nil
		s.mu.Unlock()
		return false
	}
	if err != nil {
		return false
	}
	err = s.src.Open(w, resumed)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests += int64(w.Calls) + 1
	if err != nil {
		_ = w.Close()
		return false
	}
	s.use(w)
	return true
}

// lost counts what was in flight as unknown.
func (s *session) lost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w != nil {
		_ = s.w.Close()
	}
	s.w = nil
	s.track.mu.Lock()
	for ; s.head != s.tail; s.head++ {
		one := s.ring[s.head&uint32(len(s.ring)-1)]
		if one.role != part && one.role != aside && one.role != closing && one.role != byEvent && s.e.counts(one.at) {
			s.track.unknown[one.kind]++
		}
		if one.role == closing {
			s.closing = true // the server ended the session without an answer
		}
	}
	for _, at := range s.events {
		if s.e.counts(at) {
			s.track.unknown[s.batch.eventKind]++
		}
	}
	s.track.mu.Unlock()
	s.events = s.events[:0]
	s.ops, s.pinging = 0, false
	s.head, s.tail = 0, 0
	s.batch.out = s.batch.out[:0]
	if !s.closing && !s.e.over.Load() {
		s.outages++
		if s.e.cfg.Lost != nil {
			s.e.cfg.Lost(s.e.cfg.Servers[s.server].String(), err.Error())
		}
		var wrong *wrongReply
		if errors.As(err, &wrong) || errors.Is(err, errTooShort) {
			go s.e.fail(err)
		}
	}
	s.e.wake()
}

// counts reports whether an operation is recorded that began at a time.
func (e *engine) counts(at int64) bool { return at >= e.from && at < e.until.Load() }

const replyHeader = 16

// read handles answers until the connection fails, or the session is closed.
func (s *session) read(w *client.Wire) error {
	for {
		head, err := w.R.Peek(4)
		if err != nil {
			return err
		}
		n := int(int32(binary.BigEndian.Uint32(head)))
		if n < replyHeader || n > client.DefaultMaxPacket {
			return errTooShort
		}
		if 4+n > w.R.Size() {
			if err := s.long(w, n); err != nil || s.closing {
				return err
			}
			continue
		}
		if _, err := w.R.Peek(4 + n); err != nil {
			return err
		}
		if err := s.take(w); err != nil || s.closing {
			return err
		}
	}
}

// long handles an answer that does not fit into the buffer.
func (s *session) long(w *client.Wire, n int) error {
	var first [4 + replyHeader + 64]byte
	head, err := w.R.Peek(len(first))
	if err != nil {
		return err
	}
	copy(first[:], head)
	if _, err := w.R.Discard(4 + n); err != nil {
		return err
	}
	now := s.e.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = now
	s.track.mu.Lock()
	err = s.answer(first[4:], now)
	s.track.mu.Unlock()
	s.e.answered(now)
	s.pump(now)
	return err
}

// take handles all answers that have arrived whole, and sends what may follow.
func (s *session) take(w *client.Wire) error {
	now := s.e.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = now
	buf, _ := w.R.Peek(w.R.Buffered())
	used := 0
	var err error
	s.track.mu.Lock()
	for err == nil && len(buf)-used >= 4 {
		n := int(int32(binary.BigEndian.Uint32(buf[used:])))
		if n < replyHeader {
			err = errTooShort
			break
		}
		if len(buf)-used < 4+n {
			break
		}
		err = s.answer(buf[used+4:used+4+n], now)
		used += 4 + n
	}
	s.track.mu.Unlock()
	_, _ = w.R.Discard(used)
	s.e.answered(now)
	if err == nil {
		s.pump(now)
	}
	return err
}

// answer handles one answer; s.mu and the track's are held.
func (s *session) answer(b []byte, now int64) error {
	xid := int32(binary.BigEndian.Uint32(b))
	switch xid {
	case proto.XidPing:
		s.pinging = false
		return nil
	case proto.XidWatcherEvent:
		if len(s.events) > 0 {
			s.end(s.batch.eventKind, s.events[0], now, proto.OK)
			s.events = s.events[:copy(s.events, s.events[1:])]
		}
		return nil
	}
	if want := int32(s.head & 0x7fffffff); s.head == s.tail || xid != want {
		return &wrongReply{xid, want}
	}
	one := s.ring[s.head&uint32(len(s.ring)-1)]
	s.head++
	if zxid := int64(binary.BigEndian.Uint64(b[4:])); zxid > 0 {
		s.zxid = zxid
	}
	code := proto.Error(int32(binary.BigEndian.Uint32(b[12:])))
	switch one.role {
	case ends:
		s.end(one.kind, one.at, now, code)
	case multi:
		if code == proto.OK {
			code = insideMulti(b[replyHeader:])
		}
		s.end(one.kind, one.at, now, code)
	case byEvent:
		if code != proto.OK && len(s.events) > 0 {
			s.end(one.kind, s.events[0], now, code)
			s.events = s.events[:copy(s.events, s.events[1:])]
		}
	case part:
		if code != proto.OK && s.e.counts(one.at) {
			s.track.fail(one.kind, code)
		}
	case closing:
		s.closing = true
	}
	return nil
}

// end ends an operation.
func (s *session) end(kind uint8, at, now int64, code proto.Error) {
	s.ops--
	switch {
	case !s.e.counts(at):
	case code != proto.OK:
		s.track.fail(kind, code)
	default:
		s.track.record(kind, now-at)
	}
	if s.ops == 0 && (!s.e.running.Load() || s.e.cfg.Count > 0) {
		s.e.wake()
	}
}

// insideMulti returns the error of the part of a transaction that failed. The first part of one that succeeded is no error.
func insideMulti(body []byte) proto.Error {
	const header, result = 9, 4
	first := proto.OK
	for len(body) >= header+result && int32(binary.BigEndian.Uint32(body)) == int32(proto.OpError) && body[4] == 0 {
		code := proto.Error(int32(binary.BigEndian.Uint32(body[header:])))
		if code != proto.OK && code != proto.ErrRuntimeInconsistency {
			return code
		}
		first = proto.ErrRuntimeInconsistency
		body = body[header+result:]
	}
	return first
}

// kick begins what may begin.
func (s *session) kick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pump(s.e.now())
}

// add makes n operations due.
func (s *session) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due += int64(n)
	s.pump(s.e.now())
}

// mostBytes is how much is sent at once.
const mostBytes = 32 << 10

// pump begins operations until enough are in flight; s.mu is held.
func (s *session) pump(now int64) {
	e := s.e
	for s.w != nil && !s.writing {
		for s.ops < e.cfg.InFlight && len(s.batch.out) < mostBytes && s.tail-s.head+4 <= uint32(len(s.ring)) && e.running.Load() {
			at := now
			switch {
			case e.cfg.Count > 0:
				if s.begun >= int64(e.cfg.Count) {
					s.flush(now)
					return
				}
			case e.cfg.Rate > 0:
				if s.begun >= s.due {
					s.flush(now)
					return
				}
				at = e.intendedAt(s.begun*int64(len(e.sessions)) + int64(s.i))
			case now >= e.until.Load():
				s.flush(now)
				return
			}
			s.begun++
			s.ops++
			s.batch.at = at
			s.src.Next(&s.batch)
		}
		if len(s.batch.out) < mostBytes || s.writing {
			break
		}
		s.flush(now)
	}
	s.flush(now)
}

// flush sends the batch; s.mu is held.
func (s *session) flush(now int64) {
	if len(s.batch.out) == 0 || s.w == nil || s.writing {
		return
	}
	s.lastSend = now
	w := s.w
	if !s.e.async {
		if _, err := w.Write(s.batch.out); err != nil {
			_ = w.Close() // the reader finds out
		}
		s.batch.out = s.batch.out[:0]
		return
	}
	// The server may stop reading until its answers are read.
	out := s.batch.out
	s.batch.out, s.spare, s.writing = s.spare[:0], nil, true
	go func() {
		if _, err := w.Write(out); err != nil {
			_ = w.Close()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.spare, s.writing = out, false
		s.pump(s.e.now())
	}()
}

// keepAlive sends a ping if the session is idle, and gives the connection up if the server is silent.
func (s *session) keepAlive(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.w == nil:
	case now-s.heard > int64(s.w.Timeout)*2/3 && (s.pinging || s.head != s.tail):
		_ = s.w.Close()
	case now-s.lastSend > int64(s.w.Timeout)/3 && !s.pinging:
		s.pinging = true
		s.batch.out = appendHeader(s.batch.out, 8, proto.XidPing, proto.OpPing)
		s.requests++
		s.flush(now)
	}
}

// finish asks the server to end the session.
func (s *session) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return
	}
	s.batch.push(closing)
	s.batch.out = appendHeader(s.batch.out, 8, s.batch.xid, proto.OpCloseSession)
	s.flush(s.e.now())
}

// hangUp drops the connection.
func (s *session) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w != nil {
		_ = s.w.Close()
	}
}

// Batch is requests to be sent.
type Batch struct {
	s         *session
	out       []byte
	at        int64
	xid       int32
	kind      uint8
	eventKind uint8
}

// Kind says of which kind the next operation is.
func (b *Batch) Kind(kind int) { b.kind = uint8(kind) }

func (b *Batch) push(r role) {
	s := b.s
	b.xid = int32(s.tail & 0x7fffffff)
	s.ring[s.tail&uint32(len(s.ring)-1)] = slot{b.at, b.kind, r}
	s.tail++
	s.requests++
	if r == byEvent {
		s.events = append(s.events, b.at)
		b.eventKind = b.kind
	}
}

func appendHeader(out []byte, n int, xid int32, op proto.Op) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(n))
	out = binary.BigEndian.AppendUint32(out, uint32(xid))
	return binary.BigEndian.AppendUint32(out, uint32(op))
}

func appendBuffer(out, b []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(b)))
	return append(out, b...)
}

// Role is what a request is for its operation.
type Role = role

// The roles of requests.
const (
	Ends    Role = ends    // its answer ends the operation
	Part    Role = part    // others of the operation follow
	ByEvent Role = byEvent // the event that it causes ends the operation
	Multi   Role = multi   // its answer ends the operation; it is a transaction
	Aside   Role = aside   // it belongs to no operation
)

// Read adds getData, exists, getChildren or another request of the same form.
func (b *Batch) Read(r Role, op proto.Op, path []byte, watch bool) {
	b.push(r)
	b.out = appendHeader(b.out, 8+4+len(path)+1, b.xid, op)
	b.out = appendBuffer(b.out, path)
	if watch {
		b.out = append(b.out, 1)
	} else {
		b.out = append(b.out, 0)
	}
}

// Set adds setData, of any version.
func (b *Batch) Set(r Role, path, data []byte) {
	b.push(r)
	b.out = appendHeader(b.out, 8+4+len(path)+4+len(data)+4, b.xid, proto.OpSetData)
	b.out = appendBuffer(b.out, path)
	b.out = appendBuffer(b.out, data)
	b.out = append(b.out, 0xff, 0xff, 0xff, 0xff)
}

// acl is the encoding of proto.OpenACL.
var acl = []byte{0, 0, 0, 1, 0, 0, 0, 31, 0, 0, 0, 5, 'w', 'o', 'r', 'l', 'd', 0, 0, 0, 6, 'a', 'n', 'y', 'o', 'n', 'e'}

// Create adds the create of a znode that is open to all.
func (b *Batch) Create(r Role, path, data []byte, mode proto.CreateMode) {
	b.push(r)
	b.out = appendHeader(b.out, 8+4+len(path)+4+len(data)+len(acl)+4, b.xid, proto.OpCreate)
	b.out = appendBuffer(b.out, path)
	b.out = appendBuffer(b.out, data)
	b.out = append(b.out, acl...)
	b.out = binary.BigEndian.AppendUint32(b.out, uint32(mode))
}

// Delete adds the delete of any version.
func (b *Batch) Delete(r Role, path []byte) {
	b.push(r)
	b.out = appendHeader(b.out, 8+4+len(path)+4, b.xid, proto.OpDelete)
	b.out = appendBuffer(b.out, path)
	b.out = append(b.out, 0xff, 0xff, 0xff, 0xff)
}

// Record adds any request.
func (b *Batch) Record(r Role, op proto.Op, record jute.Record) {
	b.push(r)
	at := len(b.out)
	c := jute.NewEncoder(appendHeader(b.out, 0, b.xid, op))
	if record != nil {
		record.Visit(c)
	}
	b.out = c.Bytes()
	binary.BigEndian.PutUint32(b.out[at:], uint32(len(b.out)-at-4))
}
