package main

import (
	"context"
	_ "embed" // for find.py
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/storage"
)

// findScript is find and grep in Python over kazoo.
//
//go:embed find.py
var findScript []byte

const (
	manyZnodes = 1_000_000
	flatMemory = 64 << 20 // most bytes of a walk over them
)

// runFind measures the commands that read any location: beside ls -R of the same tree, beside a script over kazoo, and in a
// snapshot of the tree; and the memory that they take for a million znodes.
func (b *bench) runFind(ctx context.Context) error {
	cleanUp, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	defer cleanUp()
	python, err := kazoo(ctx)
	if err != nil {
		return err
	}
	dir, err := scripts(map[string][]byte{"find.py": findScript})
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
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
	progress("creating %d znodes", listedTree)
	if err := fillTree(ctx, b.conn, "/listed", 300, listedTree/300-1); err != nil {
		return err
	}
	if err := b.findBeside(ctx, dir, []string{python, filepath.Join(dir, "find.py"), b.server.Addr()}); err != nil {
		return err
	}
	if err := b.clear(ctx, b.server, "/listed"); err != nil {
		return err
	}
	return b.findMany(ctx, dir)
}

// kazoo returns a python3 that has it.
func kazoo(ctx context.Context) (python string, err error) {
	for _, name := range []string{"python3", "/usr/bin/python3"} { // of which the first may not be the one with packages
		var out []byte
		if out, err = exec.CommandContext(ctx, name, "-c", "import sys, kazoo; print(sys.executable)").Output(); err == nil {
			return strings.TrimSpace(string(out)), nil
		}
	}
	return "", fmt.Errorf("find a python3 with kazoo: %w", err)
}

// scripts writes files to a temporary folder.
func scripts(texts map[string][]byte) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "zkctl-bench-"); err != nil {
		return "", err
	}
	for name, text := range texts {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	if err != nil {
		_ = os.RemoveAll(dir)
	}
	return dir, err
}

// live and of are command lines for the server, and for a file.
func (b *bench) live(words ...string) []string {
	return append([]string{b.zkctl, "-y", "-server", b.server.Addr()}, append(words, "/")...)
}

func (b *bench) of(file string, words ...string) []string {
	return append([]string{b.zkctl}, append(words, "file:"+file)...)
}

// saved writes the server's znodes to a snapshot.
func (b *bench) saved(ctx context.Context, dir string) (file string, err error) {
	files, err := storage.ReadDir(b.server.Dir())
	if err != nil {
		return "", err
	}
	tree, _, err := files.Load(ctx, storage.LoadOptions{})
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, storage.SnapshotName(tree.LastZxid(), ""))
	return file, storage.WriteSnapshot(file, tree, storage.SnapshotOptions{})
}

func (b *bench) findBeside(ctx context.Context, dir string, kazoo []string) error {
	file, err := b.saved(ctx, dir)
	if err != nil {
		return err
	}
	find, grep := []string{"find", "--name", "child-0041*"}, []string{"grep", "-l", "nothing|0041"}
	took, err := b.inTurns(ctx, b.live("ls", "-R"), b.live(find...), b.live(grep...), b.of(file, find...), b.of(file, grep...))
	if err != nil {
		return err
	}
	progress("the same in Python")
	script, err := b.inTurns(ctx, append(slices.Clone(kazoo), "name", "child-0041*"), append(slices.Clone(kazoo), "grep", "nothing|0041"))
	if err != nil {
		return err
	}
	n := thousands(listedTree)
	for i, name := range []string{"find --name", "grep"} {
		live, offline := took[1+i], took[3+i]
		b.figures = append(b.figures,
			figure{name: fmt.Sprintf("`%s` over %s znodes, beside `ls -R` of them", name, n), ours: live, theirs: took[0], unit: millis, limit: 1.5 * took[0]},
			figure{name: "– beside a script over kazoo", ours: live, theirs: script[i], unit: millis, ratio: 20},
			figure{name: "– in a snapshot, beside the live server", ours: offline, theirs: live, unit: millis, ratio: 5})
	}
	return nil
}

// inTurns returns the medians of the times of commands that run in turns.
func (b *bench) inTurns(ctx context.Context, commands ...[]string) ([]float64, error) {
	results := make([][]result, len(commands))
	for i := range b.runs {
		progress("run %d of %d", i+1, b.runs)
		for c, argv := range commands {
			got, err := measure(ctx, argv, os.Environ(), wholeDigest)
			if err != nil {
				return nil, err
			}
			if got.exit > 1 {
				return nil, fmt.Errorf("%s: exit code %d: %s", strings.Join(argv, " "), got.exit, got.stderr)
			}
			results[c] = append(results[c], got)
		}
	}
	var took []float64
	for _, r := range results {
		took = append(took, float64(median(r).wall))
	}
	return took, nil
}

// findMany measures memory.
func (b *bench) findMany(ctx context.Context, dir string) error {
	progress("creating %d znodes", manyZnodes)
	if err := fillTree(ctx, b.conn, "/many", 1000, manyZnodes/1000-1); err != nil {
		return err
	}
	file, err := b.saved(ctx, dir)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		argv []string
	}{
		{"`ls -R` of a million znodes", b.live("ls", "-R")},
		{"`find`", b.live("find")},
		{"`grep`", b.live("grep", "nothing")},
		{"`du`", b.live("du")},
		{"`summary`", b.live("summary")},
		{"`find` in a snapshot", b.of(file, "find")},
		{"`grep` in a snapshot", b.of(file, "grep", "nothing")},
		{"`du` in a snapshot", b.of(file, "du")},
		{"`summary` in a snapshot", b.of(file, "summary")},
		{"`find` in a data directory", b.of(b.server.Dir(), "find")},
	} {
		progress("memory of %s", c.name)
		got, err := measure(ctx, c.argv, os.Environ(), wholeDigest)
		if err != nil {
			return err
		}
		if got.exit > 1 {
			return fmt.Errorf("%s: exit code %d: %s", c.name, got.exit, got.stderr)
		}
		b.alone = append(b.alone, alone{name: c.name, got: got, memory: flatMemory})
	}
	return nil
}
