package main

import (
	"context"
	_ "embed" // for oneshot.c
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// oneShotSource does what `zkctl ls /` does, in C.
//
//go:embed c/oneshot.c
var oneShotSource []byte

// besideC compares `ls /` with a program in C that makes the same three round trips.
func (b *bench) besideC(ctx context.Context) error {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return errors.New("there is no C compiler (try: apt-get install gcc libc6-dev)")
	}
	dir, err := os.MkdirTemp("", "zkctl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	source, program := filepath.Join(dir, "oneshot.c"), filepath.Join(dir, "oneshot")
	if err := os.WriteFile(source, oneShotSource, 0o600); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, cc, "-O2", "-o", program, source).CombinedOutput(); err != nil {
		return fmt.Errorf("compile oneshot.c: %w: %s", err, tail(string(out)))
	}
	s, _, err := b.serve(ctx, b.engines()[0], "")
	if err != nil {
		return err
	}
	defer s.stop()
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	progress("`ls /` beside a program in C")
	var took [2][]float64
	runs := 20 * b.runs
	for range runs {
		var printed [2]string
		for k, argv := range [][]string{{b.zkctl, "-server", s.addr, "ls", "/"}, {program, port}} {
			got, err := measure(ctx, argv, os.Environ(), nil)
			if err != nil {
				return err
			}
			if got.exit != 0 {
				return fmt.Errorf("%s: exit code %d: %s", argv[0], got.exit, got.stderr)
			}
			took[k], printed[k] = append(took[k], float64(got.wall)), got.stdout
		}
		if printed[0] != printed[1] {
			return errors.New("zkctl and the program in C do not print the same")
		}
	}
	for k := range took {
		slices.Sort(took[k])
	}
	b.comparisons = append(b.comparisons, comparison{"`ls /` from the command line", took[0][runs/2], "a C program, bare sockets", took[1][runs/2],
		func(v float64) string { return shown(time.Duration(v)) }, asLong, 0, 2})
	return nil
}
