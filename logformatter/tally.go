package logformatter

import (
	"cmp"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
)

// tallyLimit limits how many keys a tally distinguishes, so that its size does not grow with the
// log.
const tallyLimit = 10_000

// tally counts transactions by key.
type tally[K comparable] struct {
	keys   map[K]*count
	others count // keys beyond the limit
}

// count is a number of transactions and the bytes of their records.
type count struct{ txns, bytes int64 }

func (c *count) add(bytes int) { c.txns++; c.bytes += int64(bytes) }

func newTally[K comparable]() tally[K] { return tally[K]{keys: map[K]*count{}} }

func (t *tally[K]) add(key K, bytes int) {
	c := t.keys[key]
	if c == nil {
		if len(t.keys) >= tallyLimit {
			t.others.add(bytes)
			return
		}
		c = &count{}
		t.keys[key] = c
	}
	c.add(bytes)
}

// ranking is a key with its count.
type ranking[K comparable] struct {
	key K
	count
}

// ranked returns the n keys with the most transactions, and the sum of the rest.
func (t *tally[K]) ranked(n int, less func(a, b K) int) (top []ranking[K], rest count, keys int) {
	for key, c := range t.keys {
		top = append(top, ranking[K]{key, *c})
	}
	slices.SortFunc(top, func(a, b ranking[K]) int {
		if d := cmp.Compare(b.txns, a.txns); d != 0 {
			return d
		}
		return less(a.key, b.key)
	})
	rest = t.others
	keys = len(top)
	if len(top) > n {
		for _, c := range top[n:] {
			rest.txns += c.txns
			rest.bytes += c.bytes
		}
		top = top[:n]
	}
	return top, rest, keys
}

// pathTally is a tally of paths, cut to a depth.
type pathTally struct {
	tally[string]
	depth int
}

func (t *pathTally) add(path []byte, bytes int) {
	path = cutPath(path, t.depth)
	if c := t.keys[string(path)]; c != nil { // looking it up must not copy the path
		c.add(bytes)
		return
	}
	t.tally.add(string(path), bytes)
}

// cutPath returns the first depth components of the path.
func cutPath(path []byte, depth int) []byte {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			if depth--; depth == 0 {
				return path[:i]
			}
		}
	}
	return path
}

// typeCount is the count for one type of transaction.
type typeCount struct {
	count
	parts int64 // of a multi
}

type typeTally map[proto.Op]*typeCount

func (t typeTally) of(op proto.Op) *typeCount {
	c := t[op]
	if c == nil {
		c = &typeCount{}
		t[op] = c
	}
	return c
}
