package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// fillTree creates root with parents children, each with width children.
func fillTree(ctx context.Context, conn *client.Conn, root string, parents, width int) error {
	var above, below []string
	for p := range parents {
		parent := fmt.Sprintf("%s/parent-%04d", root, p)
		above = append(above, parent)
		for c := range width {
			below = append(below, fmt.Sprintf("%s/child-%05d", parent, c))
		}
	}
	return create(ctx, conn, []string{root}, above, below)
}

// fillParent creates root with width children.
func fillParent(ctx context.Context, conn *client.Conn, root string, width int) error {
	var below []string
	for c := range width {
		below = append(below, fmt.Sprintf("%s/node-%06d", root, c))
	}
	return create(ctx, conn, []string{root}, below)
}

// create creates znodes in transactions of a thousand, several of them in flight, one level after the other.
func create(ctx context.Context, conn *client.Conn, levels ...[]string) error {
	const batch, inFlight = 1000, 8
	for _, paths := range levels {
		slots := make(chan struct{}, inFlight)
		failed := make(chan error, len(paths)/batch+1)
		for part := range slices.Chunk(paths, batch) {
			slots <- struct{}{}
			go func() {
				ops := make([]proto.MultiOp, len(part))
				for i, path := range part {
					ops[i] = client.CreateOp(path, []byte("x"), proto.OpenACL, proto.Persistent, 0)
				}
				if _, err := conn.Multi(ctx, ops); err != nil {
					failed <- fmt.Errorf("create the tree: %w", err)
				}
				<-slots
			}()
		}
		for range inFlight { // wait for all
			slots <- struct{}{}
		}
		select {
		case err := <-failed:
			return err
		default:
		}
	}
	return nil
}

// clear deletes a tree on a server with zkctl.
func (b *bench) clear(ctx context.Context, server *apache.Server, root string) error {
	out, err := exec.CommandContext(ctx, b.zkctl, "-y", "-server", server.Addr(), "deleteall", root).CombinedOutput()
	if err != nil {
		return fmt.Errorf("remove %s: %w: %s", root, err, out)
	}
	return nil
}

// completion runs the benchmarks of completion_test.go on this run's server.
func (b *bench) completion(ctx context.Context) error {
	const root = "/wide"
	progress("creating %d znodes", wideParent)
	if err := fillParent(ctx, b.conn, root, wideParent); err != nil {
		return err
	}
	progress("completion in a parent of %d znodes", wideParent)
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkCompletion", "-benchtime", "20x", "./internal/bench")
	cmd.Env = append(cmd.Environ(), serverVariable+"="+b.server.Addr(), parentVariable+"="+root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test: %w:\n%s", err, out)
	}
	for _, t := range []struct {
		benchmark string
		timing    timing
	}{
		{"FirstAnswer", timing{name: "first answer", limit: 150 * time.Millisecond}},
		{"NextKey", timing{name: "each further key", limit: 5 * time.Millisecond}},
	} {
		var err error
		if t.timing.took, err = metric(out, t.benchmark, "median-ns"); err != nil {
			return err
		}
		if t.timing.slowest, err = metric(out, t.benchmark, "slowest-ns"); err != nil {
			return err
		}
		t.timing.name = fmt.Sprintf("completion among %s children: %s", thousands(wideParent), t.timing.name)
		b.times = append(b.times, t.timing)
	}
	return b.clear(ctx, b.server, root)
}

// metric reads a time from the output of go test.
func metric(out []byte, benchmark, unit string) (time.Duration, error) {
	found := regexp.MustCompile(`BenchmarkCompletion` + benchmark + `\b.*?(\S+) ` + unit).FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("no %s of %s in the output of go test:\n%s", unit, benchmark, out)
	}
	ns, err := strconv.ParseFloat(string(found[1]), 64)
	return time.Duration(ns), err
}

// What the benchmarks of completion need to know.
const (
	serverVariable = "ZKCTL_BENCH_SERVER"
	parentVariable = "ZKCTL_BENCH_PARENT"
)
