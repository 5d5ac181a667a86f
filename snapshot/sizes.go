package snapshot

import (
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/storage"
)

// sizes is what SnapshotComparer compares: every znode with the size of its subtree.
type sizes struct {
	file    string
	levels  [][]sized // by depth, each in the order of Java's strings
	count   int
	bytes   int64         // of data
	read    time.Duration // reading and decoding the file
	process time.Duration // the rest
}

// sized is a znode. Its label is its path, or "" for the root.
type sized struct {
	label string
	bytes int64 // of data, its own and of those below it
	below int64 // znodes below it
}

// place is the position of a znode: sizes.levels[depth][index], before the levels are sorted.
type place struct {
	path         string
	depth, index int
}

func readSizes(path string) (*sizes, error) {
	s := &sizes{file: path}
	begin := time.Now()
	var stack []place
	var text arena
	leave := func() { // a subtree is complete: add its totals to its parent's
		last := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if len(stack) > 0 {
			up := stack[len(stack)-1]
			from, to := &s.levels[last.depth][last.index], &s.levels[up.depth][up.index]
			to.bytes += from.bytes
			to.below += from.below + 1
		}
	}
	im := &fileImage{path: path}
	err := im.each(func(n *storage.Node) error {
		for len(stack) > 0 && !isBelow(n.Path, stack[len(stack)-1].path) {
			leave()
		}
		depth := len(stack)
		if depth != strings.Count(n.Path, "/") {
			return outOfOrder(path, n)
		}
		if depth == len(s.levels) {
			s.levels = append(s.levels, nil)
		}
		label := text.keep(n.Path)
		s.levels[depth] = append(s.levels[depth], sized{label: label, bytes: int64(len(n.Data))})
		stack = append(stack, place{label, depth, len(s.levels[depth]) - 1})
		s.count++
		s.bytes += int64(len(n.Data))
		return nil
	})
	if err != nil && !im.whole() {
		return nil, err
	}
	for len(stack) > 0 {
		leave()
	}
	s.read = time.Since(begin)
	begin = time.Now()
	for _, level := range s.levels {
		slices.SortFunc(level, func(a, b sized) int { return compareJava(a.label, b.label) })
	}
	s.process = time.Since(begin)
	return s, err
}

// outOfOrder is the fault of a znode that is neither below the previous znode nor below one of
// its parents.
func outOfOrder(file string, n *storage.Node) error {
	return &storage.Fault{File: file, Offset: n.Offset, Kind: storage.BadStructure, Zxid: n.Stat.Czxid,
		Err:     fmt.Errorf("znode %s does not follow its parent", escape.Line(shown(n.Path))),
		Meaning: "try: zkctl snapshot verify " + file}
}

func (s *sizes) name() string { return filepath.Base(s.file) }

// level returns the znodes at a depth, or none if the tree is not that deep.
func (s *sizes) level(depth int) []sized {
	if depth >= len(s.levels) {
		return nil
	}
	return s.levels[depth]
}

// children returns the children of a znode; ok is false if the znode does not exist.
func (s *sizes) children(label string) (list []sized, ok bool) {
	depth := strings.Count(label, "/")
	level := s.level(depth)
	at := sort.Search(len(level), func(i int) bool { return compareJava(level[i].label, label) >= 0 })
	if at == len(level) || level[at].label != label {
		return nil, false
	}
	next := s.level(depth + 1)
	first := sort.Search(len(next), func(i int) bool { return compareJava(next[i].label, label+"/") >= 0 })
	last := first
	for last < len(next) && isBelow(next[last].label, label) {
		last++
	}
	return next[first:last], true
}

// arena stores strings in few allocations.
type arena struct{ b strings.Builder }

func (a *arena) keep(s string) string {
	const size = 64 << 10
	if a.b.Cap()-a.b.Len() < len(s) {
		a.b = strings.Builder{}
		a.b.Grow(max(size, len(s)))
	}
	from := a.b.Len()
	a.b.WriteString(s)
	return a.b.String()[from:]
}

// compareJava compares as java.lang.String does, by UTF-16 units: characters beyond U+FFFF sort
// before U+E000 to U+FFFF. Otherwise it is the order of UTF-8 bytes.
func compareJava(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return int(javaRank(a[i])) - int(javaRank(b[i]))
		}
	}
	return len(a) - len(b)
}

func javaRank(c byte) byte {
	switch {
	case c >= 0xf0:
		return c - 2
	case c >= 0xee:
		return c + 8
	}
	return c
}

// compareTree orders paths as in a tree drawn with sorted children: "/" sorts before everything
// else.
func compareTree(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			switch {
			case a[i] == '/':
				return -1
			case b[i] == '/':
				return 1
			}
			return int(javaRank(a[i])) - int(javaRank(b[i]))
		}
	}
	return len(a) - len(b)
}
