package ztree

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// checkSums compares the sums that znodes keep with a walk.
func checkSums(t *testing.T, tree *Tree) {
	t.Helper()
	alt := uint64(0)
	for path, n := range tree.All() {
		count, bytes := -1, -int64(len(n.Data()))
		n.under(func(n *Node) { count++; bytes += int64(len(n.Data())) })
		if n.Descendants() != count || n.bytesBelow() != bytes {
			t.Fatalf("below %q are %d znodes with %d bytes, counted %d and %d", path, count, bytes, n.Descendants(), n.bytesBelow())
		}
		length := 0
		n.each(func(kid *Node) { length += 4 + len(kid.name()) })
		if n.NamesLength() != length {
			t.Fatalf("the names below %q have %d bytes, counted %d", path, length, n.NamesLength())
		}
		if n.is(hidden) {
			continue
		}
		if path == "/" {
			path = ""
		}
		content := crc32.Update(crc32.ChecksumIEEE(asciiPath(path)), crc32.IEEETable, n.Data())
		alt += uint64(new(digest).crc(n, content))
	}
	if got := tree.AltDigest(); got != int64(alt) {
		t.Fatalf("the digest of ASCII paths is %d, kept up to date %d", int64(alt), got)
	}
}

func TestSums(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	tree := New()
	tree.Digest()
	paths := []string{""}
	apply := func(op proto.Op, body jute.Record) Result {
		return tree.Apply(&proto.TxnHeader{Zxid: tree.last + 1, Type: op}, body)
	}
	for n := range 3000 {
		path := paths[rng.IntN(len(paths))]
		data := make([]byte, rng.IntN(20))
		switch rng.IntN(5) {
		case 0, 1, 2:
			kid := fmt.Sprintf("%s/%c%d", path, []rune("aé")[rng.IntN(2)], n)
			if r := apply(proto.OpCreate, &proto.CreateTxn{Path: kid, Data: data, ACL: proto.OpenACL, ParentCVersion: -1}); r.Err == 0 {
				paths = append(paths, kid)
			}
		case 3:
			apply(proto.OpSetData, &proto.SetDataTxn{Path: path, Data: data})
		case 4:
			if at := tree.find(path); path != "" && at.NumChildren() == 0 {
				apply(proto.OpDelete, &proto.DeleteTxn{Path: path})
				paths = slices.DeleteFunc(paths, func(p string) bool { return p == path })
			}
		}
		if n%100 == 0 {
			checkSums(t, tree)
		}
	}
	checkSums(t, tree)
	if tree.Digest() != fromScratch(tree) {
		t.Error("the digest was not kept up to date")
	}
}

// quotaTrie finds what a search of all prefixes finds.
func TestQuotaTrie(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var trie quotaTrie
	set := map[string]bool{}
	path := func() string {
		return strings.Repeat("/a", rng.IntN(3)) + strings.Repeat("/b", rng.IntN(3)) + strings.Repeat("/ ", rng.IntN(2))
	}
	for range 5000 {
		p := path()
		key := strings.ReplaceAll(p, "/ ", "")
		if rng.IntN(2) == 0 {
			trie.add(p)
			set[key] = key != ""
		} else {
			trie.remove(p)
			delete(set, key)
		}
		at := path()
		want := at
		for want != "" && !set[want] {
			want = want[:strings.LastIndexByte(want, '/')]
		}
		if got := trie.above(at); got != want {
			t.Fatalf("the quota of %q is that of %q, want %q of %v", at, got, want, set)
		}
	}
	for key := range set {
		trie.remove(key)
	}
	if trie.limited || len(trie.below) > 0 {
		t.Errorf("%+v is left", trie)
	}
}

// Text too long for a usage or a limit is ignored.
func TestQuotaText(t *testing.T) {
	if _, ok := parseStats([]byte("count=1,bytes=2=;byteHardLimit=-1;countHardLimit=5")); !ok {
		t.Error("limits are not read")
	}
	if _, ok := parseStats([]byte("count=1,bytes=2" + strings.Repeat(",x=1", MaxQuotaText))); ok {
		t.Error("a usage without end is read")
	}
}
