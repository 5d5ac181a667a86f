package completions

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

// fakeTree has the znodes whose paths are its keys.
type fakeTree struct {
	mu       sync.Mutex
	nodes    map[string]proto.Stat
	children map[string]int // requests for the children of a znode
	block    chan struct{}  // requests wait until it is closed, unless nil
}

func newFakeTree(paths ...string) *fakeTree {
	t := &fakeTree{nodes: map[string]proto.Stat{"/": {}}, children: map[string]int{}}
	for _, p := range paths {
		t.add(p)
	}
	return t
}

func (t *fakeTree) add(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.create(node)
}

func (t *fakeTree) create(node string) {
	if _, ok := t.nodes[node]; ok {
		return
	}
	t.create(path.Dir(node))
	t.nodes[node] = proto.Stat{DataLength: 1}
	parent := t.nodes[path.Dir(node)]
	parent.NumChildren++
	parent.Cversion++
	t.nodes[path.Dir(node)] = parent
}

func (t *fakeTree) wait(ctx context.Context) error {
	t.mu.Lock()
	block := t.block
	t.mu.Unlock()
	if block == nil {
		return nil
	}
	select {
	case <-block:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *fakeTree) Children(ctx context.Context, node string, _ bool) ([]string, proto.Stat, error) {
	if err := t.wait(ctx); err != nil {
		return nil, proto.Stat{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.children[node]++
	stat, ok := t.nodes[node]
	if !ok {
		return nil, proto.Stat{}, proto.ErrNoNode
	}
	var names []string
	for p := range t.nodes {
		if p != "/" && path.Dir(p) == node {
			names = append(names, path.Base(p))
		}
	}
	return names, stat, nil
}

func (t *fakeTree) Exists(ctx context.Context, node string, _ bool) (proto.Stat, error) {
	if err := t.wait(ctx); err != nil {
		return proto.Stat{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	stat, ok := t.nodes[node]
	if !ok {
		return stat, proto.ErrNoNode
	}
	return stat, nil
}

func (t *fakeTree) GetConfig(context.Context, bool) ([]byte, proto.Stat, error) {
	return []byte("server.1=zk1:2888:3888:participant;2181\nserver.12=zk2:2888:3888:observer;2181\nversion=100000003\n"), proto.Stat{}, nil
}

func (t *fakeTree) requests(node string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.children[node]
}

// wideTree is a parent with very many children.
type wideTree struct{ names []string }

func newWideTree(n int) *wideTree {
	t := &wideTree{}
	for i := range n {
		t.names = append(t.names, fmt.Sprintf("node-%06d", (i*7919)%n)) // in no order, as from a server
	}
	return t
}

func (t *wideTree) Children(_ context.Context, node string, _ bool) ([]string, proto.Stat, error) {
	if node != "/wide" {
		return nil, proto.Stat{}, proto.ErrNoNode
	}
	return slices.Clone(t.names), proto.Stat{NumChildren: int32(len(t.names))}, nil
}

func (t *wideTree) Exists(context.Context, string, bool) (proto.Stat, error) {
	return proto.Stat{}, nil
}

func (t *wideTree) GetConfig(context.Context, bool) ([]byte, proto.Stat, error) {
	return nil, proto.Stat{}, proto.ErrUnimplemented
}

func TestWideParent(t *testing.T) {
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(newWideTree(100_000))})
	r := c.Complete(testContext(t), "ls /wide/node-01", 16, "/")
	if r.Total != 10_000 || len(r.Suggestions) != Limit || r.Common != "/wide/node-01" || r.Suggestions[0].Label != "node-010000" {
		t.Errorf("total %d, %d suggestions, common %s, first %+v", r.Total, len(r.Suggestions), r.Common, r.Suggestions[0])
	}
	if r := c.Lookup("ls /wide/node-01234", 19, "/"); r.Total != 10 || r.Pending {
		t.Errorf("total %d, pending %v", r.Total, r.Pending)
	}
}

// The first answer must take less than 150 ms, a further key less than 5 ms.
func BenchmarkWideParent(b *testing.B) {
	tree := newWideTree(100_000)
	ctx := testContext(b)
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree)})
			if r := c.Complete(ctx, "ls /wide/node-0", 15, "/"); r.Total != 100_000 {
				b.Fatal(r.Total)
			}
		}
	})
	b.Run("key", func(b *testing.B) {
		c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree), TTL: time.Hour})
		c.Complete(ctx, "ls /wide/", 9, "/")
		lines := []string{"ls /wide/n", "ls /wide/node-0", "ls /wide/node-01", "ls /wide/node-012345"}
		for i := 0; b.Loop(); i++ {
			line := lines[i%len(lines)]
			if r := c.Lookup(line, len(line), "/"); r.Total == 0 {
				b.Fatal(line)
			}
		}
	})
}

func FuzzLookup(f *testing.F) {
	for _, s := range []string{"", "ls /a", "ls '/my d", `get "/a\`, "create /x @f", "setAcl /x world:anyone:c,", "ls / > ", "ls -o=", "# x",
		"connect a,b", "set -v -1 /a/日本", "ls \xff\xfe/", "help ", "ls -- -", "> >> |"} {
		f.Add(s, len(s), "/app")
	}
	tree := newFakeTree("/a/b", "/app/my dir/x", "/app/日本")
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree), Servers: func() []Suggestion { return []Suggestion{{Text: "a:1,b:2/c"}} }, TTL: time.Hour})
	f.Fuzz(func(t *testing.T, line string, pos int, dir string) {
		if !strings.HasPrefix(dir, "/") || strings.Contains(line, "@") { // no files
			dir = "/"
		}
		r := c.Lookup(line, pos, dir)
		if r.Start < 0 || r.Start > len(line) || len(r.Suggestions) > r.Total || len(r.Suggestions) > Limit {
			t.Fatalf("%q at %d: %+v", line, pos, r)
		}
		if r.Total > 0 && r.Start > max(0, pos) {
			t.Fatalf("%q at %d: the word begins at %d", line, pos, r.Start)
		}
	})
}
