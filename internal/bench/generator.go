package main

import (
	"context"
	_ "embed" // for load.py
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/load"
)

// loadScript is a load generator over kazoo.
//
//go:embed load.py
var loadScript []byte

// generator measures what the clients of these benchmarks take of the processors, which they share with the server.
func (b *bench) generator(ctx context.Context) error {
	s, _, err := b.serve(ctx, b.engines()[0], "")
	if err != nil {
		return err
	}
	defer s.stop()
	progress("the CPU of the generator")
	reads := workloads[1]
	if _, err := b.drive(ctx, s.addr, warmUp, reads); err != nil {
		return err
	}
	self := os.Getpid()
	ours, theirs, err := cpuOf(self, s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	r, err := load.Run(ctx, load.Options{Addr: s.addr, Clients: loadClients, Window: loadWindow, For: b.loadTime, Request: reads.request})
	if err != nil {
		return err
	}
	oursAfter, theirsAfter, err := cpuOf(self, s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	used, served := float64(oursAfter-ours), float64(theirsAfter-theirs)
	b.comparisons = append(b.comparisons, comparison{"CPU of the generator while it saturates the embedded server with reads, in all", used,
		"both", used + served, millis, share, 0, 0.3})
	python, err := kazoo(ctx)
	if err != nil {
		return err
	}
	dir, err := scripts(map[string][]byte{"load.py": loadScript})
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out, err := exec.CommandContext(ctx, python, filepath.Join(dir, "load.py"), s.addr, loadPath(0), fmt.Sprint(b.loadTime.Seconds())).Output()
	if err != nil {
		return fmt.Errorf("run load.py: %w", err)
	}
	each, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return fmt.Errorf("read the answer of load.py: %w", err)
	}
	b.comparisons = append(b.comparisons, comparison{"CPU of the generator by operation (getData)", used / float64(r.Ops), "kazoo, with 32 in flight",
		each * float64(time.Microsecond), micros, share, 0, 0.2})
	return nil
}

// cpuOf returns the CPU time of two processes.
func cpuOf(a, b int) (time.Duration, time.Duration, error) {
	one, err := cpuTime(a)
	if err != nil {
		return 0, 0, err
	}
	other, err := cpuTime(b)
	return one, other, err
}
