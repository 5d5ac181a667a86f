package source

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
)

// BenchmarkSnapshot finds znodes by their names in a snapshot of 150,000.
func BenchmarkSnapshot(b *testing.B) {
	tree := ztree.New()
	zxid := int64(0)
	create := func(path string) {
		zxid++
		tree.Apply(&proto.TxnHeader{Zxid: zxid, Type: proto.OpCreate}, &proto.CreateTxn{Path: path, Data: []byte("some data of a znode"), ACL: proto.OpenACL, ParentCVersion: -1})
	}
	create("/listed")
	for i := range 300 {
		parent := fmt.Sprintf("/listed/parent-%04d", i)
		create(parent)
		for k := range 499 {
			create(fmt.Sprintf("%s/child-%04d", parent, k))
		}
	}
	file := filepath.Join(b.TempDir(), "snapshot.5")
	if err := storage.WriteSnapshot(file, tree, storage.SnapshotOptions{}); err != nil {
		b.Fatal(err)
	}
	l, err := Parse("file:"+EncodeFile(file), now)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		src, err := Open(l, nil)
		if err != nil {
			b.Fatal(err)
		}
		found := 0
		opt := Options{Match: func(z *Znode) bool { return strings.Contains(z.Path, "/child-0041") }}
		if _, err := src.Walk(b.Context(), opt, func(*Znode) error { found++; return nil }); err != nil || found != 300 {
			b.Fatal(found, err)
		}
	}
}
