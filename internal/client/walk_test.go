package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
)

// plant creates znodes, parents first, in multis of 500.
func plant(t testing.TB, c *Conn, paths []string) {
	t.Helper()
	ctx := testContext(t)
	for part := range slices.Chunk(paths, 500) {
		ops := make([]proto.MultiOp, len(part))
		for i, p := range part {
			ops[i] = CreateOp(p, nil, proto.OpenACL, proto.Persistent, 0)
		}
		if _, err := c.Multi(ctx, ops); err != nil {
			t.Fatal(err)
		}
	}
}

// forest is a tree with the given fan-outs, parents first.
func forest(root string, fans ...int) []string {
	paths := []string{root}
	level := paths
	for d, fan := range fans {
		var next []string
		for _, p := range level {
			for i := range fan {
				next = append(next, fmt.Sprintf("%s/%c%04d", p, 'a'+d, i))
			}
		}
		paths = append(paths, next...)
		level = next
	}
	return paths
}

// lsR is what zkCli's ls -R prints: root, then for each znode, depth first, its children.
func lsR(ctx context.Context, c *Conn, root string) ([]string, error) {
	lines := []string{root}
	err := c.Walk(ctx, root, WalkOptions{}, func(path string, children []string, err error) error {
		for _, name := range children {
			lines = append(lines, path+"/"+name)
		}
		return err
	})
	return lines, err
}

// slowLsR asks for one znode after the other, as zkCli does.
func slowLsR(t *testing.T, c *Conn, path string, lines []string) []string {
	children, _, err := c.Children(testContext(t), path, false)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(children)
	for _, name := range children {
		lines = append(lines, path+"/"+name)
	}
	for _, name := range children {
		lines = slowLsR(t, c, path+"/"+name, lines)
	}
	return lines
}

func TestWalk(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	c := open(t, Config{Servers: servers})
	paths := forest("/walk", 7, 11, 13)
	paths = append(paths, "/walk/deep")
	for range 40 {
		paths = append(paths, paths[len(paths)-1]+"/x")
	}
	plant(t, c, paths)

	want := slowLsR(t, c, "/walk", []string{"/walk"})
	got, err := lsR(ctx, c, "/walk")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Walk: %v, %d lines, want %d", err, len(got), len(want))
	}
	below := open(t, Config{Servers: servers + "/walk"})
	got, err = lsR(ctx, below, "/deep")
	if err != nil || len(got) != 41 || got[1] != "/deep/x" {
		t.Errorf("Walk below a chroot: %v, %q", err, got)
	}

	last := 0
	var list []string
	unordered := WalkOptions{Unordered: true, Progress: func(found int) { last = found }}
	err = c.Walk(ctx, "/walk", unordered, func(path string, _ []string, err error) error {
		list = append(list, path)
		return err
	})
	if err != nil || len(list) != len(paths) || last != len(paths) {
		t.Errorf("unordered: %v, %d paths, progress to %d, want %d", err, len(list), last, len(paths))
	}
	seen := map[string]bool{"": true}
	for _, p := range list {
		if parent := p[:len(p)-len(p[lastSlash(p):])]; !seen[parent] {
			t.Fatalf("%s comes before its parent", p)
		}
		seen[p] = true
	}
}

func lastSlash(p string) int {
	for i := len(p) - 1; ; i-- {
		if p[i] == '/' {
			return i
		}
	}
}

func TestWalkStops(t *testing.T) {
	servers := home(t)
	c := open(t, Config{Servers: servers})
	plant(t, c, forest("/stops", 30, 30))
	ctx, cancel := context.WithCancel(testContext(t))
	err := c.Walk(ctx, "/stops", WalkOptions{}, func(string, []string, error) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	n := 0
	err = c.Walk(testContext(t), "/stops", WalkOptions{}, func(string, []string, error) error { n++; return fs.SkipAll })
	if err != nil || n != 1 {
		t.Errorf("SkipAll: %v after %d visits", err, n)
	}
}

func TestWalkReportsPaths(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	c := open(t, Config{Servers: servers})
	create(t, c, "/paths", proto.Persistent)
	if _, _, err := c.Create(ctx, "/paths/locked", nil, []proto.ACL{{Perms: proto.PermAdmin, ID: proto.WorldAnyone}}, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	got := map[string]error{}
	if err := c.Walk(ctx, "/paths", WalkOptions{}, func(p string, _ []string, err error) error { got[p] = err; return nil }); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(got["/paths/locked"], proto.ErrNoAuth) || got["/paths"] != nil || len(got) != 2 {
		t.Errorf("visits: %v", got)
	}
	if _, err := lsR(ctx, c, "/none"); !errors.Is(err, proto.ErrNoNode) {
		t.Errorf("missing root: %v", err)
	}
}

func BenchmarkWalk150k(b *testing.B) {
	s := apachetest.Shared(b)
	c := open(b, Config{Servers: s.Addr()})
	plant(b, c, forest("/big", 100, 30, 49))
	b.ReportAllocs()
	for b.Loop() {
		n := 1
		if err := c.Walk(testContext(b), "/big", WalkOptions{}, func(_ string, children []string, _ error) error {
			n += len(children)
			return nil
		}); err != nil || n != 150101 {
			b.Fatal(err, n)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := apachetest.Shared(b)
	c := open(b, Config{Servers: s.Addr()})
	ctx := testContext(b)
	if _, _, err := c.Create(ctx, "/get", []byte("0123456789"), proto.OpenACL, proto.Persistent, 0); err != nil && !errors.Is(err, proto.ErrNodeExists) {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(256)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := c.Get(ctx, "/get", false); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
