package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/internal/storage"
)

// TestKill kills a server under load, again and again on the same data. After the restart, every
// acknowledged write must be there, in order and complete, with its session.
func TestKill(t *testing.T) {
	rng := random(t)
	c := startChild(t, childOptions{Properties: map[string]string{"snapCount": "300", "preAllocSize": "64", "tickTime": "3000"}})
	writers := make([]*writer, 4)
	for i := range writers {
		writers[i] = newWriter(t, c.addr, i, rng)
	}
	acked, unacked := 0, 0
	rounds(t, 10, func(n int) {
		var wg sync.WaitGroup
		target := int64(rng.IntN(1500))
		var count atomic.Int64
		reached := make(chan struct{})
		for _, w := range writers {
			wg.Go(func() {
				w.run(func() {
					if count.Add(1) == target+1 {
						close(reached)
					}
				})
			})
		}
		select {
		case <-reached:
		case <-time.After(patience):
			t.Errorf("%d writes in %v", count.Load(), patience)
		}
		c.kill()
		wg.Wait()
		for _, w := range writers {
			if w.err != nil {
				t.Errorf("writer %d: %v", w.i, w.err)
			}
			unacked += len(w.pending)
		}
		acked += int(count.Load())
		checkFiles(t, c.opt.Dir)
		c.start()
		for _, w := range writers {
			w.verify()
		}
	})
	t.Logf("%d acknowledged writes, %d more were under way", acked, unacked)
	for _, w := range writers {
		w.conn.Close()
	}
	c.kill()
	checkWithApache(t, c.opt.Dir, writers)
}

// step is one write of a writer and what it does to the state.
type step struct {
	op      proto.Op
	request jute.Record
	fails   proto.Error // the expected answer
	apply   func(state)
}

// state is the content of a writer's part of the tree: path to data and version.
type state map[string]string

// writer makes writes and knows what the tree must contain after each of them.
type writer struct {
	t       *testing.T
	addr    string
	i       int
	root    string
	rng     *rand.Rand
	conn    *wiretest.Client
	next    int
	known   state  // after everything acknowledged
	pending []step // sent, but not acknowledged
	ahead   state  // after everything sent
	ended   bool   // closeSession was sent
	err     error
}

func newWriter(t *testing.T, addr string, i int, rng *rand.Rand) *writer {
	w := &writer{t: t, addr: addr, i: i, root: fmt.Sprintf("/w%d", i), rng: rand.New(rand.NewPCG(rng.Uint64(), 1)), known: state{}, ahead: state{}}
	w.connect()
	if err := w.conn.Call(proto.OpCreate, wiretest.Create(w.root, nil, proto.Persistent), nil); err != nil {
		t.Fatal(err)
	}
	w.known[w.root], w.ahead[w.root] = at(nil, 0), at(nil, 0)
	return w
}

func at(data []byte, version int) string { return fmt.Sprintf("%s v%d", data, version) }

func (w *writer) connect() {
	w.t.Helper()
	conn, err := wiretest.Dial(w.addr, time.Minute, w.conn)
	if err != nil {
		w.t.Fatalf("writer %d, session of before %t: %v", w.i, w.conn != nil, err)
	}
	w.conn = conn
}

const ephemeral = "!" // marks an ephemeral's data

// make returns the next write.
func (w *writer) make() step {
	w.next++
	n := w.next
	path := func(kind string, n int) string { return fmt.Sprintf("%s/%s%08d", w.root, kind, n) }
	data := fmt.Appendf(nil, "%d of %d%s", n, w.i, strings.Repeat(".", w.rng.IntN(200)))
	var here []string
	for p, v := range w.ahead {
		if p != w.root && !strings.HasPrefix(v, ephemeral) {
			here = append(here, p)
		}
	}
	slices.Sort(here)
	version := 0
	_, _ = fmt.Sscanf(w.ahead[w.root][strings.LastIndex(w.ahead[w.root], " v"):], " v%d", &version)
	set := func(s state) { s[w.root] = at(data, version+1) }
	put := func(p string) func(state) { return func(s state) { s[p] = at(data, 0) } }
	kind := w.rng.IntN(10)
	if len(here) > 60 {
		kind = 4
	}
	switch {
	case kind < 2:
		return step{proto.OpSetData, &proto.SetDataRequest{Path: w.root, Data: data, Version: int32(version)}, 0, set}
	case kind < 4:
		p := path("e", n)
		data = append([]byte(ephemeral), data...)
		return step{proto.OpCreate, wiretest.Create(p, data, proto.Ephemeral), 0, func(s state) { s[p] = at(data, 0) }}
	case kind < 6 && len(here) > 0:
		p := here[w.rng.IntN(len(here))]
		return step{proto.OpDelete, &proto.PathVersionRequest{Path: p, Version: -1}, 0, func(s state) { delete(s, p) }}
	case kind < 8 && len(here) > 0:
		a, b, old := path("m", n)+"a", path("m", n)+"b", here[w.rng.IntN(len(here))]
		multi := &proto.MultiRequest{Ops: []proto.MultiOp{
			{Type: proto.OpCreate, Request: wiretest.Create(a, data, proto.Persistent)},
			{Type: proto.OpCreate, Request: wiretest.Create(b, data, proto.Persistent)},
			{Type: proto.OpSetData, Request: &proto.SetDataRequest{Path: w.root, Data: data, Version: int32(version)}},
			{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: old, Version: -1}},
		}}
		if w.rng.IntN(4) == 0 { // the last part fails, and so do all
			multi.Ops = append(multi.Ops, proto.MultiOp{Type: proto.OpCheck, Request: &proto.PathVersionRequest{Path: "/none", Version: 7}})
			return step{proto.OpMulti, multi, 0, func(state) {}}
		}
		return step{proto.OpMulti, multi, 0, func(s state) {
			put(a)(s)
			put(b)(s)
			set(s)
			delete(s, old)
		}}
	case kind == 8 && w.rng.IntN(200) == 0:
		return step{proto.OpCloseSession, nil, 0, func(s state) {
			maps.DeleteFunc(s, func(_, v string) bool { return strings.HasPrefix(v, ephemeral) })
		}}
	case kind == 9:
		return step{proto.OpSetData, &proto.SetDataRequest{Path: w.root, Version: int32(version) + 5}, proto.ErrBadVersion, func(state) {}}
	}
	p := path("p", n)
	return step{proto.OpCreate, wiretest.Create(p, data, proto.Persistent), 0, put(p)}
}

// run writes, many at a time, until the connection ends; it calls acked for each reply.
func (w *writer) run(acked func()) {
	window := 1 + w.rng.IntN(40)
	for w.err == nil {
		for len(w.pending) < window && !w.ended {
			s := w.make()
			s.apply(w.ahead)
			w.pending = append(w.pending, s)
			w.conn.Queue(s.op, s.request)
			w.ended = s.op == proto.OpCloseSession
		}
		if w.conn.Flush() != nil {
			// Replies may have arrived before the end.
			w.drain(acked)
			return
		}
		for range 1 + w.rng.IntN(len(w.pending)) {
			if !w.take(acked) {
				return
			}
		}
		if w.ended && len(w.pending) == 0 {
			w.conn.Close()
			w.conn, w.ended = nil, false
			conn, err := wiretest.Dial(w.addr, time.Minute, nil)
			if err != nil {
				return // killed meanwhile
			}
			w.conn = conn
		}
	}
}

func (w *writer) drain(acked func()) {
	for len(w.pending) > 0 && w.take(acked) {
	}
}

// take receives one reply; it returns false at the connection's end.
func (w *writer) take(acked func()) bool {
	p, err := w.conn.Receive()
	if err != nil {
		return false
	}
	s := w.pending[0]
	if p.Xid != w.conn.Xid-int32(len(w.pending))+1 || p.Err != s.fails {
		w.err = fmt.Errorf("xid %d of %v is answered by xid %d, error %v, want %v", w.conn.Xid-int32(len(w.pending))+1, s.op, p.Xid, p.Err, s.fails)
		return false
	}
	s.apply(w.known)
	w.pending = w.pending[1:]
	acked()
	return true
}

// verify compares the tree with what was acknowledged and what was in flight, resumes the session,
// and continues from what it found.
func (w *writer) verify() {
	w.t.Helper()
	reader, err := wiretest.Dial(w.addr, time.Minute, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	found := readState(w.t, reader, w.root)
	if err := reader.End(); err != nil {
		w.t.Fatal(err)
	}
	closed := false
	for n := 0; ; n++ {
		if maps.Equal(found, w.known) {
			break
		}
		if n == len(w.pending) {
			w.t.Fatalf("writer %d: the tree is that after no number of its writes:\n%s", w.i, difference(found, w.known))
		}
		w.pending[n].apply(w.known)
		closed = closed || w.pending[n].op == proto.OpCloseSession
	}
	if w.conn != nil && closed {
		if _, err := wiretest.Dial(w.addr, time.Minute, w.conn); !errors.Is(err, wiretest.ErrOver) {
			w.t.Errorf("writer %d: its session has been closed, but can be resumed: %v", w.i, err)
		}
		w.conn = nil
	}
	if w.ended && !closed && !slices.ContainsFunc(slices.Collect(maps.Values(found)), func(v string) bool { return strings.HasPrefix(v, ephemeral) }) {
		// Without ephemerals, the tree does not show whether the session is closed.
		if conn, err := wiretest.Dial(w.addr, time.Minute, w.conn); errors.Is(err, wiretest.ErrOver) {
			w.conn = nil
		} else if err == nil {
			conn.Close()
		}
	}
	w.pending, w.ended = nil, false
	w.ahead = maps.Clone(w.known)
	w.connect()
}

func difference(found, want state) string {
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if f, ok := found[p]; !ok || f != want[p] {
			fmt.Fprintf(&b, "%s: found %q, want %q\n", p, f, want[p])
		}
	}
	for _, p := range slices.Sorted(maps.Keys(found)) {
		if _, ok := want[p]; !ok {
			fmt.Fprintf(&b, "%s: found %q, want none\n", p, found[p])
		}
	}
	return b.String()
}

// readState reads a znode and its children.
func readState(t testing.TB, w *wiretest.Client, root string) state {
	t.Helper()
	var kids proto.GetChildrenResponse
	if err := w.Call(proto.OpGetChildren, &proto.PathWatchRequest{Path: root}, &kids); err != nil {
		t.Fatalf("read %s: %v", root, err)
	}
	s := state{}
	for _, p := range append([]string{""}, kids.Children...) {
		p = path.Join(root, p)
		var got proto.GetDataResponse
		if err := w.Call(proto.OpGetData, &proto.PathWatchRequest{Path: p}, &got); err != nil {
			t.Fatalf("read %s: %v", p, err)
		}
		s[p] = at(got.Data, int(got.Stat.Version))
	}
	return s
}

// checkFiles reads a data directory as the tools do: the only fault may be a truncated tail, and
// every digest must agree.
func checkFiles(t testing.TB, dir string) {
	t.Helper()
	d, err := storage.ReadDir(filepath.Join(dir, "version-2"))
	if err != nil {
		t.Fatal(err)
	}
	var digests storage.DigestCheck
	_, faults, err := d.Load(context.Background(), storage.LoadOptions{Digests: &digests})
	if err != nil {
		t.Errorf("load %s: %v", dir, err)
	}
	for _, f := range faults {
		if f.Kind != storage.CutOff && f.Kind != storage.BadEnd && f.Kind != storage.NotAFile {
			t.Error(f)
		}
	}
	if digests.Failed > 0 {
		t.Errorf("%d of %d digests do not agree, first: %v", digests.Failed, digests.Compared, digests.Faults)
	}
}

// checkWithApache makes Apache ZooKeeper's tools and server read a data directory.
func checkWithApache(t *testing.T, dir string, writers []*writer) {
	in := apachetest.Require(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	d, err := storage.ReadDir(filepath.Join(dir, "version-2"))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Snapshots) < 2 || len(d.Logs) < 2 {
		t.Errorf("%d snapshots and %d logs: too few to be a test of them", len(d.Snapshots), len(d.Logs))
	}
	for class, file := range map[string]storage.File{
		"org.apache.zookeeper.server.SnapshotFormatter":         d.Snapshots[len(d.Snapshots)-1],
		"org.apache.zookeeper.server.persistence.TxnLogToolkit": d.Logs[len(d.Logs)-1],
	} {
		if out, err := in.JavaCommand(ctx, class, file.Path).CombinedOutput(); err != nil || strings.Contains(string(out), "CRC ERROR") {
			t.Errorf("%s %s: %v\n%s", class, file.Path, err, out[max(0, len(out)-2000):])
		}
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s := apachetest.Test(t, apache.Options{Dir: copied})
	w, err := wiretest.Dial(s.Addr(), time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, one := range writers {
		if found := readState(t, w, one.root); !maps.Equal(found, one.known) {
			t.Errorf("Apache ZooKeeper finds another tree:\n%s", difference(found, one.known))
		}
	}
}
