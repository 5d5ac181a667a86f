package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

const (
	lagZnodes  = 1000
	lagRate    = 200 // writes a second
	lagWrites  = 2000
	lagAllowed = 20 * time.Millisecond
)

// lag measures how long after a write at the source its answer it is at the destination, which a watch there tells.
func (m *moving) lag(ctx context.Context) error {
	for _, e := range m.engines() {
		name := "the embedded server"
		if e.name != "zkctl" {
			name = "Apache's"
		}
		progress("the lag of mirror, on %s", name)
		all, err := m.lagOf(ctx, e)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		slices.Sort(all)
		t := timing{name: fmt.Sprintf("`mirror`: from a write to its copy, %s at both ends, 99th percentile", name), took: all[len(all)*99/100], slowest: all[len(all)-1], limit: lagAllowed}
		m.times = append(m.times, timing{name: strings.Replace(t.name, "99th percentile", "median", 1), took: all[len(all)/2], slowest: t.slowest, limit: lagAllowed}, t)
	}
	m.facts = append(m.facts, fmt.Sprintf("lag: from the answer that a writer gets at the source to a watch's event at the destination; %d writes at %d a second, each on another of %d znodes; both servers, the mirror and the writer on this machine", lagWrites, lagRate, lagZnodes))
	return nil
}

func (m *moving) lagOf(ctx context.Context, e engine) ([]time.Duration, error) {
	var ends [2]*served
	for i := range ends {
		var err error
		if ends[i], _, err = m.serve(ctx, e, ""); err != nil {
			return nil, err
		}
		defer ends[i].stop()
	}
	var mu sync.Mutex
	written, lags := map[string]time.Time{}, []time.Duration{}
	early := map[string]time.Time{} // events that came before the answer
	from, err := client.Open(client.Config{Servers: ends[0].addr})
	if err != nil {
		return nil, err
	}
	defer from.Close()
	to, err := client.Open(client.Config{Servers: ends[1].addr, Watched: func(ev client.Event) {
		if ev.Type != proto.EventNodeDataChanged {
			return
		}
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		if at, ok := written[ev.Path]; ok {
			lags = append(lags, now.Sub(at))
			delete(written, ev.Path)
		} else {
			early[ev.Path] = now
		}
	}})
	if err != nil {
		return nil, err
	}
	defer to.Close()
	if err := fillParent(ctx, from, "/lag", lagZnodes-1); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, m.zkctl, "-server", ends[0].addr, "mirror", "/lag", "zk://"+ends[1].addr+"/lag")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // it ends by the signal
	}()
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := await.Until(limited, func() bool {
		n, err := to.AllChildrenNumber(limited, "/lag")
		return err == nil && n == lagZnodes-1
	}); err != nil {
		return nil, fmt.Errorf("the first copy: %w", err)
	}
	if err := to.AddWatch(ctx, "/lag", proto.WatchPersistentRecursive); err != nil {
		return nil, err
	}
	tick := time.NewTicker(time.Second / lagRate)
	defer tick.Stop()
	var answers sync.WaitGroup
	for i := range lagWrites {
		<-tick.C
		path := fmt.Sprintf("/lag/node-%06d", i%(lagZnodes-1))
		answers.Go(func() {
			if _, err := from.Set(ctx, path, fmt.Append(nil, i), -1); err != nil {
				return // it is missing in the end
			}
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			if _, ok := early[path]; ok {
				lags = append(lags, 0)
				delete(early, path)
			} else {
				written[path] = now
			}
		})
	}
	answers.Wait()
	if err := await.Until(limited, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(lags) == lagWrites
	}); err != nil {
		mu.Lock()
		defer mu.Unlock()
		return nil, fmt.Errorf("%d of %d writes came to the destination: %w", len(lags), lagWrites, err)
	}
	return lags, nil
}
