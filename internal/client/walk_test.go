package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
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
	err := c.Walk(ctx, root, WalkOptions{}, func(z *Walked) error {
		for _, name := range z.Children {
			lines = append(lines, z.Path+"/"+name)
		}
		return z.Err
	})
	return lines, err
}

// slowLsR requests znodes one by one, as zkCli does.
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

	visits, last := 0, 0
	err = c.Walk(ctx, "/walk", WalkOptions{Progress: func(found int) { last = found }}, func(z *Walked) error {
		visits++
		return z.Err
	})
	if err != nil || visits != len(paths) || last != len(paths) {
		t.Errorf("%v, %d visits, progress to %d, want %d", err, visits, last, len(paths))
	}
}

// TestWalkHoldsLittle walks a tree with hardly any room for pending znodes.
func TestWalkHoldsLittle(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	c := open(t, Config{Servers: servers})
	plant(t, c, forest("/little", 7, 11, 13))
	want := slowLsR(t, c, "/little", []string{"/little"})
	for _, watch := range []bool{false, true} {
		for _, room := range []int{0, 1 << 10, 10 << 10} {
			most := 0
			lines := []string{"/little"}
			var w *walk
			w = newWalk(c, WalkOptions{Watch: watch}, func(z *Walked) error {
				for _, name := range z.Children {
					lines = append(lines, z.Path+"/"+name)
				}
				most = max(most, w.ahead)
				return z.Err
			})
			w.room = room
			if err := w.run(ctx, "/little"); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(lines, want) {
				t.Errorf("room %d: %d lines, want %d", room, len(lines), len(want))
			}
			if w.ahead != 0 || w.above != 0 || len(w.way) != 0 || w.open.after != &w.open {
				t.Errorf("room %d: at the end there are %d bytes ahead and %d above", room, w.ahead, w.above)
			}
			// Besides the room, a list and the znodes of each batch, whose own lists have been dropped.
			if bound := 2*room + walkBatches*(w.longest+maxParts*(nodeBytes+40)); most > bound {
				t.Errorf("room %d: %d bytes were held, at most %d are expected", room, most, bound)
			}
		}
	}
}

// TestWalkBesideChanges: znodes created and deleted meanwhile do not confuse the walk.
func TestWalkBesideChanges(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	c, other := open(t, Config{Servers: servers}), open(t, Config{Servers: servers})
	plant(t, c, forest("/beside", 20, 20))
	n := 0
	w := newWalk(c, WalkOptions{}, nil)
	w.room = 0
	w.visit = func(z *Walked) error {
		n++
		for _, name := range z.Children {
			if child := z.Path + "/" + name; n%3 == 0 {
				_ = other.Delete(ctx, child, -1)
			} else if n%5 == 0 {
				_, _, _ = other.Create(ctx, child+"/new", nil, proto.OpenACL, proto.Persistent, 0)
			}
		}
		if z.Err != nil && !errors.Is(z.Err, proto.ErrNoNode) {
			return z.Err
		}
		return nil
	}
	if err := w.run(ctx, "/beside"); err != nil || n < 421 || w.ahead != 0 || w.above != 0 {
		t.Errorf("%d visits, %v, %d bytes ahead, %d above", n, err, w.ahead, w.above)
	}
}

// TestWalkWatches: each listed znode is watched.
func TestWalkWatches(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	events := make(chan Event, 100)
	c := open(t, Config{Servers: servers, OnEvent: func(e Event) {
		if e.Path != "" {
			events <- e
		}
	}})
	plant(t, c, forest("/watched", 3, 2))
	n := 0
	if err := c.Walk(ctx, "/watched", WalkOptions{Watch: true}, func(z *Walked) error { n++; return z.Err }); err != nil || n != 10 {
		t.Fatalf("%d znodes, %v", n, err)
	}
	create(t, c, "/watched/a0001/b0000/new", proto.Persistent)
	select {
	case e := <-events:
		if e.Path != "/watched/a0001/b0000" || e.Type != proto.EventNodeChildrenChanged {
			t.Errorf("event %+v", e)
		}
	case <-ctx.Done():
		t.Error("no event")
	}
}

// serveLists serves a tree in which each znode has the children that names returns for its path.
func serveLists(t *testing.T, multi bool, names func(path string) []string) string {
	return serve(t, func(_ int, p *wiretest.Peer) {
		_ = p.SetDeadline(time.Time{})
		p.Welcome(30 * time.Second)
		for {
			h, body, ok := p.Request()
			switch {
			case !ok:
				return
			case h.Type == proto.OpGetChildren:
				var req proto.PathWatchRequest
				_ = jute.Unmarshal(body, &req)
				p.Reply(h, &proto.GetChildrenResponse{Children: names(req.Path)})
			case h.Type == proto.OpMultiRead && multi:
				var req proto.MultiRequest
				_ = jute.Unmarshal(body, &req)
				var res proto.MultiResponse
				for _, op := range req.Ops {
					list := names(op.Request.(*proto.PathWatchRequest).Path)
					res.Results = append(res.Results, proto.MultiResult{Type: proto.OpGetChildren, Children: list})
				}
				p.Reply(h, &res)
			default:
				p.Send(&proto.ReplyHeader{Xid: h.Xid, Err: proto.ErrUnimplemented})
				return
			}
		}
	})
}

// TestWalkEndless: an endless tree, wide or deep, ends the walk.
func TestWalkEndless(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, names := range [][]string{{"a", "b", "c", "d", "e", "f", "g", "h"}, {long}} {
		for _, multi := range []bool{true, false} {
			c := open(t, Config{Servers: serveLists(t, multi, func(string) []string { return slices.Clone(names) })})
			most := 0
			var w *walk
			w = newWalk(c, WalkOptions{}, func(z *Walked) error {
				most = max(most, w.ahead+w.above)
				return z.Err
			})
			w.room = 1 << 16
			if len(names) > 1 {
				w.most = 1 << 20
			}
			if err := w.run(testContext(t), "/x"); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%d names, multi %v: %v", len(names), multi, err)
			}
			if most > w.most+1<<20 {
				t.Errorf("%d names, multi %v: %d bytes were held", len(names), multi, most)
			}
		}
	}
}

// TestWalkLongReplies: a reply that is longer than the client accepts loses no znode, and lists
// without room are requested again.
func TestWalkLongReplies(t *testing.T) {
	wide := make([]string, 1000)
	for i := range wide {
		wide[i] = fmt.Sprintf("child-%04d", i)
	}
	for _, multi := range []bool{true, false} {
		c := open(t, Config{MaxPacket: 60_000, Servers: serveLists(t, multi, func(path string) []string {
			switch strings.Count(path, "/") {
			case 1:
				return slices.Clone(wide[:30])
			case 2:
				return slices.Clone(wide)
			}
			return nil
		})})
		n, last := 0, ""
		w := newWalk(c, WalkOptions{}, func(z *Walked) error {
			if z.Path <= last {
				t.Fatalf("%s comes after %s", z.Path, last)
			}
			n++
			last = z.Path
			return z.Err
		})
		w.room = 50_000
		if err := w.run(testContext(t), "/x"); err != nil || n != 1+30+30*1000 {
			t.Errorf("multi %v: %d znodes, %v", multi, n, err)
		}
	}
}

func TestWalkStops(t *testing.T) {
	servers := home(t)
	c := open(t, Config{Servers: servers})
	plant(t, c, forest("/stops", 30, 30))
	ctx, cancel := context.WithCancel(testContext(t))
	err := c.Walk(ctx, "/stops", WalkOptions{}, func(*Walked) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	n := 0
	err = c.Walk(testContext(t), "/stops", WalkOptions{}, func(*Walked) error { n++; return fs.SkipAll })
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
	if err := c.Walk(ctx, "/paths", WalkOptions{}, func(z *Walked) error { got[z.Path] = z.Err; return nil }); err != nil {
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
		if err := c.Walk(testContext(b), "/big", WalkOptions{}, func(z *Walked) error {
			n += len(z.Children)
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
