package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

const (
	lagRate    = 200  // writes a second
	lagWarm    = 600  // writes before the others, while the JVM compiles
	lagWrites  = 2000 // that count, each to another znode
	lagAllowed = 20 * time.Millisecond
)

// lag measures how long after the answer to a write at the source it is at the destination, as a watch there tells. A watch at
// the source, at the same time, tells how much of that is the machine's.
func (m *moving) lag(ctx context.Context) error {
	for _, e := range m.engines() {
		name := "the embedded server"
		if e.name != "zkctl" {
			name = "Apache's"
		}
		progress("the lag of mirror, on %s", name)
		there, here, err := m.lagOf(ctx, e)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		slices.Sort(there)
		slices.Sort(here)
		what := fmt.Sprintf("`mirror`: from a write to its copy, %s at both ends, ", name)
		last := len(there) - 1
		m.times = append(m.times,
			timing{name: what + "median", took: there[last/2], slowest: there[last], limit: lagAllowed},
			timing{name: what + "99th percentile", took: there[last*99/100], slowest: there[last], limit: lagAllowed})
		m.facts = append(m.facts, fmt.Sprintf("meanwhile a watch at the source itself, on %s, came %s after the answer, in the 99th percentile", name, shown(here[last*99/100])))
	}
	m.facts = append(m.facts, fmt.Sprintf("from a write to its copy: from the answer that a writer gets at the source to a watch's event at the destination; %d writes at %d a second; both servers, the mirror and the writer on this machine", lagWrites, lagRate))
	return nil
}

// seen is when the events of a watch came.
type seen struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (s *seen) event(e client.Event) {
	if e.Type != proto.EventNodeDataChanged {
		return
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[e.Path] = now
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}

// since returns how long after writes their events came, at least 0.
func (s *seen) since(written map[string]time.Time) (all []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, at := range written {
		all = append(all, max(0, s.at[path].Sub(at)))
	}
	return all
}

func (m *moving) lagOf(ctx context.Context, e engine) (there, here []time.Duration, err error) {
	const znodes = lagWarm + lagWrites
	var ends [2]*served
	var events [2]seen
	var conns [2]*client.Conn
	for i := range ends {
		if ends[i], _, err = m.serve(ctx, e, ""); err != nil {
			return nil, nil, err
		}
		defer ends[i].stop()
		events[i].at = map[string]time.Time{}
		if conns[i], err = client.Open(client.Config{Servers: ends[i].addr, Watched: events[i].event}); err != nil {
			return nil, nil, err
		}
		defer conns[i].Close()
	}
	if err := fillParent(ctx, conns[0], "/lag", znodes); err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, m.zkctl, "-server", ends[0].addr, "mirror", "/lag", "zk://"+ends[1].addr+"/lag")
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // it ends by the signal
	}()
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := await.Until(limited, func() bool {
		n, err := conns[1].AllChildrenNumber(limited, "/lag")
		return err == nil && n == znodes
	}); err != nil {
		return nil, nil, fmt.Errorf("the first copy: %w", err)
	}
	for _, conn := range conns {
		if err := conn.AddWatch(ctx, "/lag", proto.WatchPersistentRecursive); err != nil {
			return nil, nil, err
		}
	}
	var mu sync.Mutex
	written := map[string]time.Time{}
	tick := time.NewTicker(time.Second / lagRate)
	defer tick.Stop()
	writer, err := client.Open(client.Config{Servers: ends[0].addr})
	if err != nil {
		return nil, nil, err
	}
	defer writer.Close()
	var answers sync.WaitGroup
	for i := range znodes {
		<-tick.C
		path := fmt.Sprintf("/lag/node-%06d", i)
		answers.Go(func() {
			if _, err := writer.Set(ctx, path, []byte("changed"), -1); err != nil || i < lagWarm {
				return // after an error, its event is missing
			}
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			written[path] = now
		})
	}
	answers.Wait()
	if err := await.Until(limited, func() bool { return events[0].count() == znodes && events[1].count() == znodes }); err != nil {
		return nil, nil, fmt.Errorf("of %d writes, %d were seen at the source and %d at the destination: %w", znodes, events[0].count(), events[1].count(), err)
	}
	return events[1].since(written), events[0].since(written), nil
}
