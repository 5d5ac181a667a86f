package zab

import (
	"errors"
	"net"
	"sync"
)

// errQueueFull is the error of a connection dropped because the other end does not read.
var errQueueFull = errors.New("its queue is full")

// sendQueue writes frames to a connection on its own goroutine, so that senders never wait for the
// network. It closes the connection if a write fails or the queue exceeds the limit.
type sendQueue struct {
	conn  net.Conn
	limit int64 // bytes

	mu     sync.Mutex
	frames [][]byte
	size   int64
	err    error
	sent   int64 // frames, for monitoring
	ready  chan struct{}
}

func newSendQueue(conn net.Conn, limit int64) *sendQueue {
	return &sendQueue{conn: conn, limit: limit, ready: make(chan struct{}, 1)}
}

// put queues frames; they must not be changed afterwards. It does nothing after close.
func (q *sendQueue) put(frames ...[]byte) {
	q.mu.Lock()
	if q.err == nil {
		for _, f := range frames {
			q.size += int64(len(f))
		}
		q.frames = append(q.frames, frames...)
		if q.size > q.limit {
			q.fail(errQueueFull)
		}
	}
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// fail must be called with q.mu held.
func (q *sendQueue) fail(err error) {
	if q.err == nil {
		q.err = err
		q.frames, q.size = nil, 0
		_ = q.conn.Close()
	}
}

// close ends run and the connection.
func (q *sendQueue) close(err error) {
	q.mu.Lock()
	q.fail(err)
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// cause returns why the queue was closed; nil while it is open.
func (q *sendQueue) cause() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// length returns the number of queued frames and their bytes.
func (q *sendQueue) length() (frames int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.frames), q.size
}

// run writes until close.
func (q *sendQueue) run() {
	for {
		<-q.ready
		for {
			q.mu.Lock()
			batch := q.frames
			q.frames = nil
			err := q.err
			q.mu.Unlock()
			if err != nil {
				return
			}
			if len(batch) == 0 {
				break
			}
			if err := q.write(batch); err != nil {
				q.close(err)
				return
			}
		}
	}
}

// joined is how many bytes of small frames are combined into a write.
const joined = 64 << 10

// write sends the batch and combines small frames. Bytes count against the limit until they are
// written.
func (q *sendQueue) write(batch [][]byte) error {
	for len(batch) > 0 {
		n, size := 0, 0
		for n < len(batch) && (n == 0 || size+len(batch[n]) <= joined) {
			size += len(batch[n])
			n++
		}
		out := batch[0]
		if n > 1 {
			out = make([]byte, 0, size)
			for _, f := range batch[:n] {
				out = append(out, f...)
			}
		}
		if _, err := q.conn.Write(out); err != nil {
			return err
		}
		q.mu.Lock()
		q.size -= int64(size)
		q.sent += int64(n)
		q.mu.Unlock()
		clear(batch[:n])
		batch = batch[n:]
	}
	return nil
}
