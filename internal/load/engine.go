package load

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/client"
)

// Config says who loads which servers, and how.
type Config struct {
	Client   client.Config    // TLS, SASL and identities; its Servers are not used
	Servers  []client.Address // client i starts with server i modulo their number
	Clients  int
	InFlight int           // operations that a client has in flight
	Rate     float64       // operations a second of all clients together; 0 is as fast as the answers come
	WarmUp   time.Duration // operations that begin within it are not recorded
	For      time.Duration // after the warm-up; then no operation begins
	Count    int           // or: how many operations each client makes
	Kinds    int           // of operations
	Bytes    int           // of the longest request, about
	New      func(i int) Source
	Every    time.Duration             // length of an interval; 0 is one second
	Interval func([]*Interval)         // gets each interval: one for each kind, in order
	Lost     func(server, what string) // a connection broke; may be nil
}

// Source is what one client sends. Its methods are called by one goroutine at a time.
type Source interface {
	// Open makes what the load needs, on a new session, or after a lost connection on the same one.
	Open(w *client.Wire, resumed bool) error
	// Next adds the requests of one operation to b, of which exactly one ends it.
	Next(b *Batch)
}

// Measure loads the servers until the time is over, all operations are made, or ctx ends; then it waits a moment for what is in flight.
// The result is valid if err is nil, even if ctx has ended.
func Measure(ctx context.Context, cfg Config) (*Report, error) {
	if len(cfg.Servers) == 0 || cfg.Clients < 1 || cfg.InFlight < 1 {
		return nil, errors.New("load needs servers, clients and requests in flight")
	}
	e := newEngine(cfg)
	return e.run(ctx)
}

const (
	// drainTime is how long the answers of the last requests may take.
	drainTime = 5 * time.Second
	// endTime is how long the end of the sessions may take.
	endTime = 5 * time.Second
	// opening is how many sessions are opened at the same time.
	opening = 64
	// backOff is the pause before another attempt to connect.
	backOff = 100 * time.Millisecond
)

// engine is a load under way.
type engine struct {
	cfg      Config
	base     time.Time
	tracks   [][]*track // by server and shard
	sessions []*session
	started  atomic.Int64 // when the load began, in ns since base; the warm-up comes first
	from     int64        // what begins from then on, and before until, is recorded
	until    atomic.Int64
	running  atomic.Bool // operations may begin
	over     atomic.Bool // sessions end
	async    bool        // what is in flight may not fit into the buffers of a socket

	last atomic.Int64 // answer of any session
	gap  atomic.Int64

	mu     sync.Mutex
	failed error // why a client cannot go on
	idle   chan struct{}
}

// fitting is how many bytes in flight the buffers of any socket take without a wait.
const fitting = 32 << 10

func newEngine(cfg Config) *engine {
	if cfg.Every <= 0 {
		cfg.Every = time.Second
	}
	e := &engine{cfg: cfg, base: time.Now(), async: cfg.InFlight*(cfg.Bytes+100) > fitting, idle: make(chan struct{}, 1)}
	shards := max(1, min(runtime.GOMAXPROCS(0), 8, cfg.Clients/len(cfg.Servers)))
	for range cfg.Servers {
		var list []*track
		for range shards {
			list = append(list, newTrack(cfg.Kinds))
		}
		e.tracks = append(e.tracks, list)
	}
	ring := 1 << bits.Len(uint(4*cfg.InFlight+8))
	for i := range cfg.Clients {
		server := i % len(cfg.Servers)
		s := &session{e: e, i: i, server: server, track: e.tracks[server][i/len(cfg.Servers)%shards], ring: make([]slot, ring), src: cfg.New(i)}
		s.batch.s = s
		e.sessions = append(e.sessions, s)
	}
	return e
}

func (e *engine) now() int64 { return int64(time.Since(e.base)) }

// answered notes an answer, for the longest silence.
func (e *engine) answered(now int64) {
	if before := e.last.Swap(now); before != 0 && now-before > e.gap.Load() {
		e.gap.Store(now - before)
	}
}

func (e *engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed == nil {
		e.failed = err
	}
	e.running.Store(false)
	e.wake()
}

func (e *engine) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// wake makes the engine look whether all is done.
func (e *engine) wake() {
	select {
	case e.idle <- struct{}{}:
	default:
	}
}

func (e *engine) run(ctx context.Context) (*Report, error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	if err := e.open(ctx); err != nil {
		e.closeAll()
		return nil, err
	}
	start := e.now()
	e.last.Store(start)
	e.from = start + int64(e.cfg.WarmUp)
	e.until.Store(1<<63 - 1)
	if e.cfg.Count == 0 {
		e.until.Store(e.from + int64(e.cfg.For))
	}
	e.started.Store(start)
	e.running.Store(true)
	var readers, helpers sync.WaitGroup
	for _, s := range e.sessions {
		readers.Go(func() { s.live(life) })
	}
	col := newCollector(e)
	stop := make(chan struct{})
	helpers.Go(func() { e.keepAlive(stop) })
	helpers.Go(func() { col.run(stop) })
	if e.cfg.Rate > 0 {
		helpers.Go(func() { e.pace(stop) })
	} else {
		for _, s := range e.sessions {
			s.kick()
		}
	}
	e.await(ctx)
	interrupted := ctx.Err() != nil
	close(stop)
	e.running.Store(false)
	if now := e.now(); now < e.until.Load() {
		e.until.Store(now)
	}
	e.drain()
	e.over.Store(true)
	for _, s := range e.sessions {
		s.finish()
	}
	late := time.AfterFunc(endTime, func() {
		for _, s := range e.sessions {
			s.hangUp()
		}
	})
	end()
	readers.Wait()
	late.Stop()
	helpers.Wait()
	report := col.finish()
	report.Interrupted = interrupted
	return report, e.failure()
}

// open opens the sessions.
func (e *engine) open(ctx context.Context) error {
	slots := make(chan struct{}, opening)
	var all sync.WaitGroup
	for _, s := range e.sessions {
		slots <- struct{}{}
		if e.failure() != nil || ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			if err := s.open(ctx); err != nil {
				e.fail(err)
			}
		})
	}
	all.Wait()
	if err := e.failure(); err != nil {
		return err
	}
	return ctx.Err()
}

// await waits until no operation may begin any more.
func (e *engine) await(ctx context.Context) {
	var timeout <-chan time.Time
	if e.cfg.Count == 0 {
		timer := time.NewTimer(time.Duration(e.until.Load() - e.now()))
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-timeout:
			return
		case <-e.idle:
			if !e.running.Load() || e.cfg.Count > 0 && e.inFlight(true) == 0 {
				return
			}
		}
	}
}

// inFlight is how many operations wait for their end; with left, those to be begun count, too.
func (e *engine) inFlight(left bool) (n int) {
	for _, s := range e.sessions {
		s.mu.Lock()
		n += s.ops
		if left {
			n += e.cfg.Count - int(s.begun)
		}
		s.mu.Unlock()
	}
	return n
}

// drain waits for the answers to what is in flight.
func (e *engine) drain() {
	late := time.NewTimer(drainTime)
	defer late.Stop()
	for e.inFlight(false) > 0 && e.failure() == nil {
		select {
		case <-e.idle:
		case <-late.C:
			return
		}
	}
}

func (e *engine) closeAll() {
	for _, s := range e.sessions {
		s.hangUp()
	}
}

// keepAlive sends pings, and gives up connections whose servers are silent.
func (e *engine) keepAlive(stop <-chan struct{}) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			now := e.now()
			for _, s := range e.sessions {
				s.keepAlive(now)
			}
		}
	}
}

// pace begins operations at their times, whether or not earlier ones are answered: the nth of all clients is due n/rate after the
// start.
func (e *engine) pace(stop <-chan struct{}) {
	clock := newAlarm()
	defer clock.close()
	clients := int64(len(e.sessions))
	// At a high rate, what is due together goes to few clients, in one write each.
	const together = 4
	block := max(1, int64(e.cfg.Rate*grain.Seconds()/together))
	more := make([]int, len(e.sessions))
	var touched []int
	start, begun := e.started.Load(), int64(0)
	for {
		select {
		case <-stop:
			return
		default:
		}
		now := e.now()
		due := int64(float64(now-start)/1e9*e.cfg.Rate) + 1
		for ; begun < due && e.intendedAt(begun) < e.until.Load(); begun++ {
			i := int(begun / block % clients)
			if more[i] == 0 {
				touched = append(touched, i)
			}
			more[i]++
		}
		for _, i := range touched {
			e.sessions[i].add(more[i])
			more[i] = 0
		}
		touched = touched[:0]
		next := e.intendedAt(begun)
		if next >= e.until.Load() {
			return
		}
		sleepUntil(e, clock, max(next, now+int64(grain)), stop)
	}
}

// intendedAt is when the nth operation of all clients is due.
func (e *engine) intendedAt(n int64) int64 {
	return e.started.Load() + int64(float64(n)*1e9/e.cfg.Rate)
}

// grain is the shortest time between two looks at what is due. Latencies count from when each operation was due.
const grain = 100 * time.Microsecond

// longestNap bounds a sleep that nothing can end.
const longestNap = 50 * time.Millisecond

func sleepUntil(e *engine, clock *alarm, at int64, stop <-chan struct{}) {
	for {
		left := time.Duration(at - e.now())
		if left <= 0 {
			return
		}
		clock.sleep(min(left, longestNap))
		select {
		case <-stop:
			return
		default:
		}
	}
}

// errTooShort and wrongReply mean that a server does not speak the protocol.
var errTooShort = errors.New("the server sent a reply of an impossible length")

type wrongReply struct{ got, want int32 }

func (e *wrongReply) Error() string {
	return fmt.Sprintf("the server sent a reply with xid %d instead of %d", e.got, e.want)
}
