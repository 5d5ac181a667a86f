package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/creack/pty"
)

const (
	idleTime = 20 * time.Second
	settling = 3 * time.Second
	idleMost = 0.001 // of a processor
)

// cpuTime returns how long the threads of a process have run. It counts in nanoseconds; what getrusage counts in ticks would
// miss an idle process's.
func cpuTime(pid int) (sum time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	if len(files) == 0 {
		return 0, errors.New("CPU time is read from /proc/PID/task/TID/schedstat, which this system does not have")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, err
		}
		ran, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// idle measures what servers, ensembles and a shell take of a processor while nobody asks for anything.
func (b *bench) idle(ctx context.Context) error {
	engines := b.engines()
	const alone, three = "CPU of an idle server", "CPU of an idle ensemble of three, together"
	pids := map[[2]string][]int{}
	var target string // of the shell
	for i, e := range engines {
		s, _, err := b.serve(ctx, e, "")
		if err != nil {
			return err
		}
		defer s.stop()
		pids[[2]string{alone, e.name}] = []int{s.cmd.Process.Pid}
		m, _, err := b.serveEnsemble(ctx, e)
		if err != nil {
			return err
		}
		defer m.stop()
		for _, s := range m {
			pids[[2]string{three, e.name}] = append(pids[[2]string{three, e.name}], s.cmd.Process.Pid)
		}
		if i == 0 {
			target = m[0].addr
		}
	}
	const shell = "CPU of an idle shell, connected"
	cmd := exec.CommandContext(ctx, b.zkctl, "-server", target)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 120})
	if err != nil {
		return fmt.Errorf("run the shell: %w", err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		terminal.Close()
	}()
	go func() { _, _ = io.Copy(io.Discard, terminal) }()
	pids[[2]string{shell, engines[0].name}] = []int{cmd.Process.Pid}

	progress("what is idle, for %v", idleTime)
	if err := pause(ctx, settling); err != nil {
		return err
	}
	read := func() (map[[2]string]float64, error) {
		sums := map[[2]string]float64{}
		for what, list := range pids {
			for _, pid := range list {
				used, err := cpuTime(pid)
				if err != nil {
					return nil, err
				}
				sums[what] += float64(used)
			}
		}
		return sums, nil
	}
	before, err := read()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := pause(ctx, idleTime); err != nil {
		return err
	}
	after, err := read()
	if err != nil {
		return err
	}
	for _, what := range []string{alone, three, shell} {
		part := func(who string) float64 {
			key := [2]string{what, who}
			if _, ok := pids[key]; !ok {
				return math.NaN()
			}
			return (after[key] - before[key]) / float64(time.Since(start))
		}
		b.figures = append(b.figures, figure{what, part(engines[0].name), part(engines[1].name), finePercent, false, 0, idleMost})
	}
	return nil
}

func finePercent(v float64) string { return fmt.Sprintf("%.3f %%", 100*v) }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
