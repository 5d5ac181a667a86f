package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// Caller makes operations that consist of requests which wait for each other, one operation at a time.
type Caller interface {
	// Call makes one operation, and says how many requests it sent.
	Call(ctx context.Context) (requests int, err error)
	Close() (requests int)
}

// MeasureCalls is Measure for such operations, of one kind. InFlight callers work for each client; the context of a caller ends
// when the load is over and the operation has had time to end.
func MeasureCalls(ctx context.Context, cfg Config, open func(ctx context.Context, i int, server client.Address) (Caller, error)) (*Report, error) {
	cfg.Kinds = 1
	workers := cfg.Clients * cfg.InFlight
	e := newEngine(Config{Client: cfg.Client, Servers: cfg.Servers, Clients: workers, InFlight: 1, Rate: cfg.Rate, WarmUp: cfg.WarmUp, For: cfg.For,
		Kinds: 1, Every: cfg.Every, Interval: cfg.Interval, New: func(int) Source { return nil }})
	callers := make([]Caller, workers)
	var requests atomic.Int64
	defer func() {
		for _, c := range callers {
			if c != nil {
				c.Close()
			}
		}
	}()
	for i := range callers {
		c, err := open(ctx, i, cfg.Servers[i%len(cfg.Servers)])
		if err != nil {
			return nil, err
		}
		callers[i] = c
	}
	start := e.now()
	e.started.Store(start)
	e.from = start + int64(cfg.WarmUp)
	e.until.Store(e.from + int64(cfg.For))
	e.running.Store(true)
	col := newCollector(e)
	stop := make(chan struct{})
	var helpers, all sync.WaitGroup
	helpers.Go(func() { col.run(stop) })
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	for i, c := range callers {
		all.Go(func() { e.call(ctx, life, i, c, &requests) })
	}
	e.await(ctx)
	interrupted := ctx.Err() != nil
	e.running.Store(false)
	if now := e.now(); now < e.until.Load() {
		e.until.Store(now)
	}
	late := time.AfterFunc(drainTime, end)
	all.Wait()
	late.Stop()
	close(stop)
	helpers.Wait()
	for i, c := range callers {
		requests.Add(int64(c.Close()))
		callers[i] = nil
	}
	report := col.finish()
	report.Interrupted = interrupted
	report.Requests = requests.Load()
	return report, nil
}

// call makes operations one after the other. life outlives ctx, so that an operation under way can end.
func (e *engine) call(ctx, life context.Context, i int, c Caller, requests *atomic.Int64) {
	s := e.sessions[i]
	for n := int64(0); e.running.Load() && ctx.Err() == nil; n++ {
		at := e.now()
		if e.cfg.Rate > 0 {
			at = e.intendedAt(n*int64(len(e.sessions)) + int64(i))
		}
		if at >= e.until.Load() {
			return
		}
		s.due++
		if wait := time.Duration(at - e.now()); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
		s.begun++
		sent, err := c.Call(life)
		requests.Add(int64(sent))
		now := e.now()
		e.answered(now)
		if !e.counts(at) {
			continue
		}
		s.track.mu.Lock()
		code, unknown := codeOf(err)
		switch {
		case unknown:
			s.track.unknown[0]++
		case code != proto.OK:
			s.track.fail(0, code)
		default:
			s.track.record(0, now-at)
		}
		s.track.mu.Unlock()
	}
}

// codeOf says what an error means: a server's answer, or that nobody knows what became of the request.
func codeOf(err error) (code proto.Error, unknown bool) {
	if err == nil {
		return proto.OK, false
	}
	var loss *client.LossError
	if errors.As(err, &loss) {
		return 0, true
	}
	if errors.As(err, &code) {
		return code, false
	}
	var attempt *client.AttemptError
	if errors.As(err, &attempt) {
		return proto.ErrConnectionLoss, false // nothing was sent
	}
	return 0, true
}
