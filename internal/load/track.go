package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// The range and the precision of latencies, in ns.
const (
	least  = int64(time.Microsecond)
	most   = int64(time.Hour)
	digits = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(least, most, digits) }

// track records what some clients of one server see. Its fields are guarded by mu.
type track struct {
	mu      sync.Mutex
	now     []*hdrhistogram.Histogram // by kind, of this interval; nil before the first value
	next    []*hdrhistogram.Histogram // empty
	errors  []map[proto.Error]int64   // by kind
	unknown []int64
}

func newTrack(kinds int) *track {
	return &track{now: make([]*hdrhistogram.Histogram, kinds), next: make([]*hdrhistogram.Histogram, kinds),
		errors: make([]map[proto.Error]int64, kinds), unknown: make([]int64, kinds)}
}

func (t *track) record(kind uint8, ns int64) {
	h := t.now[kind]
	if h == nil {
		h = newHistogram()
		t.now[kind] = h
	}
	_ = h.RecordValue(max(0, min(ns, most))) // it is in range
}

func (t *track) fail(kind uint8, code proto.Error) {
	if t.errors[kind] == nil {
		t.errors[kind] = map[proto.Error]int64{}
	}
	t.errors[kind][code]++
}

// Interval is what ended within a span of time, of one kind.
type Interval struct {
	Start, Length time.Duration           // Start is from the start of the recording
	Latencies     *hdrhistogram.Histogram // in ns; valid during the call
}

// Figures are what was recorded of one kind of operation on one server, or on all.
type Figures struct {
	Latencies *hdrhistogram.Histogram // of operations without an error, in ns
	Errors    map[proto.Error]int64
	Unknown   int64 // operations whose connection broke before their answer came
}

// Done is the number of operations that ended, with or without an error.
func (f *Figures) Done() int64 {
	n := f.Latencies.TotalCount()
	for _, errors := range f.Errors {
		n += errors
	}
	return n
}

func newFigures() *Figures {
	return &Figures{Latencies: newHistogram(), Errors: map[proto.Error]int64{}}
}

// Add adds what another server recorded.
func (f *Figures) Add(other *Figures) {
	f.Latencies.Merge(other.Latencies)
	for code, n := range other.Errors {
		f.Errors[code] += n
	}
	f.Unknown += other.Unknown
}

// NewFigures returns figures to which others can be added.
func NewFigures() *Figures { return newFigures() }

// Report is what a load measured.
type Report struct {
	Servers     []client.Address
	Figures     [][]*Figures  // by server and kind
	Took        time.Duration // of the recording
	Due         int64         // with a rate: operations that should have begun
	Begun       int64         // operations that began, in the warm-up as well
	Unsent      int64         // with a rate: due, but never begun
	Requests    int64         // all that were sent: also those to connect, to prepare, to end, and pings
	Outages     int64         // lost connections
	Gap         time.Duration // the longest time in which no client got any answer
	Interrupted bool
}

// collector sums up what the tracks record.
type collector struct {
	e       *engine
	figures [][]*Figures
	sums    []*hdrhistogram.Histogram // of an interval, by kind
	shown   int64                     // the end of the last interval
}

func newCollector(e *engine) *collector {
	c := &collector{e: e, shown: e.from}
	for range e.cfg.Servers {
		var list []*Figures
		for range e.cfg.Kinds {
			list = append(list, newFigures())
		}
		c.figures = append(c.figures, list)
	}
	for range e.cfg.Kinds {
		c.sums = append(c.sums, newHistogram())
	}
	return c
}

// run ends an interval now and then.
func (c *collector) run(stop <-chan struct{}) {
	every := int64(c.e.cfg.Every)
	for at := c.e.from + every; ; at += every {
		timer := time.NewTimer(time.Duration(at - c.e.now()))
		select {
		case <-stop:
			timer.Stop()
			return
		case <-timer.C:
			c.collect()
		}
	}
}

// collect ends an interval.
func (c *collector) collect() {
	now := c.e.now()
	for _, sum := range c.sums {
		sum.Reset()
	}
	for server, tracks := range c.e.tracks {
		for _, t := range tracks {
			for kind := range c.sums {
				c.swap(t, kind, c.figures[server][kind])
			}
		}
	}
	if c.e.cfg.Interval != nil && now > c.shown {
		list := make([]*Interval, len(c.sums))
		for kind, sum := range c.sums {
			list[kind] = &Interval{Start: time.Duration(c.shown - c.e.from), Length: time.Duration(now - c.shown), Latencies: sum}
		}
		c.e.cfg.Interval(list)
	}
	c.shown = now
}

// swap takes what a track has recorded of a kind.
func (c *collector) swap(t *track, kind int, into *Figures) {
	t.mu.Lock()
	h := t.now[kind]
	if h == nil {
		t.mu.Unlock()
		return
	}
	t.now[kind], t.next[kind] = t.next[kind], nil
	t.mu.Unlock()
	into.Latencies.Merge(h)
	c.sums[kind].Merge(h)
	h.Reset()
	t.mu.Lock()
	t.next[kind] = h
	t.mu.Unlock()
}

// finish returns what was measured in all.
func (c *collector) finish() *Report {
	e := c.e
	until := e.until.Load()
	if until > e.now() {
		until = e.now()
	}
	c.collect()
	r := &Report{Servers: e.cfg.Servers, Figures: c.figures, Took: time.Duration(max(1, until-e.from)), Gap: time.Duration(e.gap.Load())}
	for server, tracks := range e.tracks {
		for _, t := range tracks {
			for kind, errors := range t.errors {
				f := c.figures[server][kind]
				for code, n := range errors {
					f.Errors[code] += n
				}
				f.Unknown += t.unknown[kind]
			}
		}
	}
	for _, s := range e.sessions {
		r.Begun += s.begun
		r.Requests += s.requests
		r.Outages += s.outages
		if s.due > s.begun {
			r.Unsent += s.due - s.begun
		}
		r.Due += s.due
	}
	return r
}
