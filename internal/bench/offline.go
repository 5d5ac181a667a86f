package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/zkctl/zkctl/internal/storage"
)

// floorArg makes bench read the log that follows and check its checksums, and nothing else.
const floorArg = "-floor"

// memoryLimit is how many bytes a streaming command may use, whatever the file's size.
const memoryLimit = 48 << 20

// alone is a command without a counterpart in Apache, or one compared with the floor.
type alone struct {
	name   string
	got    result
	bytes  int64   // read
	memory int64   // most bytes; 0 for no limit
	least  float64 // least MiB/s; 0 for no limit
	note   string
}

func (a alone) speed() float64 { return float64(a.bytes) / (1 << 20) / a.got.wall.Seconds() }

func (a alone) target() string {
	var t []string
	if a.memory > 0 {
		t = append(t, fmt.Sprintf("< %d MiB", a.memory>>20))
	}
	if a.least > 0 {
		t = append(t, fmt.Sprintf("≥ %.0f MiB/s", a.least))
	}
	if a.note != "" {
		t = append(t, a.note)
	}
	return strings.Join(t, ", ")
}

// floor does the least that any reader of a log must do.
func floor(file string) int {
	r, err := storage.OpenLog(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer r.Close()
	for {
		e, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return 0
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			return 1
		case !e.Intact():
			return 1
		}
	}
}

func (b *bench) runOffline(ctx context.Context) error {
	cleanUp, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	defer cleanUp()
	b.in.ToolJVM = nil // the tools' scripts pass no options to the JVM
	if b.facts, err = b.machine(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "zkctl-bench-data-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, step := range []struct {
		name string
		run  func(ctx context.Context, dir string) error
	}{
		{"dump", b.dump}, {"snapshot", b.snapshot}, {"large", b.large},
	} {
		if strings.Contains(step.name, b.only) {
			if err := step.run(ctx, filepath.Join(dir, step.name)); err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
		}
	}
	return nil
}

// dump prints logs of 64 MiB: one as a server with default settings leaves it, which rolls over
// after 100,000 transactions (snapCount) and preallocates 64 MiB; one filled completely with such
// transactions; and one filled with 100,000 larger ones.
func (b *bench) dump(ctx context.Context, dir string) error {
	const size = 64 << 20
	var file string
	for i, log := range []struct {
		name     string
		entries  int
		bytes    int64 // of all entries
		expected float64
	}{
		{"64 MiB as a default server leaves it", 100_000, 100_000 * 240, 50},
		{"64 MiB filled with such transactions", size / 240, size, 50},
		{"64 MiB filled by 100,000 larger ones", 100_000, size, 0},
	} {
		progress("writing a log of %s transactions", thousands(log.entries))
		logs, err := writeLogs(filepath.Join(dir, fmt.Sprint(i)), log.entries, log.bytes, 1)
		if err != nil {
			return err
		}
		file = logs[0]
		name := fmt.Sprintf("`txnlog dump` of %s: %s transactions of %d bytes", log.name, thousands(log.entries), log.bytes/int64(log.entries))
		err = b.duel(ctx, row{name: name, ratio: log.expected, memory: memoryLimit}, duel{
			runs:   b.runs,
			ours:   []string{b.zkctl, "txnlog", "dump", file},
			theirs: b.in.JavaCommand(ctx, "org.apache.zookeeper.server.persistence.TxnLogToolkit", "-d", file),
			digest: wholeDigest,
		})
		if err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var runs []result
	for range b.runs {
		r, err := measure(ctx, []string{self, floorArg, file}, os.Environ(), wholeDigest)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	least := median(runs)
	dumped := b.rows[len(b.rows)-1].ours
	times := float64(dumped.wall) / float64(least.wall)
	b.alone = append(b.alone, alone{name: "the floor: read and check Adler-32", got: least, bytes: size,
		note: fmt.Sprintf("dump takes %.1f times as long (≤ 12)", times)})
	if times > 12 {
		return fmt.Errorf("dump takes %.1f times as long as reading and checking the file", times)
	}
	return nil
}

// blocks returns a digest of a text's blocks, in any order: SnapshotFormatter prints siblings in
// the order of a hash set.
func blocks(text []byte) string {
	var sum [sha256.Size]byte
	for block := range bytes.SplitSeq(text, []byte("----\n")) {
		one := sha256.Sum256(block)
		for i := range sum {
			sum[i] ^= one[i]
		}
	}
	return string(sum[:])
}

// untimed removes the lines in which SnapshotComparer reports how long it took.
func untimed(text []byte) string {
	var kept []byte
	for line := range bytes.Lines(text) {
		if !bytes.Contains(line, []byte(" seconds")) {
			kept = append(kept, line...)
		}
	}
	return wholeDigest(kept)
}

func (b *bench) snapshot(ctx context.Context, dir string) error {
	const znodes = 150_000
	progress("writing snapshots of %s znodes", thousands(znodes))
	left, err := writeSnapshot(filepath.Join(dir, "left"), znodes, 64, 0)
	if err != nil {
		return err
	}
	right, err := writeSnapshot(filepath.Join(dir, "right"), znodes, 64, 500)
	if err != nil {
		return err
	}
	err = b.duel(ctx, row{name: "`snapshot dump` of " + thousands(znodes) + " znodes", ratio: 40, memory: memoryLimit}, duel{
		runs:   b.runs,
		ours:   []string{b.zkctl, "snapshot", "dump", left},
		theirs: b.in.JavaCommand(ctx, "org.apache.zookeeper.server.SnapshotFormatter", left),
		digest: blocks,
	})
	if err != nil {
		return err
	}
	args := []string{"-l", left, "-r", right, "-b", "2", "-n", "1"}
	return b.duel(ctx, row{name: "`snapshot compare` of two such", ratio: 5}, duel{
		runs:   b.runs,
		ours:   append([]string{b.zkctl, "snapshot", "compare"}, args...),
		theirs: b.in.JavaCommand(ctx, "org.apache.zookeeper.server.SnapshotComparer", args...),
		digest: untimed,
	})
}

// large shows, with a gibibyte, that memory does not grow with the file.
func (b *bench) large(ctx context.Context, dir string) error {
	const size = 1 << 30
	progress("writing 1 GiB of logs, twice, and a snapshot of 1 GiB")
	whole, err := writeLogs(filepath.Join(dir, "whole"), 1_600_000, size, 1)
	if err != nil {
		return err
	}
	parts := filepath.Join(dir, "parts", "version-2")
	if _, err := writeLogs(parts, 1_600_000, size, 16); err != nil {
		return err
	}
	snap, err := writeSnapshot(filepath.Join(dir, "snap"), 1_000_000, 960, 0)
	if err != nil {
		return err
	}
	log := whole[0]
	for _, a := range []struct {
		alone
		argv []string
	}{
		{alone{name: "`txnlog dump` of 1 GiB", memory: memoryLimit}, []string{"txnlog", "dump", log}},
		{alone{name: "`txnlog verify` of a file of 1 GiB", memory: memoryLimit}, []string{"txnlog", "verify", log}},
		{alone{name: "`txnlog stats` of 1 GiB", memory: memoryLimit}, []string{"txnlog", "stats", log}},
		{alone{name: "`snapshot dump` of 1 GiB", memory: memoryLimit}, []string{"snapshot", "dump", snap}},
		{alone{name: "`txnlog history` of one path, 1 GiB in 16 files", least: 300}, []string{"txnlog", "history", benchPath(77), parts}},
	} {
		var runs []result
		for i := range min(b.runs, 3) {
			progress("%s, run %d", a.name, i+1)
			r, err := measure(ctx, append([]string{b.zkctl}, a.argv...), os.Environ(), wholeDigest)
			if err != nil {
				return err
			}
			if r.exit != 0 {
				return fmt.Errorf("%s: exit code %d: %s", a.name, r.exit, r.stderr)
			}
			runs = append(runs, r)
		}
		a.got, a.bytes = median(runs), size
		b.alone = append(b.alone, a.alone)
	}
	return nil
}
