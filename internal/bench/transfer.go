package main

import (
	"context"
	_ "embed" // for walk.py
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/client"
)

// walkScript reads a tree in Python over kazoo.
//
//go:embed walk.py
var walkScript []byte

const (
	movedTree    = 100_000
	exportMemory = 48 << 20 // most bytes for a million znodes
)

// runTransfer measures export beside scripts over kazoo that read the same, diff beside walks of the same trees, and the memory
// that both take for a million znodes.
func (b *bench) runTransfer(ctx context.Context) error {
	cleanUp, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	defer cleanUp()
	python, err := kazoo(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "zkctl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "walk.py")
	if err := os.WriteFile(script, walkScript, 0o600); err != nil {
		return err
	}
	if b.server, err = b.in.Start(ctx, apache.Options{JVM: []string{"-Xmx2g"}}); err != nil {
		return err
	}
	defer b.server.Stop()
	if b.facts, err = b.machine(ctx); err != nil {
		return err
	}
	if b.conn, err = client.Open(client.Config{Servers: b.server.Addr(), SessionTimeout: 40 * time.Second}); err != nil {
		return err
	}
	defer b.conn.Close()
	for _, root := range []string{"/one", "/two"} {
		progress("creating %d znodes at %s", movedTree, root)
		if err := fillTree(ctx, b.conn, root, 300, movedTree/300-1); err != nil {
			return err
		}
	}
	file := filepath.Join(dir, "one.jsonl")
	ours := func(words ...string) []string {
		return append([]string{b.zkctl, "-y", "-server", b.server.Addr()}, words...)
	}
	theirs := func(how string) []string { return []string{python, script, b.server.Addr(), "/one", how} }
	walk := fmt.Sprintf("%s -server %s grep -c nothing ", b.zkctl, b.server.Addr())
	took, err := b.inTurns(ctx, ours("export", "/one", "-O", file), ours("diff", "/one", "/two", "--fields", "data"),
		[]string{"sh", "-c", walk + "/one & " + walk + "/two & wait"}, theirs("async"), theirs("sync"))
	if err != nil {
		return err
	}
	n := thousands(movedTree)
	b.figures = append(b.figures,
		figure{name: fmt.Sprintf("`export` of %s znodes, beside an asynchronous walk of kazoo", n), ours: took[0], theirs: took[3], unit: millis, ratio: 10},
		figure{name: "– beside a synchronous walk of kazoo", ours: took[0], theirs: took[4], unit: millis, ratio: 25},
		figure{name: fmt.Sprintf("`diff` of two trees of %s znodes, beside a walk of both at once", n), ours: took[1], theirs: took[2], unit: millis, limit: 1.3 * took[2]})
	if err := b.clear(ctx, "/one"); err != nil {
		return err
	}
	if err := b.clear(ctx, "/two"); err != nil {
		return err
	}
	return b.transferMany(ctx, file, ours)
}

// transferMany measures memory.
func (b *bench) transferMany(ctx context.Context, file string, ours func(words ...string) []string) error {
	progress("creating %d znodes", manyZnodes)
	if err := fillTree(ctx, b.conn, "/many", 1000, manyZnodes/1000-1); err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		argv []string
	}{
		{"`export` of a million znodes", ours("export", "/many", "-O", file)},
		{"`export` with zstd", ours("export", "/many", "-O", file+".zst")},
		{"`export` of the export as a snapshot", ours("export", "file:"+file, "--format", "snapshot", "-O", filepath.Dir(file), "--allow-inconsistent")},
		{"`diff` of the export and the server", ours("diff", "file:"+file, "/many")},
	} {
		progress("memory of %s", c.name)
		got, err := measure(ctx, c.argv, os.Environ(), wholeDigest)
		if err != nil {
			return err
		}
		if got.exit != 0 {
			return fmt.Errorf("%s: exit code %d: %s", c.name, got.exit, got.stderr)
		}
		b.alone = append(b.alone, alone{name: c.name, got: got, memory: exportMemory})
	}
	return nil
}
