// Package load makes clients that keep a ZooKeeper server busy and measures how it does. It
// speaks the protocol itself, with as little work of its own as it can, so that what is
// measured is the server and not the client.
package load

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

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Options say what the clients do.
type Options struct {
	Addr    string
	Clients int
	Window  int           // requests that a client has in flight
	For     time.Duration // how long; what is in flight then is waited for
	Count   int           // or: how many requests each client makes
	Timeout time.Duration // of the sessions; 30 s when 0

	// Request is the nth request of a client, its operation and its record.
	Request func(client, n int) (proto.Op, jute.Record)
}

// Result is what was measured.
type Result struct {
	Ops   int
	Took  time.Duration
	P50   time.Duration
	P99   time.Duration
	Worst time.Duration
	Gap   time.Duration // the longest time in which no client got any answer
}

// PerSecond is the throughput.
func (r Result) PerSecond() float64 { return float64(r.Ops) / r.Took.Seconds() }

// Session is one client's connection with a session on it.
type Session struct {
	ID     int64
	Passwd []byte
	nc     net.Conn
	r      *bufio.Reader
}

// Open opens a session, no later than the deadline of ctx, or after timeout.
func Open(ctx context.Context, addr string, timeout time.Duration) (*Session, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Session{nc: nc, r: bufio.NewReaderSize(nc, 64<<10)}
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	request := proto.ConnectRequest{TimeOut: int32(timeout.Milliseconds()), Passwd: make([]byte, 16)}
	deadline := time.Now().Add(timeout)
	if at, ok := ctx.Deadline(); ok && at.Before(deadline) {
		deadline = at
	}
	if err := nc.SetDeadline(deadline); err != nil {
		nc.Close()
		return nil, err
	}
	if _, err := nc.Write(frame(&request)); err != nil {
		nc.Close()
		return nil, err
	}
	body, err := s.next()
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("open a session: %w", err)
	}
	var response proto.ConnectResponse
	if err := jute.Unmarshal(body, &response); err != nil {
		nc.Close()
		return nil, err
	}
	if response.TimeOut == 0 {
		nc.Close()
		return nil, errors.New("open a session: the server refused")
	}
	s.ID, s.Passwd = response.SessionID, response.Passwd
	return s, nc.SetDeadline(time.Time{})
}

// Close drops the connection; the session lives on until it times out.
func (s *Session) Close() { s.nc.Close() }

// Do sends one request and waits for its reply, past watch events.
func (s *Session) Do(xid int32, op proto.Op, record, reply jute.Record) error {
	if _, err := s.nc.Write(request(xid, op, record)); err != nil {
		return err
	}
	for {
		body, err := s.next()
		if err != nil {
			return err
		}
		d := jute.NewDecoder(body)
		var h proto.ReplyHeader
		h.Visit(d)
		if h.Xid != xid {
			continue
		}
		if h.Err != 0 {
			return h.Err
		}
		if reply != nil {
			reply.Visit(d)
		}
		return d.Err()
	}
}

// next returns the next frame, valid until the one after it is read.
func (s *Session) next() ([]byte, error) {
	head, err := s.r.Peek(4)
	if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head))
	if _, err := s.r.Discard(4); err != nil {
		return nil, err
	}
	if n <= s.r.Size() {
		body, err := s.r.Peek(n)
		if err != nil {
			return nil, err
		}
		_, err = s.r.Discard(n)
		return body, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(s.r, body)
	return body, err
}

func frame(records ...jute.Record) []byte {
	c := jute.NewEncoder(make([]byte, 4, 64))
	for _, r := range records {
		if r != nil {
			r.Visit(c)
		}
	}
	b := c.Bytes()
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func request(xid int32, op proto.Op, record jute.Record) []byte {
	return frame(&proto.RequestHeader{Xid: xid, Type: op}, record)
}

// Run keeps a server busy.
func Run(ctx context.Context, opt Options) (Result, error) {
	var (
		mu        sync.Mutex
		wg        sync.WaitGroup
		latencies []time.Duration
		answers   []time.Time
		failed    error
	)
	sessions := make([]*Session, opt.Clients)
	for i := range sessions {
		s, err := Open(ctx, opt.Addr, opt.Timeout)
		if err != nil {
			return Result{}, err
		}
		defer s.Close()
		sessions[i] = s
	}
	start := time.Now()
	for i, s := range sessions {
		wg.Go(func() {
			took, at, err := s.busy(opt, i, start.Add(opt.For))
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, took...)
			answers = append(answers, at...)
			if failed == nil {
				failed = err
			}
		})
	}
	wg.Wait()
	r := Result{Ops: len(latencies), Took: time.Since(start)}
	if failed != nil || r.Ops == 0 {
		return r, failed
	}
	slices.Sort(latencies)
	r.P50, r.P99, r.Worst = latencies[r.Ops/2], latencies[r.Ops*99/100], latencies[r.Ops-1]
	slices.SortFunc(answers, func(a, b time.Time) int { return a.Compare(b) })
	last := start
	for _, at := range answers {
		r.Gap = max(r.Gap, at.Sub(last))
		last = at
	}
	return r, nil
}

// busy is one client: a goroutine sends while this one takes the replies.
func (s *Session) busy(opt Options, client int, until time.Time) (took []time.Duration, at []time.Time, err error) {
	window := make(chan time.Time, opt.Window)
	sent := make(chan error, 1)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(window)
		var batch []byte
		for n := 0; ; n++ {
			now := time.Now()
			over := opt.Count > 0 && n >= opt.Count || opt.Count == 0 && now.After(until)
			if over || len(window) == cap(window) || len(batch) > 16<<10 {
				if err := flush(s.nc, batch); err != nil || over {
					sent <- err
					return
				}
				batch = batch[:0]
			}
			select {
			case window <- now:
			case <-stop:
				return
			}
			op, record := opt.Request(client, n)
			batch = append(batch, request(int32(n), op, record)...)
		}
	}()
	n := int32(0)
	for began := range window {
		body, err := s.next()
		if err != nil {
			return took, at, err
		}
		if len(body) < 16 {
			return took, at, errors.New("a reply is too short")
		}
		if xid := int32(binary.BigEndian.Uint32(body)); xid != n {
			return took, at, fmt.Errorf("the reply of request %d came where that of %d was due", xid, n)
		}
		if code := proto.Error(binary.BigEndian.Uint32(body[12:])); code != 0 {
			return took, at, fmt.Errorf("request %d: %w", n, code)
		}
		now := time.Now()
		took = append(took, now.Sub(began))
		at = append(at, now)
		n++
	}
	return took, at, <-sent
}

func flush(w io.Writer, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := w.Write(b)
	return err
}
