// Package load runs clients that keep a ZooKeeper server busy and measures how it performs. It
// implements the protocol itself, with as little work as possible, so that it measures the server
// rather than the client.
package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// Options configure the clients.
type Options struct {
	Addr    string
	Clients int
	Window  int           // requests that a client has in flight
	For     time.Duration // how long; then it waits for what is in flight
	Count   int           // or: how many requests each client makes
	Timeout time.Duration // session timeout; 0 means 30 s

	// Request returns the nth request of a client: its operation and its record.
	Request func(client, n int) (proto.Op, jute.Record)
}

// Result is the measurement.
type Result struct {
	Ops   int
	Took  time.Duration
	P50   time.Duration
	P99   time.Duration
	Worst time.Duration
	Gap   time.Duration // the longest time in which no client got any answer
}

// PerSecond returns the throughput.
func (r Result) PerSecond() float64 { return float64(r.Ops) / r.Took.Seconds() }

// Open opens a session, no later than the deadline of ctx, or after timeout. Its requests may take as long.
func Open(ctx context.Context, addr string, timeout time.Duration) (*wiretest.Client, error) {
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	wait := timeout
	if at, ok := ctx.Deadline(); ok {
		wait = max(min(wait, time.Until(at)), time.Nanosecond)
	}
	c, err := wiretest.Dialer{Wait: wait}.Dial(addr, timeout, nil)
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	return c, c.SetDeadline(time.Time{})
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
	sessions := make([]*wiretest.Client, opt.Clients)
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
			took, at, err := busy(s, opt, i, start.Add(opt.For))
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

// busy is one client: a goroutine sends while this one receives the replies.
func busy(s *wiretest.Client, opt Options, client int, until time.Time) (took []time.Duration, at []time.Time, err error) {
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
				if err := flush(s, batch); err != nil || over {
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
			batch = append(batch, wiretest.Request(int32(n), op, record)...)
		}
	}()
	n := int32(0)
	for began := range window {
		body, err := s.View()
		if err != nil {
			return took, at, err
		}
		if len(body) < 16 {
			return took, at, errors.New("a reply is too short")
		}
		if xid := int32(binary.BigEndian.Uint32(body)); xid != n {
			return took, at, fmt.Errorf("got the reply to request %d instead of %d", xid, n)
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
