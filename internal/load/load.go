// Package load runs clients that keep ZooKeeper servers busy, and measures how those perform: for the verb bench, and for our own
// benchmarks. It speaks the protocol itself, with as little work as possible, so that it measures the servers rather than itself.
//
//	engine.go   a load: its clients, its pace, its end
//	session.go  one client: what it sends, what it is answered, lost connections
//	track.go    what is recorded, and summed up by intervals
//	calls.go    operations that are made one after the other, by callers
//	load.go     a load of one kind of requests on one server
//	alarm_*.go  wakes the pacer on time
package load

import (
	"context"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Options configure the clients of Run.
type Options struct {
	Addr    string
	Clients int
	Window  int           // requests that a client has in flight
	Rate    float64       // requests a second of all clients together, an open loop; 0 is as fast as the answers come
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

// Run keeps a server busy with one kind of requests. An error in any answer ends it.
func Run(ctx context.Context, opt Options) (Result, error) {
	addrs, _, err := client.ParseServers(opt.Addr)
	if err != nil {
		return Result{}, err
	}
	cfg := Config{
		Client: client.Config{SessionTimeout: opt.Timeout}, Servers: addrs, Clients: opt.Clients, InFlight: opt.Window, Rate: opt.Rate, For: opt.For, Count: opt.Count,
		Kinds: 1, Bytes: 1 << 10,
		New: func(i int) Source { return &requests{client: i, of: opt.Request} },
	}
	report, err := Measure(ctx, cfg)
	if err != nil {
		return Result{}, err
	}
	f := report.Figures[0][0]
	r := Result{
		Ops: int(f.Latencies.TotalCount()), Took: report.Took, Gap: report.Gap, Worst: time.Duration(f.Latencies.Max()),
		P50: time.Duration(f.Latencies.ValueAtPercentile(50)), P99: time.Duration(f.Latencies.ValueAtPercentile(99)),
	}
	for code := range f.Errors {
		return r, fmt.Errorf("a request failed: %w", code)
	}
	if f.Unknown > 0 {
		return r, fmt.Errorf("%d requests were not answered: %w", f.Unknown, proto.ErrConnectionLoss)
	}
	return r, nil
}

// requests is the source of Run.
type requests struct {
	client, n int
	of        func(client, n int) (proto.Op, jute.Record)
}

func (r *requests) Open(*client.Wire, bool) error { return nil }

func (r *requests) Next(b *Batch) {
	op, record := r.of(r.client, r.n)
	r.n++
	b.Record(Ends, op, record)
}
