package source

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestSorter sorts in memory and, with ever less room, outside.
func TestSorter(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	rnd := rand.New(rand.NewPCG(1, 2))
	var want []string
	for i := range 5000 {
		want = append(want, fmt.Sprintf("%04d=%d", rnd.IntN(3000), i))
	}
	for _, room := range []int{1 << 20, 20_000, 500} {
		s := newSorter()
		s.room = room
		for _, r := range want {
			key, value, _ := strings.Cut(r, "=")
			if err := s.add([]byte(key), []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		if err := s.each(t.Context(), func(key, value []byte) error {
			got = append(got, string(key)+"="+string(value))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		sorted := slices.Clone(want)
		slices.SortStableFunc(sorted, func(a, b string) int { return strings.Compare(a[:4], b[:4]) })
		if !slices.Equal(got, sorted) {
			t.Errorf("room %d: not in order", room)
		}
		if room == 500 && s.made <= maxRuns {
			t.Errorf("%d runs, too few to be merged in passes", s.made)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// TestKeys: keys sort as a walk visits, and stand for one path each.
func TestKeys(t *testing.T) {
	paths := []string{"/", "/a", "/a/\x00", "/a/\x01", "/a/b", "/a/b/c", "/a\x00", "/a\x01b", "/a\x01\x01", "/a\x02", "/a b", "/a!b", "/a.b", "/ab", "/ab/x", "/é", "/\xff"}
	walk := func(a, b string) int {
		if a == "/" {
			a = ""
		}
		if b == "/" {
			b = ""
		}
		for i := range min(len(a), len(b)) {
			switch {
			case a[i] == b[i]:
			case a[i] == '/':
				return -1
			case b[i] == '/':
				return 1
			default:
				return int(a[i]) - int(b[i])
			}
		}
		return len(a) - len(b)
	}
	for _, a := range paths {
		if got := pathOf(appendKey(nil, a)); got != a {
			t.Errorf("%q becomes %q", a, got)
		}
		for _, b := range paths {
			want, got := walk(a, b), strings.Compare(string(appendKey(nil, a)), string(appendKey(nil, b)))
			if want < 0 != (got < 0) || want > 0 != (got > 0) {
				t.Errorf("%q and %q compare as %d", a, b, got)
			}
		}
	}
}

func TestWithin(t *testing.T) {
	for _, tc := range []struct {
		root, path string
		level      int
		ok         bool
	}{
		{"/", "/", 0, true}, {"/", "/a", 1, true}, {"/", "/a/b", 2, true}, {"/a", "/a", 0, true}, {"/a", "/a/b/c", 2, true},
		{"/a", "/ab", 0, false}, {"/a", "/", 0, false}, {"/a/b", "/a", 0, false},
	} {
		if level, ok := within(tc.root, tc.path); level != tc.level || ok != tc.ok {
			t.Errorf("%s in %s: %d, %v", tc.path, tc.root, level, ok)
		}
	}
}
