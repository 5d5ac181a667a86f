package ztree

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

func TestWalk(t *testing.T) {
	tree := New()
	for i := range 20 { // more than a slice of children holds
		do(tree, int64(i), proto.OpCreate, create(fmt.Sprintf("/n%02d", 19-i), "", -1))
	}
	do(tree, 30, proto.OpCreate, create("/n07/x", "", -1))
	do(tree, 31, proto.OpDelete, &proto.DeleteTxn{Path: "/n03"})
	var all []string
	for path, n := range tree.All() {
		if path != n.Path() || tree.Get(path) != n {
			t.Errorf("%s is %s", path, n.Path())
		}
		all = append(all, path)
	}
	if !slices.IsSorted(all) || len(all) != tree.Len() || all[0] != "/" {
		t.Error(all)
	}
	var below []string
	for path := range tree.Below("/n07") {
		below = append(below, path)
	}
	if !slices.Equal(below, []string{"/n07", "/n07/x"}) {
		t.Error(below)
	}
	for range tree.Below("/none") {
		t.Error("something below nothing")
	}
	for range tree.All() {
		break
	}
	for _, path := range []string{"n07", "/n07/", "//n07", "/n07/y"} {
		if tree.Get(path) != nil {
			t.Errorf("%q is a znode", path)
		}
	}
}

// A path of many levels costs heap, not stack.
func TestDeep(t *testing.T) {
	tree := New()
	tree.Digest()
	const levels = 4000
	path := strings.Repeat("/d", levels)
	for i := 1; i <= levels; i++ {
		if err := tree.Restore(path[:2*i], nil, openACL, proto.StatPersisted{}); err != nil {
			t.Fatal(err)
		}
	}
	if tree.Digest() != fromScratch(tree) || tree.Len() != levels+4 {
		t.Error("digest or count")
	}
	n := 0
	for range tree.Below(path[:2*(levels-10)]) {
		n++
	}
	if n != 11 {
		t.Errorf("%d at the bottom", n)
	}
	do(tree, 1, proto.OpDelete, &proto.DeleteTxn{Path: "/d"})
	if tree.Len() != 4 || tree.Digest() != fromScratch(tree) {
		t.Error("a subtree stays")
	}
}

func TestRestoreFaults(t *testing.T) {
	tree := NewEmpty()
	for _, c := range []struct {
		path string
		acl  int64
		err  error
	}{
		{"/a", -1, ErrParent}, {"", -1, nil}, {"", -1, ErrDuplicate}, {"/a", -1, nil}, {"/a", -1, ErrDuplicate},
		{"/b/c", -1, ErrParent}, {"/a/", -1, ErrPath}, {"a", -1, ErrPath}, {"/x", 12, ErrACL},
	} {
		err := tree.Restore(c.path, nil, c.acl, proto.StatPersisted{})
		if c.err == nil && err != nil || c.err != nil && (err == nil || !strings.Contains(err.Error(), c.err.Error())) {
			t.Errorf("%q: %v, want %v", c.path, err, c.err)
		}
	}
	if tree.Len() != 3 {
		t.Errorf("%d znodes", tree.Len())
	}
}
