package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/load"
	"github.com/zkctl/zkctl/internal/proto"
)

// Sizes of the load.
const (
	loadClients = 16
	loadWindow  = 32
	warmUpJVM   = 4 * time.Second // until the JVM has compiled hot code
	warmUp      = time.Second     // of others
)

var payload = make([]byte, 100)

// workload is what the clients of a throughput test request, each on its own znode.
type workload struct {
	name    string
	request func(client, n int) (proto.Op, jute.Record)
	floor   string  // the server that no other can beat
	least   float64 // target: at least this share of the floor
	ratio   float64 // target: at least this many times Apache's
}

var workloads = []workload{
	{"writes (setData of 100 bytes)", func(c, n int) (proto.Op, jute.Record) {
		return proto.OpSetData, &proto.SetDataRequest{Path: loadPath(c), Data: payload, Version: -1}
	}, journalFloor, 0.6, 4},
	{"reads (getData of 100 bytes)", func(c, n int) (proto.Op, jute.Record) {
		return proto.OpGetData, &proto.PathWatchRequest{Path: loadPath(c)}
	}, echoFloor, 0.7, 7},
}

func loadPath(client int) string { return "/load" + strconv.Itoa(client) }

// What the floors are called.
const (
	echoFloor    = "an echo server"
	journalFloor = "a journal with group commit"
	threeFloor   = "three such journals"
	fsyncFloor   = "an append and its fsync"
)

// floors are the servers of this program that do the least.
func (b *bench) floors() ([]engine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return []engine{
		{echoFloor, func(_ string, port int) []string { return []string{self, echoArg, strconv.Itoa(port)} }, os.Environ()},
		{journalFloor, func(config string, port int) []string {
			return []string{self, journalArg, strconv.Itoa(port), filepath.Join(filepath.Dir(config), "journal")}
		}, os.Environ()},
	}, nil
}

// warming is how long a server is warmed up.
func warming(e engine) time.Duration {
	if e.name == apacheName {
		return warmUpJVM
	}
	return warmUp
}

// What the samples of throughput are.
const (
	rateOf   = "throughput: "
	p99Of    = "99th percentile: "
	p99Half  = "99th percentile at half of its own load: "
	p99Equal = "99th percentile at half of Apache's load: "
	p99OfOne = "99th percentile when each waits: "
	singleOf = "median of a single client"
)

// throughput measures the servers and their floors under the same load.
func (b *bench) throughput(ctx context.Context) error {
	got := samples{}
	err := b.throughputRuns(ctx, got)
	ours, theirs := b.engines()[0].name, b.engines()[1].name
	both := func(what string) (float64, float64) { return got.middle(what, ours), got.middle(what, theirs) }
	for _, w := range workloads {
		a, c := both(rateOf + w.name)
		b.besides(figure{w.name, a, c, perSecond, true, w.ratio, 0})
		b.contrast(comparison{w.name, a, w.floor, got.middle(rateOf+w.name, w.floor), perSecond, share, w.least, 0})
		a, c = both(p99Of + w.name)
		b.besides(figure{"– their 99th percentile of latency", a, c, millis, false, 1, 0})
		a, c = both(p99Half + w.name)
		b.besides(figure{"– the same at half of each server's own load", a, c, millis, false, 0, 0})
		b.besides(figure{"– the same, both at half of " + theirs + "'s load", got.middle(p99Equal+w.name, ours), c, millis, false, 2, 0})
		a, c = both(p99OfOne + w.name)
		b.besides(figure{"– the same when each client waits for its answer", a, c, millis, false, 1, 0})
	}
	b.contrast(comparison{"a single client's write, which waits for each answer: median", got.middle(singleOf, ours),
		fsyncFloor, got.middle(singleOf, fsyncFloor), millis, asLong, 0, 1.3})
	b.facts = append(b.facts, fmt.Sprintf("%d clients, each with up to %d requests in flight, for %v after %v of warming up (Apache: %v)",
		loadClients, loadWindow, b.loadTime, warmUp, warmUpJVM))
	return err
}

func (b *bench) throughputRuns(ctx context.Context, got samples) error {
	floors, err := b.floors()
	if err != nil {
		return err
	}
	for i := range b.runs {
		for _, e := range b.engines() {
			progress("reads and writes on %s, run %d of %d", e.name, i+1, b.runs)
			if err := b.driveServer(ctx, e, got); err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
		}
		for _, e := range floors {
			progress("the same on %s, run %d of %d", e.name, i+1, b.runs)
			if err := b.driveFloor(ctx, e, got); err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
		}
	}
	return nil
}

func (b *bench) driveServer(ctx context.Context, e engine, got samples) error {
	s, _, err := b.serve(ctx, e, "")
	if err != nil {
		return err
	}
	defer s.stop()
	for _, w := range workloads {
		all, err := b.drive(ctx, s.addr, warming(e), w)
		if err != nil {
			return err
		}
		got.add(rateOf+w.name, e.name, all.PerSecond())
		got.add(p99Of+w.name, e.name, float64(all.P99))
		half, err := load.Run(ctx, load.Options{Addr: s.addr, Clients: loadClients, Window: loadWindow, Rate: all.PerSecond() / 2, For: b.loadTime / 2, Request: w.request})
		if err != nil {
			return err
		}
		got.add(p99Half+w.name, e.name, float64(half.P99))
		// What the other bears is known from the second run on.
		if other := got.middle(rateOf+w.name, b.engines()[1].name); e.name == b.engines()[0].name && !math.IsNaN(other) {
			half, err := load.Run(ctx, load.Options{Addr: s.addr, Clients: loadClients, Window: loadWindow, Rate: other / 2, For: b.loadTime / 2, Request: w.request})
			if err != nil {
				return err
			}
			got.add(p99Equal+w.name, e.name, float64(half.P99))
		}
		each, err := load.Run(ctx, load.Options{Addr: s.addr, Clients: loadClients, Window: 1, For: b.loadTime / 2, Request: w.request})
		if err != nil {
			return err
		}
		got.add(p99OfOne+w.name, e.name, float64(each.P99))
	}
	if e.name == apacheName {
		return nil
	}
	// By turns, because the time that the disk takes changes.
	for range 4 {
		one, err := load.Run(ctx, load.Options{Addr: s.addr, Clients: 1, Window: 1, For: b.loadTime / 8, Request: workloads[0].request})
		if err != nil {
			return err
		}
		got.add(singleOf, e.name, float64(one.P50))
		took, err := fsyncTime(s.dir, b.loadTime/8)
		if err != nil {
			return err
		}
		got.add(singleOf, fsyncFloor, float64(took))
	}
	return nil
}

func (b *bench) driveFloor(ctx context.Context, e engine, got samples) error {
	s, _, err := b.serve(ctx, e, "")
	if err != nil {
		return err
	}
	defer s.stop()
	for _, w := range workloads {
		if w.floor == e.name {
			all, err := b.drive(ctx, s.addr, warmUp, w)
			if err != nil {
				return err
			}
			got.add(rateOf+w.name, e.name, all.PerSecond())
		}
	}
	return nil
}

// drive warms a server up and measures one workload.
func (b *bench) drive(ctx context.Context, addr string, warm time.Duration, w workload) (r load.Result, err error) {
	if err := makeZnodes(ctx, addr, loadClients); err != nil {
		return r, err
	}
	opt := load.Options{Addr: addr, Clients: loadClients, Window: loadWindow, For: warm, Request: w.request}
	if _, err := load.Run(ctx, opt); err != nil {
		return r, err
	}
	opt.For = b.loadTime
	return load.Run(ctx, opt)
}

// fsyncTime returns the median time to append as much as a write of the workload adds to a server's log, and to bring it to
// disk.
func fsyncTime(dir string, d time.Duration) (time.Duration, error) {
	own, err := os.MkdirTemp(dir, "zkctl-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(own)
	file, err := openJournalFile(filepath.Join(own, "fsync"))
	if err != nil {
		return 0, err
	}
	defer file.f.Close()
	entry := make([]byte, 192)
	var took []time.Duration
	for start := time.Now(); time.Since(start) < d; {
		at := time.Now()
		if err := file.write(entry); err != nil {
			return 0, err
		}
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
