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

// What the samples of ensembles are.
const (
	startOf    = "from the start to a client's first answer"
	memoryOf   = "memory when idle, together"
	writesOf   = "writes through the leader"
	failOverOf = "from the leader's death to the next write"
)

const etcdName = "etcd"

// ensemble compares three members with three of Apache's, three joined journals and three of etcd.
func (b *bench) ensemble(ctx context.Context) error {
	got := samples{}
	err := b.ensembleRuns(ctx, got)
	ours, theirs := b.engines()[0].name, b.engines()[1].name
	row := func(name, what string, unit func(float64) string, higher bool, ratio, limit float64) {
		b.besides(figure{name, got.middle(what, ours), got.middle(what, theirs), unit, higher, ratio, limit})
	}
	row("three members: "+startOf, startOf, millis, false, 10, float64(500*time.Millisecond))
	row("– "+memoryOf, memoryOf, mebis, false, 4, 60<<20)
	row("– "+writesOf, writesOf, perSecond, true, 5, 0)
	row("– "+failOverOf, failOverOf, millis, false, 2, 0)
	const name = "three members: " + writesOf
	writes := got.middle(writesOf, ours)
	b.contrast(comparison{name, writes, threeFloor, got.middle(writesOf, threeFloor), perSecond, share, 0.5, 0})
	b.contrast(comparison{name, writes, etcdName, got.middle(writesOf, etcdName), perSecond, faster, 4, 0})
	return err
}

func (b *bench) ensembleRuns(ctx context.Context, got samples) error {
	etcd, err := b.buildEtcdLoad(ctx)
	if err != nil {
		b.skip("writes on etcd: %v", err)
	} else {
		defer etcd.remove()
	}
	for i := range b.runs {
		for _, e := range b.engines() {
			progress("three members of %s, run %d of %d", e.name, i+1, b.runs)
			if err := b.ensembleRun(ctx, e, got); err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
		}
		progress("three journals, run %d of %d", i+1, b.runs)
		if err := b.journalsRun(ctx, got); err != nil {
			return fmt.Errorf("%s: %w", threeFloor, err)
		}
		if etcd != nil {
			progress("three members of etcd, run %d of %d", i+1, b.runs)
			if err := etcd.run(ctx, b, got); err != nil {
				b.skip("writes on etcd: %v", err)
				etcd.remove()
				etcd = nil
			}
		}
	}
	return nil
}

func (b *bench) ensembleRun(ctx context.Context, e engine, got samples) error {
	m, took, err := b.serveEnsemble(ctx, e)
	if err != nil {
		return err
	}
	defer m.stop()
	leader, err := m.leader(ctx)
	if err != nil {
		return err
	}
	for _, s := range m {
		if err := awaitAnswer(ctx, s.addr, time.Minute); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second)
	memory, err := m.memory()
	if err != nil {
		return err
	}
	r, err := b.drive(ctx, m[leader].addr, warming(e), workloads[0])
	if err != nil {
		return err
	}
	down, err := m.failOver(ctx, leader)
	got.add(startOf, e.name, float64(took))
	got.add(memoryOf, e.name, memory)
	got.add(writesOf, e.name, r.PerSecond())
	got.add(failOverOf, e.name, float64(down))
	return err
}

// journalsRun measures a journal that two others follow.
func (b *bench) journalsRun(ctx context.Context, got samples) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var ports []string
	var followers servedEnsemble
	defer func() { followers.stop() }()
	for range 2 {
		dir, err := os.MkdirTemp("", "zkctl-bench-")
		if err != nil {
			return err
		}
		free, err := port.Free()
		if err != nil {
			return err
		}
		s, err := launch(ctx, engine{threeFloor, func(string, int) []string {
			return []string{self, followArg, strconv.Itoa(free), filepath.Join(dir, "journal")}
		}, os.Environ()}, dir, free)
		if err != nil {
			return err
		}
		followers = append(followers, s)
		ports = append(ports, strconv.Itoa(free))
	}
	leader, _, err := b.serve(ctx, engine{threeFloor, func(config string, port int) []string {
		return append([]string{self, journalArg, strconv.Itoa(port), filepath.Join(filepath.Dir(config), "journal")}, ports...)
	}, os.Environ()}, "")
	if err != nil {
		return err
	}
	defer leader.stop()
	r, err := b.drive(ctx, leader.addr, warmUp, workloads[0])
	if err != nil {
		return err
	}
	got.add(writesOf, threeFloor, r.PerSecond())
	return nil
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
