package zpath

import "testing"

func TestPaths(t *testing.T) {
	for path, want := range map[string][2]string{"/": {"/", "/"}, "/a": {"/", "a"}, "/a/b": {"/a", "b"}, "/a/b c/é": {"/a/b c", "é"}} {
		if p, n := Parent(path), Name(path); p != want[0] || n != want[1] {
			t.Errorf("%s: parent %q, name %q", path, p, n)
		}
	}
	for _, c := range []struct {
		path, above   string
		below, within bool
	}{
		{"/", "/", false, true}, {"/a", "/", true, true}, {"/", "/a", false, false},
		{"/a", "/a", false, true}, {"/a/b", "/a", true, true}, {"/ab", "/a", false, false}, {"/a/b/c", "/a", true, true}, {"/b/a", "/a", false, false},
	} {
		if b, w := IsBelow(c.path, c.above), Within(c.path, c.above); b != c.below || w != c.within {
			t.Errorf("%s and %s: below %v, within %v", c.path, c.above, b, w)
		}
	}
	for _, c := range [][4]string{
		{"/a/b", "/a", "/x", "/x/b"}, {"/a", "/a", "/x/y", "/x/y"}, {"/a/b", "/", "/x", "/x/a/b"}, {"/", "/", "/x", "/x"},
		{"/a/b", "/a", "/", "/b"}, {"/a", "/a", "/", "/"}, {"/a", "/", "/", "/a"},
	} {
		if got := Rebase(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("%s from %s to %s: %s", c[0], c[1], c[2], got)
		}
	}
}
