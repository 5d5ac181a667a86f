package follow

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
)

// TestKnown compares known with a map of paths.
func TestKnown(t *testing.T) {
	for _, root := range []string{"/", "/a/b"} {
		random, k, want := rand.New(rand.NewSource(1)), newKnown(root), map[string]int64{}
		for i := range 20_000 {
			path := root
			for range random.Intn(4) {
				if path == "/" {
					path = ""
				}
				path += fmt.Sprintf("/%d", random.Intn(9))
			}
			if id := k.find(path, false); random.Intn(2) == 0 && want[path] != 0 {
				k.forget(id)
				delete(want, path)
			} else {
				id = k.find(path, true)
				k.node(id).Version = Version{Mzxid: int64(i + 1), seen: uint32(i%2 + 1)}
				want[path] = int64(i + 1)
			}
		}
		var found []string
		for _, id := range append(k.unseen(1), k.unseen(2)...) {
			path := k.path(id)
			found = append(found, path)
			if got := k.node(id).Mzxid; got != want[path] || k.find(path, false) != id {
				t.Errorf("%s: %d, want %d", path, got, want[path])
			}
		}
		slices.Sort(found)
		if n := len(found); n != len(want) || len(slices.Compact(found)) != n {
			t.Errorf("%s: %d znodes, want %d", root, n, len(want))
		}
		for path := range want {
			k.forget(k.find(path, false))
		}
		if k.n != 0 || slices.ContainsFunc(k.index, func(id uint32) bool { return id != 0 }) {
			t.Errorf("%s: %d ids are left", root, k.n)
		}
	}
}
