package storage

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Apache's server may be in the middle of a transaction when it records the digest of the previous
// one as that of its snapshot. That is not damage, whatever part of the transaction the snapshot
// has; a difference that the transaction does not explain is.
func TestSnapshotAheadOfItsDigest(t *testing.T) {
	part := func(op proto.Op, body jute.Record) proto.Txn { return proto.Txn{Type: op, Data: jute.Marshal(body)} }
	set := func(path string) *proto.SetDataTxn {
		return &proto.SetDataTxn{Path: path, Data: []byte("new"), Version: 1}
	}
	changed := func(n *Node, zxid, now int64) {
		n.Data, n.Stat.Version, n.Stat.Mzxid, n.Stat.Mtime = []byte("new"), 1, zxid, now
	}
	for name, test := range map[string]struct {
		op   proto.Op
		body jute.Record
		// edit changes a znode from before the transaction to what the snapshot has; it returns false
		// to omit it.
		edit    func(l *live, path string, n *Node, zxid int64) bool
		damaged bool
	}{
		"all of it": {proto.OpSetData, set("/d"), func(l *live, path string, n *Node, zxid int64) bool {
			if path == "/d" {
				changed(n, zxid, l.now)
			}
			return true
		}, false},
		"a part of a multi": {proto.OpMulti, &proto.MultiTxn{Txns: []proto.Txn{part(proto.OpSetData, set("/a")), part(proto.OpSetData, set("/d"))}},
			func(l *live, path string, n *Node, zxid int64) bool {
				if path == "/d" {
					changed(n, zxid, l.now)
				}
				return true
			}, false},
		"a deletion, but not at the parent": {proto.OpDelete, &proto.DeleteTxn{Path: "/a/b"},
			func(_ *live, path string, _ *Node, _ int64) bool { return path != "/a/b" }, false},
		"an ACL": {proto.OpSetACL, &proto.SetACLTxn{Path: "/a", ACL: proto.ReadOnlyACL, Version: 1},
			func(l *live, path string, n *Node, _ int64) bool {
				if path == "/a" {
					n.ACL, n.Stat.Aversion = l.tree.Get("/d").ACL, 1
				}
				return true
			}, false},
		"something else": {proto.OpSetData, set("/d"),
			func(_ *live, path string, n *Node, _ int64) bool {
				if path == "/a" {
					n.Stat.Version = 7
				}
				return true
			}, true},
		"something else, which is overwritten later": {proto.OpSetData, set("/a"),
			func(_ *live, path string, n *Node, _ int64) bool {
				if path == "/d" {
					n.Data = []byte("damaged")
				}
				return true
			}, true},
	} {
		for _, during := range []int64{0, 2} {
			t.Run(fmt.Sprint(name, during), func(t *testing.T) {
				l := newLive(t, 1, t.TempDir())
				for _, name := range []string{"/a", "/d", "/a/b", "/a/c"} {
					acl := proto.OpenACL
					if name == "/d" {
						acl = proto.ReadOnlyACL
					}
					cversion := l.tree.Get(path.Dir(name)).Stat().Cversion + 1
					l.apply(1, proto.OpCreate, &proto.CreateTxn{Path: name, ACL: acl, ParentCVersion: cversion})
				}
				before, digest := l.zxid, l.tree.Digest()
				f, err := CreateSnapshot(filepath.Join(l.dir, SnapshotName(before-during, "")), SnapshotOptions{})
				if err != nil {
					t.Fatal(err)
				}
				body := snapshotBody{Codec: jute.NewEncoder(nil)}
				body.begin(l.tree, false)
				for path, n := range l.tree.All() {
					edited := Node{Data: n.Data(), ACL: n.ACL, Stat: n.Stat()}
					if test.edit(l, path, &edited, before+1) {
						body.record(strings.TrimSuffix(path, "/"), edited.Data, edited.ACL, &edited.Stat)
					}
				}
				body.end()
				if _, err := f.Write(body.Bytes()); err != nil {
					t.Fatal(err)
				}
				if err := f.Commit(SnapshotState{Zxid: before, Digest: digest}); err != nil {
					t.Fatal(err)
				}
				if err := l.log.Close(); err != nil {
					t.Fatal(err)
				}
				l.log = NewLogWriter(l.dir, LogOptions{Preallocate: -1})
				l.apply(1, test.op, test.body)
				for n := range int32(5) {
					l.apply(1, proto.OpSetData, &proto.SetDataTxn{Path: "/d", Data: []byte("more"), Version: 2 + n})
				}
				if err := l.log.Close(); err != nil {
					t.Fatal(err)
				}
				d, err := ReadDir(l.dir)
				if err != nil {
					t.Fatal(err)
				}

				var check DigestCheck
				tree, faults, err := d.Load(context.Background(), LoadOptions{Strict: true, Digests: &check})
				if err != nil {
					t.Fatal(err)
				}
				if found := len(faults)+len(check.Faults) > 0; found != test.damaged || check.Compared == 0 {
					t.Errorf("%v, %+v", faults, check)
				}
				if !test.damaged {
					sameTree(t, "the newest", tree, l.tree)
				}
				// What the server had before the transaction, or nothing.
				tree, _, err = d.Load(context.Background(), LoadOptions{Zxid: before})
				if err == nil && tree.Digest() != digest {
					t.Errorf("at %#x the tree has digest %d, want %d", before, tree.Digest(), digest)
				}
				if during == 0 && !test.damaged {
					// With nothing from before the snapshot, a server needs it.
					d.Logs = d.Logs[1:]
					tree, faults, err := d.LoadForServer(false)
					if err != nil || len(faults) > 0 {
						t.Fatal(faults, err)
					}
					sameTree(t, "without what was before", tree, l.tree)
				}
			})
		}
	}
}
