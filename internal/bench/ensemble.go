package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/load"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
)

const ensembleSize = 3

// servedEnsemble is an ensemble under test, with a process for each member.
type servedEnsemble []*served

func (m servedEnsemble) stop() {
	for _, s := range m {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		os.RemoveAll(s.dir)
	}
}

func (m servedEnsemble) memory() (sum float64, err error) {
	for _, s := range m {
		one, err := s.memory()
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// serveEnsemble starts the members at once, with further lines of zoo.cfg, and returns when a client has got an answer.
func (b *bench) serveEnsemble(ctx context.Context, e engine, more ...string) (m servedEnsemble, took time.Duration, err error) {
	defer func() {
		if err != nil {
			m.stop()
		}
	}()
	ports := make([]int, 3*ensembleSize)
	for i := range ports {
		for {
			if ports[i], err = port.Free(); err != nil {
				return nil, 0, err
			}
			if !slices.Contains(ports[:i], ports[i]) {
				break
			}
		}
	}
	lines := "initLimit=10\nsyncLimit=5\n" + strings.Join(more, "")
	for i := range ensembleSize {
		lines += fmt.Sprintf("server.%d=127.0.0.1:%d:%d:participant;127.0.0.1:%d\n", i+1, ports[3*i], ports[3*i+1], ports[3*i+2])
	}
	dirs := make([]string, ensembleSize)
	for i := range dirs {
		if dirs[i], err = os.MkdirTemp("", "zkctl-bench-"); err != nil {
			return nil, 0, err
		}
		data := filepath.Join(dirs[i], "data")
		if err := os.Mkdir(data, 0o700); err != nil {
			return nil, 0, err
		}
		if err := os.WriteFile(filepath.Join(data, "myid"), []byte(strconv.Itoa(i+1)), 0o600); err != nil {
			return nil, 0, err
		}
	}
	start := time.Now()
	for i, dir := range dirs {
		s, err := launch(ctx, e, dir, ports[3*i+2], lines)
		if err != nil {
			return m, 0, err
		}
		m = append(m, s)
	}
	answered := make(chan error, len(m))
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, s := range m {
		go func() { answered <- awaitAnswer(wait, s.addr, time.Minute) }()
	}
	if err := <-answered; err != nil {
		return m, 0, fmt.Errorf("start an ensemble of %s: %w", e.name, err)
	}
	return m, time.Since(start), nil
}

// leader finds the member that leads.
func (m servedEnsemble) leader(ctx context.Context) (int, error) {
	for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(10 * time.Millisecond) {
		for i, s := range m {
			if reply, err := fourletter.Ask(ctx, nil, s.addr, "srvr"); err == nil && bytes.Contains(reply, []byte("Mode: leader")) {
				return i, nil
			}
		}
	}
	return 0, errors.New("no member leads")
}

// ensemble compares three members with three of Apache's.
func (b *bench) ensemble(ctx context.Context) error {
	names := []string{"three members: from the start to a client's first answer", "– memory when idle, together", "– writes through the leader", "– from the leader's death to the next write"}
	values := make([][2][]float64, len(names))
	for i := range b.runs {
		for k, e := range b.engines() {
			progress("three members of %s, run %d of %d", e.name, i+1, b.runs)
			got, err := b.ensembleRun(ctx, e)
			if err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
			for n, v := range got {
				values[n][k] = append(values[n][k], v)
			}
		}
	}
	mid := func(n, k int) float64 { return middle(values[n][k]) }
	b.figures = append(b.figures,
		figure{names[0], mid(0, 0), mid(0, 1), millis, false, 10, float64(500 * time.Millisecond)},
		figure{names[1], mid(1, 0), mid(1, 1), mebis, false, 4, 60 << 20},
		figure{names[2], mid(2, 0), mid(2, 1), perSecond, true, 2.5, 0},
		figure{names[3], mid(3, 0), mid(3, 1), millis, false, 2, 0})
	return nil
}

func (b *bench) ensembleRun(ctx context.Context, e engine) (values [4]float64, err error) {
	m, took, err := b.serveEnsemble(ctx, e)
	if err != nil {
		return values, err
	}
	defer m.stop()
	values[0] = float64(took)
	leader, err := m.leader(ctx)
	if err != nil {
		return values, err
	}
	for _, s := range m {
		if err := awaitAnswer(ctx, s.addr, time.Minute); err != nil {
			return values, err
		}
	}
	time.Sleep(2 * time.Second)
	if values[1], err = m.memory(); err != nil {
		return values, err
	}
	if err := makeZnodes(ctx, m[leader].addr, loadClients); err != nil {
		return values, err
	}
	opt := load.Options{Addr: m[leader].addr, Clients: loadClients, Window: loadWindow, For: warmUp, Request: workloads[0].request}
	if _, err := load.Run(ctx, opt); err != nil {
		return values, err
	}
	opt.For = loadTime
	r, err := load.Run(ctx, opt)
	if err != nil {
		return values, err
	}
	values[2] = r.PerSecond()
	took, err = m.failOver(ctx, leader)
	values[3] = float64(took)
	return values, err
}

// failOver kills the leader and waits until a client has written through one of the others.
func (m servedEnsemble) failOver(ctx context.Context, leader int) (time.Duration, error) {
	start := time.Now()
	if err := m[leader].cmd.Process.Kill(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	written := make(chan time.Duration, len(m))
	for i, s := range m {
		if i == leader {
			continue
		}
		wg.Go(func() {
			for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
				if try(ctx, s.addr, proto.OpSetData, &proto.SetDataRequest{Path: loadPath(0), Data: payload, Version: -1}) == nil {
					written <- time.Since(start)
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case took := <-written:
		return took, nil
	default:
		return 0, errors.New("nobody could write within a minute of the leader's death")
	}
}
