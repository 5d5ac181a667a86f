package source

import (
	"strings"
	"testing"
)

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
		if got := PathOf(AppendKey(nil, a)); got != a {
			t.Errorf("%q becomes %q", a, got)
		}
		for _, b := range paths {
			want, got := walk(a, b), strings.Compare(string(AppendKey(nil, a)), string(AppendKey(nil, b)))
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
