package commands

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// grow creates root and a tree of n znodes below it, with fan children per znode.
func (b *bench) grow(root string, n, fan int) []string {
	b.t.Helper()
	conn, err := b.session.Conn()
	if err != nil {
		b.t.Fatal(err)
	}
	paths := []string{root}
	for i := 0; len(paths) <= n; i++ {
		for j := 0; j < fan && len(paths) <= n; j++ {
			paths = append(paths, fmt.Sprintf("%s/n%d", paths[i], j))
		}
	}
	for part := range slices.Chunk(paths, 2000) {
		ops := make([]proto.MultiOp, len(part))
		for i, p := range part {
			ops[i] = client.CreateOp(p, []byte("x"), proto.OpenACL, proto.Persistent, 0)
		}
		if _, err := conn.Multi(b.ctx, ops); err != nil {
			b.t.Fatal(err)
		}
	}
	return paths
}

// left returns how many znodes are at and below root.
func (b *bench) left(root string) int {
	b.t.Helper()
	conn, err := b.session.Conn()
	if err != nil {
		b.t.Fatal(err)
	}
	below, err := conn.AllChildrenNumber(b.ctx, root)
	if errors.Is(err, proto.ErrNoNode) {
		return 0
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return int(below) + 1
}

func TestBatches(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		paths := []string{"/r"}
		for range random.IntN(300) {
			parent := paths[max(0, len(paths)-1-random.IntN(40))]
			paths = append(paths, fmt.Sprintf("%s/%d", parent, len(paths)))
		}
		slices.SortStableFunc(paths, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
		size := 1 + random.IntN(50)
		all := batches(paths, size)
		where := map[string]int{}
		var back []string
		for i, b := range all {
			if len(b.paths) > size || len(b.paths) == 0 || b.after > i {
				t.Fatalf("batch %d of %d znodes, limit %d, comes after %d", i, len(b.paths), size, b.after)
			}
			for _, p := range b.paths {
				where[p] = i
			}
			back = append(back, b.paths...)
		}
		if !slices.Equal(back, paths) {
			t.Fatal("batches lose or reorder paths")
		}
		for p, i := range where {
			parent := p[:strings.LastIndexByte(p, '/')]
			if up, ok := where[parent]; ok && up != i && all[up].after <= i {
				t.Fatalf("%s in batch %d, its parent in batch %d, which waits only for those below %d", p, i, up, all[up].after)
			}
		}
	}
	long := make([]string, 10)
	for i := range long {
		long[i] = fmt.Sprintf("/%d%s", i, strings.Repeat("x", batchBytes/4))
	}
	for _, b := range batches(long, 1000) {
		if len(b.paths) > 3 {
			t.Errorf("a batch of %d long paths is beyond %d bytes", len(b.paths), batchBytes)
		}
	}
}

func TestDeleteAllLarge(t *testing.T) {
	b := newBench(t)
	for _, shape := range []struct{ n, fan int }{{5000, 5000}, {5000, 10}, {3000, 2}, {300, 1}} {
		b.grow("/big", shape.n, shape.fan)
		b.must("deleteall /big")
		if n := b.left("/big"); n != 0 {
			t.Errorf("%d znodes with %d children each: %d left", shape.n, shape.fan, n)
		}
	}
	b.grow("/big", 300, 10)
	b.must("deleteall -b 7 /big")
	if n := b.left("/big"); n != 0 {
		t.Errorf("%d left", n)
	}
}

// Other clients delete and create znodes in the tree while it is being deleted.
func TestDeleteAllOfAChangingTree(t *testing.T) {
	b := newBench(t)
	paths := b.grow("/big", 5000, 10)
	conn, err := b.session.Conn()
	if err != nil {
		t.Fatal(err)
	}
	other := sessionWith(b.session.Servers())
	defer other.Close()
	disturber, err := other.Conn()
	if err != nil {
		t.Fatal(err)
	}
	step := 0
	d := deletion{conn: conn, size: 500}
	disturb := func() {
		step++
		for i := step * 97 % 400; i < 4000; i += 400 {
			_, _, _ = disturber.Create(b.ctx, paths[i]+"/late", nil, proto.OpenACL, proto.Persistent, 0)
			_ = disturber.Delete(b.ctx, paths[len(paths)-1-i], -1)
		}
		if step < 3 {
			_, _, _ = disturber.Create(b.ctx, "/big/late/", nil, proto.OpenACL, proto.PersistentSequential, 0)
		}
	}
	d.progress = disturb
	tree, err := readTree(b.ctx, b.env, conn, "/big", maxTree)
	if err != nil {
		t.Fatal(err)
	}
	disturb()
	if err := d.run(b.ctx, tree.bottomUp()); err != nil {
		t.Fatal(err)
	}
	if n := b.left("/big"); n != 0 || d.deleted != len(paths) || step < 3 {
		t.Errorf("%d left, %d deleted of %d, %d disturbances", n, d.deleted, len(paths), step)
	}
}

func TestDeleteAllInterrupted(t *testing.T) {
	b := newBench(t)
	paths := b.grow("/big", 5000, 5000)
	conn, err := b.session.Conn()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	d := deletion{conn: conn, size: 100, progress: cancel}
	tree, err := readTree(ctx, b.env, conn, "/big", maxTree)
	if err != nil {
		t.Fatal(err)
	}
	err = d.run(ctx, tree.bottomUp())
	if !errors.Is(err, context.Canceled) || d.deleted == 0 || d.unsure != 0 {
		t.Fatalf("%v; %d deleted, %d unsure", err, d.deleted, d.unsure)
	}
	if n := b.left("/big"); n != len(paths)-d.deleted {
		t.Errorf("it says %d of %d are deleted, and %d are left", d.deleted, len(paths), n)
	}

	// The same through the command, cancelled at its first request.
	cancelled, stop := context.WithCancel(b.ctx)
	stop()
	err = command.Run(cancelled, b.env, command.Args("deleteall", "/big"))
	var exit *ui.ExitError
	if !errors.As(err, &exit) || exit.Code != ui.ExitInterrupted || err.Error() != "interrupted: nothing was deleted" {
		t.Errorf("error %v, want exit code %d and that nothing was deleted", err, ui.ExitInterrupted)
	}
	stopping, stop := context.WithCancel(b.ctx)
	defer stop()
	b.env.Streams.ErrTTY = true
	b.env.Streams.Err = writerFunc(func(p []byte) (int, error) { return b.err.Write(p) })
	time.AfterFunc(5*time.Millisecond, stop)
	err = command.Run(stopping, b.env, command.Args("deleteall", "-b", "1", "/big"))
	if !errors.As(err, &exit) || exit.Code != ui.ExitInterrupted || !strings.Contains(err.Error(), "interrupted: ") {
		t.Errorf("error %v, want exit code %d", err, ui.ExitInterrupted)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestDeleteAllAsks(t *testing.T) {
	b := newBench(t)
	b.grow("/big", 150, 150)
	b.grow("/small", 20, 20)
	b.env.Streams.InTTY = true
	answer := func(s string) { b.env.Streams.In = strings.NewReader(s) }
	answer("n\n")
	if _, stderr, exit := b.run("deleteall /big"); exit != 1 || !strings.Contains(stderr, "Delete /big and the 150 znodes below it?") || b.left("/big") != 151 {
		t.Errorf("after no: exit %d, %s, %d left", exit, stderr, b.left("/big"))
	}
	answer("y\n")
	b.must("deleteall /big")
	if b.left("/big") != 0 {
		t.Error("after yes it is still there")
	}
	answer("")
	b.must("deleteall /small")
	b.grow("/big", 150, 150)
	b.must("deleteall -y /big")
}

func TestDeleteAllWithoutPermission(t *testing.T) {
	b := newBench(t)
	b.grow("/big", 1500, 1500)
	b.must("create /big/locked x world:anyone:ra") // no d: its children stay
	b.must("setAcl /big/locked world:anyone:cra")
	b.must("create /big/locked/child x")
	_, stderr, exit := b.run("deleteall /big")
	if exit != 1 || !strings.Contains(stderr, "Insufficient permission : /big/locked/child") || !strings.Contains(stderr, "deleted 1,500 of 1,503 znodes") {
		t.Errorf("exit %d: %s", exit, stderr)
	}
	if n := b.left("/big"); n != 3 { // /big, locked and its child
		t.Errorf("%d left", n)
	}
}
