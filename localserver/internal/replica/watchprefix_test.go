package replica

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// prefixes find the same as a walk from parent to parent, and end up empty.
func TestPrefixes(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	path := func() string {
		p := ""
		for range rng.IntN(5) {
			p += "/" + []string{"a", "b", "ab", "a.b"}[rng.IntN(4)]
		}
		if p == "" {
			return "/"
		}
		return p
	}
	var trie prefixes
	set := map[string]uint32{}
	for n := range 20_000 {
		p := path()
		if _, there := set[p]; there {
			delete(set, p)
			trie.drop(p)
		} else if rng.IntN(3) == 0 {
			set[p] = uint32(n + 1)
			trie.put(p, uint32(n+1))
		}
		at := path()
		var want, got []uint32
		for up := parentOf(at); up != ""; up = parentOf(up) {
			if place := set[up]; place != 0 {
				want = append(want, place)
			}
		}
		slices.Reverse(want)
		if trie.above(at, func(place uint32) { got = append(got, place) }); !slices.Equal(got, want) {
			t.Fatalf("above %q are %v, want %v of %v", at, got, want, set)
		}
		if size := trie.size(); size > 2*len(set)+1 {
			t.Fatalf("%d parts for %d paths", size, len(set))
		}
	}
	for p := range set {
		trie.drop(p)
	}
	if trie.place != 0 || len(trie.below) != 0 {
		t.Errorf("%+v is left", trie)
	}
}

// Paths that cannot be above a znode are skipped.
func TestPrefixesOfNoPaths(t *testing.T) {
	var trie prefixes
	for _, path := range []string{"", "a", "a/b", "/a/", "//", strings.Repeat("/", 5)} {
		trie.put(path, 1)
		trie.drop(path)
		trie.above(path, func(uint32) { t.Errorf("%q has something above it", path) })
	}
}

func (p *prefixes) size() int {
	n := 1
	for _, below := range p.below {
		n += below.size()
	}
	return n
}
