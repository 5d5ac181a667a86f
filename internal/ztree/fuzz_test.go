package ztree

import (
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Whatever decodes can be applied: nothing panics, and the incremental digest equals one computed
// from scratch.
func FuzzApply(f *testing.F) {
	for _, file := range []string{"testdata/standalone/log.1", "testdata/standalone/log.38", "testdata/ensemble/log.200000001"} {
		var raw []byte
		for _, e := range logEntries(f, file) {
			one := jute.Marshal(&e)
			raw = append(raw, byte(len(one)>>8), byte(len(one)))
			raw = append(raw, one...)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		tree := New()
		tree.Digest()
		for n := 0; len(raw) > 2; n++ {
			size := min(len(raw)-2, int(raw[0])<<8|int(raw[1]))
			var e proto.TxnEntry
			if jute.Unmarshal(raw[2:2+size], &e) == nil {
				tree.Apply(&e.Header, e.Body)
			}
			raw = raw[2+size:]
			if n%16 == 0 && tree.Digest() != fromScratch(tree) {
				t.Fatal("the digest was not kept up to date")
			}
		}
		if tree.Digest() != fromScratch(tree) {
			t.Fatal("the digest was not kept up to date")
		}
		n, bytes := 0, int64(0)
		for path, node := range tree.All() {
			bytes += int64(len(path) + len(node.Data()))
			if n++; tree.Get(path) != node {
				t.Fatalf("%q is not found", path)
			}
		}
		checkSums(t, tree)
		if n != tree.Len() || bytes != tree.Bytes() {
			t.Fatalf("%d znodes of %d bytes, counted %d of %d", n, bytes, tree.Len(), tree.Bytes())
		}
	})
}
