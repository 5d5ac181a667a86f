package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// call is a request in progress. It belongs to its caller until it is passed to the session, then
// to the session until done is signalled, then to its caller again. A caller that gives up leaves
// the call to the session and never touches it again.
type call struct {
	ctx   context.Context
	op    proto.Op // opAwait waits for a connection and sends nothing
	frame []byte   // length, xid, operation, request
	codec jute.Codec
	watch watchWish

	xid     int32
	expires time.Time // Config.Wait: when to stop waiting for a connection
	due     time.Time // when the reply is due; zero until first sent
	sent    bool      // on a connection that broke
	inPart  bool      // and that did not accept all of it
	end     int64     // how many bytes, up to the end of this call, the connection had to accept
	retried bool

	done  chan struct{} // capacity 1
	reply []byte        // the record after the header
	zxid  int64         // in the header
	code  proto.Error
	err   error // a *LossError; then there is no reply
}

// opAwait is a call that ends as soon as the session is connected.
const opAwait proto.Op = -1 << 31

// headerSize is the length of a frame's length, xid and operation.
const headerSize = 12

const (
	// keptFrame is the largest buffer that a call keeps for reuse whatever its request was. A longer one is kept, up to
	// mostFrame, if the request needed it: the next may be short, and a thousand be in flight.
	keptFrame = 2 << 10
	mostFrame = 64 << 10
)

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

func newCall(ctx context.Context, op proto.Op, req jute.Record) *call {
	k := calls.Get().(*call)
	k.ctx, k.op = ctx, op
	k.watch = wishOf(op, req)
	k.codec = *jute.NewEncoder(append(k.frame[:0], make([]byte, headerSize)...))
	if req != nil {
		req.Visit(&k.codec)
	}
	k.frame = k.codec.Bytes()
	binary.BigEndian.PutUint32(k.frame, uint32(len(k.frame)-4))
	binary.BigEndian.PutUint32(k.frame[8:], uint32(op))
	return k
}

// release makes a finished call available for reuse.
func (k *call) release() {
	frame := k.frame
	if cap(frame) > mostFrame || cap(frame) > keptFrame && len(frame) < cap(frame)/4 {
		frame = nil
	}
	*k = call{done: k.done, frame: frame}
	calls.Put(k)
}

// result decodes the reply into res, on the caller's goroutine.
func (k *call) result(res jute.Record) error {
	switch {
	case k.err != nil:
		return k.err
	case k.code != proto.OK:
		return k.code
	case res == nil:
		return nil
	}
	k.codec.Reset(k.reply)
	res.Visit(&k.codec)
	if err := k.codec.Err(); err != nil {
		return &ProtocolError{What: fmt.Sprintf("the reply to %v, %d bytes long, cannot be read", k.op, len(k.reply)), Err: err}
	}
	return nil
}

// finish returns the call to its caller.
func (k *call) finish() { k.done <- struct{}{} }

// lose ends the call without a reply.
func (k *call) lose(code proto.Error, cause error) {
	k.err = &LossError{Op: k.op, Code: code, Sent: k.sent, InPart: k.inPart, Cause: cause}
	k.finish()
}

// setXid sets the request's xid.
func (k *call) setXid(xid int32) {
	k.xid = xid
	binary.BigEndian.PutUint32(k.frame[4:], uint32(xid))
}

// serverMaxBuffer is the largest request that a server accepts by default (jute.maxbuffer).
const serverMaxBuffer = 0xfffff

// tooLong reports whether a server with the default configuration refuses the request for its
// length.
func (k *call) tooLong() bool { return len(k.frame)-4 > serverMaxBuffer }

// explain adds to the cause of a broken connection what the request may have had to do with it.
// known is the newest release whose operations a server in this session has answered; oldest
// means that the server had answered everything before this request.
func (k *call) explain(cause error, known string, oldest, hangup bool) error {
	if !hangup {
		return cause
	}
	if k.tooLong() {
		return fmt.Errorf("%w; the %v request was %d bytes long, and a server closes the connection if a request exceeds "+
			"its jute.maxbuffer, 1048575 bytes by default", cause, k.op, len(k.frame)-4)
	}
	if since := k.op.Since(); oldest && since > max(known, "3.4") {
		return fmt.Errorf("%w on %v; servers before ZooKeeper %s do not know that operation and may do that", cause, k.op, since)
	}
	return cause
}

// fifo is a queue of calls.
type fifo struct {
	items []*call
	head  int
}

func (q *fifo) len() int     { return len(q.items) - q.head }
func (q *fifo) first() *call { return q.items[q.head] }
func (q *fifo) push(k *call) { q.items = append(q.items, k) }

func (q *fifo) pop() *call {
	k := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	switch {
	case q.head == len(q.items):
		q.items, q.head = q.items[:0], 0
	case q.head > 1024 && q.head > len(q.items)/2:
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return k
}

// drain empties the queue.
func (q *fifo) drain() []*call {
	items := q.items[q.head:]
	q.items, q.head = nil, 0
	return items
}
