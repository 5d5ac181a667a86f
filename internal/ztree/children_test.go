package ztree

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// The table of children has the same content as a map, whatever is added and removed, and a paused
// and resumed iteration visits each remaining child once.
func TestChildren(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 5))
	k, want := &children{}, map[string]*Node{}
	check := func() {
		got := map[string]*Node{}
		k.each(func(n *Node) {
			if got[n.name()] != nil {
				t.Fatalf("%s twice", n.name())
			}
			got[n.name()] = n
		})
		if !maps.Equal(got, want) || int(k.count) != len(want) {
			t.Fatalf("%d children, want %d", len(got), len(want))
		}
	}
	change := func(names int) {
		name := fmt.Sprint("n", r.IntN(names))
		switch n := want[name]; {
		case n == nil && k.get(name) != nil, n != nil && k.get(name) != n:
			t.Fatal(name)
		case n == nil:
			n = newNode(nil, name, nil, 0, proto.StatPersisted{})
			k.add(n)
			want[name] = n
		default:
			k.remove(n)
			delete(want, name)
		}
	}
	for _, names := range []int{10, 100, 5000} {
		for range 4 * names {
			change(names)
		}
		check()
	}
	stays := maps.Clone(want)
	met := map[*Node]int{}
	for at := uint64(0); at < endOfHashes; {
		var list []*Node
		if list, at = k.from(at, nil); len(list) > leafSize {
			t.Fatalf("%d at once", len(list))
		}
		for _, n := range list {
			met[n]++
		}
		for range 20 {
			change(10000)
		}
	}
	maps.DeleteFunc(stays, func(name string, n *Node) bool { return want[name] != n })
	for name, n := range stays {
		if met[n] != 1 {
			t.Errorf("%s was met %d times", name, met[n])
		}
	}
	check()
}

// A walk in steps, with changes in between, yields each znode that existed at its start and still
// does, once, parents first.
func TestFuzzyWalk(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 6))
	tree := New()
	zxid := int64(0)
	paths := []string{""}
	change := func() {
		zxid++
		if r.IntN(3) > 0 || len(paths) < 500 {
			path := fmt.Sprintf("%s/n%d", paths[r.IntN(len(paths))], zxid)
			if r.IntN(4) == 0 {
				path = fmt.Sprintf("/n%d", zxid) // the root gets many children
			}
			do(tree, zxid, proto.OpCreate, create(path, "", -1))
			paths = append(paths, path)
			return
		}
		i := 1 + r.IntN(len(paths)-1)
		if n := tree.Get(paths[i]); n.NumChildren() == 0 {
			do(tree, zxid, proto.OpDelete, &proto.DeleteTxn{Path: paths[i]})
			paths = slices.Delete(paths, i, i+1)
		}
	}
	for range 3000 {
		change()
	}
	stays := maps.Collect(tree.All())
	began := zxid
	w := tree.Fuzzy()
	met := map[string]bool{}
	for {
		path, n, ok := w.Next()
		if !ok {
			break
		}
		if path = strings.Clone(path); path == "" {
			path = "/"
		}
		if met[path] || n.czxid > began || tree.Get(path) != n {
			t.Fatal(path)
		}
		if parent, _, ok := Split(path); ok && parent != "" && !met[parent] {
			t.Fatalf("%s before its parent", path)
		}
		met[path] = true
		for range r.IntN(3) {
			change()
		}
	}
	before := len(stays)
	maps.DeleteFunc(stays, func(path string, n *Node) bool { return tree.Get(path) != n })
	for path := range stays {
		if !met[path] {
			t.Errorf("%s is missing", path)
		}
	}
	if zxid == began || len(stays) == before {
		t.Error("nothing changed meanwhile")
	}
}
