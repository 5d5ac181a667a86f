package source

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
)

// TestReplayIsTheTree walks directories with random histories at random moments: the walk must be that of a tree to which
// internal/ztree has applied all transactions.
func TestReplayIsTheTree(t *testing.T) {
	flat, walks := 0, 0
	for seed := range uint64(60) {
		h := newHistory(t, seed)
		for range 40 + h.rand.IntN(150) {
			h.step()
			if h.rand.IntN(40) == 0 {
				h.snapshot()
			}
		}
		if err := h.log.Close(); err != nil {
			t.Fatal(err)
		}
		for range 12 {
			l := Location{Form: File, File: h.dir, Path: h.place()}
			if h.rand.IntN(3) > 0 {
				l.Zxid = 1 + h.rand.Int64N(h.zxid)
			}
			opt := Options{Stat: h.rand.IntN(2) == 0, Data: h.rand.IntN(2) == 0, ACL: h.rand.IntN(2) == 0, Levels: max(-1, h.rand.IntN(8)-5)}
			did, whole := sameWalk(t, fmt.Sprintf("seed %d, %s at %#x, %+v", seed, l.Path, l.Zxid, opt), l, opt)
			if t.Failed() {
				return
			}
			if walks++; did {
				flat++
			} else if !whole {
				walks--
			}
		}
	}
	t.Logf("%d of %d walks without a tree", flat, walks)
	if flat < walks*2/3 {
		t.Errorf("only %d of %d walks did without a tree", flat, walks)
	}
}

// sameWalk compares a walk with that of a tree, and reports whether it did without one, and whether there is a state at all.
func sameWalk(t *testing.T, name string, l Location, opt Options) (flat, exists bool) {
	t.Helper()
	open := func() *dir {
		w, err := openDir(l)
		if err != nil {
			t.Fatal(err)
		}
		return w.(*dir)
	}
	walk := func(d *dir) (list []Znode, r Report, err error) {
		r, err = d.Walk(context.Background(), opt, func(z *Znode) error {
			own := *z
			own.Data = slices.Clone(z.Data)
			if !opt.Stat && !opt.Data {
				own.Stat, own.Kind, own.TTL = proto.Stat{}, "", 0
			}
			if !opt.Data {
				own.Data = nil
			}
			list = append(list, own)
			return nil
		})
		return list, r, err
	}
	reference := open()
	var want []Znode
	var wantReport Report
	var wantErr error
	if reference.tree, reference.faults, wantErr = reference.files.Load(context.Background(), reference.moment); wantErr == nil {
		want, wantReport, wantErr = walk(reference)
	}
	d := open()
	for i := range 2 {
		got, report, err := walk(d)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%s: walk %d: got error %v, want %v", name, i, err, wantErr)
			return false, false
		}
		if report.Read != wantReport.Read || len(report.Faults) != len(wantReport.Faults) {
			t.Errorf("%s: walk %d: got report %+v, want %+v", name, i, report, wantReport)
		}
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("%s: of %d and %d znodes these differ:", name, len(got), len(want))
				if i < len(got) {
					t.Errorf("got  %+v", got[i])
				}
				if i < len(want) {
					t.Errorf("want %+v", want[i])
				}
				return false, false
			}
		}
	}
	return d.tree == nil && wantErr == nil, wantErr == nil
}

// history writes a data directory, as a server does, and in a wild one also what no server would log.
type history struct {
	t    *testing.T
	rand *rand.Rand
	dir  string
	log  *storage.LogWriter
	tree *ztree.Tree
	zxid int64
	wild bool
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, rand: rand.New(rand.NewPCG(seed, 1)), dir: filepath.Join(t.TempDir(), "version-2"), tree: ztree.New(), wild: seed%4 == 3}
	if _, err := storage.OpenDirs(h.dir, h.dir); err != nil {
		t.Fatal(err)
	}
	h.log = storage.NewLogWriter(h.dir, storage.LogOptions{Preallocate: -1, NoSync: true})
	return h
}

// place returns the path of a znode that may exist.
func (h *history) place() string {
	path := ""
	for range h.rand.IntN(4) {
		path += "/" + h.name()
	}
	switch {
	case h.rand.IntN(10) == 0:
		path = proto.QuotaPath + path
	case path == "":
		path = "/"
	}
	return path
}

func (h *history) name() string {
	return []string{"a", "b", "a-", "é", proto.StatsNode, proto.LimitsNode}[min(5, h.rand.IntN(11)/2)]
}

func (h *history) step() {
	header, body := h.txn(true)
	if header.Type == proto.OpMulti {
		multi := &proto.MultiTxn{}
		failed := h.rand.IntN(5) == 0
		for range 1 + h.rand.IntN(5) {
			part, body := h.txn(false)
			if failed {
				part.Type, body = proto.OpError, &proto.ErrorTxn{Err: proto.ErrNoNode}
			} else {
				part.Zxid = h.zxid
				h.tree.Apply(&part, body)
			}
			multi.Txns = append(multi.Txns, proto.Txn{Type: part.Type, Data: jute.Marshal(body)})
		}
		body = multi
	} else {
		h.tree.Apply(&header, body)
	}
	h.tree.SetLastZxid(h.zxid)
	if err := h.log.Append(&proto.TxnEntry{Header: header, Body: body}); err != nil {
		h.t.Fatal(err)
	}
	if h.rand.IntN(60) == 0 {
		if err := h.log.Roll(); err != nil {
			h.t.Fatal(err)
		}
	}
}

var someACLs = [][]proto.ACL{proto.OpenACL, proto.ReadOnlyACL, {{Perms: 3, ID: proto.ID{Scheme: "digest", ID: "u:x"}}}, nil}

// txn returns a transaction that is possible now: most of these are changes of existing znodes.
func (h *history) txn(whole bool) (proto.TxnHeader, jute.Record) {
	if whole {
		h.zxid++
	}
	header := proto.TxnHeader{ClientID: 1 + h.rand.Int64N(4), Zxid: h.zxid, Time: 1_000_000 + 10*h.zxid}
	for {
		path := h.place()
		node := h.tree.Get(path)
		possible := func(yes bool) bool { return yes || h.wild && h.rand.IntN(10) == 0 }
		if h.wild && h.rand.IntN(20) == 0 {
			path, node = []string{"", "/", "x", "/a/", "/a//b", "/a\x00/\x01"}[h.rand.IntN(6)], nil
		}
		data := []byte(strings.Repeat("x", h.rand.IntN(5)))
		if h.rand.IntN(4) == 0 {
			data = nil
		}
		acl := someACLs[h.rand.IntN(len(someACLs))]
		switch n := h.rand.IntN(20); {
		case n < 9:
			parent, _, _ := ztree.Split(path)
			above := h.tree.Get(parent)
			if !possible(node == nil && above != nil && proto.EphemeralTypeOf(above.Owner()) != proto.EphemeralNormal) {
				continue
			}
			cversion := int32(h.rand.IntN(5))
			if above != nil && !(h.wild && h.rand.IntN(4) == 0) {
				cversion = above.Stat().Cversion + 1
			}
			switch h.rand.IntN(5) {
			case 0:
				header.Type = proto.OpCreateContainer
				return header, &proto.CreateContainerTxn{Path: path, Data: data, ACL: acl, ParentCVersion: cversion}
			case 1:
				header.Type = proto.OpCreateTTL
				return header, &proto.CreateTTLTxn{Path: path, Data: data, ACL: acl, ParentCVersion: cversion, TTL: 5}
			case 2:
				header.Type = proto.OpCreate2
			default:
				header.Type = proto.OpCreate
			}
			return header, &proto.CreateTxn{Path: path, Data: data, ACL: acl, ParentCVersion: cversion, Ephemeral: h.rand.IntN(3) == 0}
		case n < 13:
			if !possible(node != nil && path != "/" && node.NumChildren() == 0 && path != proto.QuotaPath) {
				continue
			}
			header.Type = proto.OpDelete
			return header, &proto.DeleteTxn{Path: path}
		case n < 15:
			if !possible(node != nil) {
				continue
			}
			header.Type = proto.OpSetData
			return header, &proto.SetDataTxn{Path: path, Data: data, Version: int32(h.rand.IntN(9))}
		case n < 16:
			if !possible(node != nil) {
				continue
			}
			header.Type = proto.OpSetACL
			return header, &proto.SetACLTxn{Path: path, ACL: acl, Version: int32(h.rand.IntN(9))}
		case !whole:
		case n < 17:
			header.Type = proto.OpCloseSession
			if h.rand.IntN(2) == 0 {
				return header, nil
			}
			return header, &proto.CloseSessionTxn{Paths2Delete: h.tree.Ephemerals(header.ClientID)}
		case n < 18:
			header.Type = proto.OpError
			return header, &proto.ErrorTxn{Err: proto.ErrNoNode}
		default:
			header.Type = proto.OpMulti
			return header, nil
		}
	}
}

// snapshot writes a snapshot while the server goes on, as Apache's does: with what happens to a znode until its turn comes
// (DataTree.serializeNode).
func (h *history) snapshot() {
	path := filepath.Join(h.dir, storage.SnapshotName(h.zxid, ""))
	f, err := storage.CreateSnapshot(path, storage.SnapshotOptions{NoDigest: h.rand.IntN(2) == 0, Replace: true})
	if err != nil {
		h.t.Fatal(err)
	}
	busy := h.rand.IntN(6) // how many changes while it is written
	c := jute.NewEncoder(nil)
	c.Count(0, 0)
	keys := h.tree.ACLKeys()
	c.Count(len(keys), 0)
	for _, key := range keys {
		list := h.tree.ACL(key)
		c.Long(&key)
		jute.Vector(c, &list, 0)
	}
	var write func(path string)
	write = func(path string) {
		n := h.tree.Get(path)
		if n == nil {
			return
		}
		acl := n.ACL
		c.String(&path)
		data, stat := n.Data(), n.Stat()
		c.Buffer(&data)
		c.Long(&acl)
		stat.Visit(c)
		kids := h.tree.Children(path)
		h.rand.Shuffle(len(kids), func(i, j int) { kids[i], kids[j] = kids[j], kids[i] })
		if busy > 0 && h.rand.IntN(4) == 0 {
			busy--
			h.step()
		}
		for _, kid := range kids {
			write(path + "/" + kid)
		}
	}
	write("")
	end := "/"
	c.String(&end)
	_, _ = f.Write(c.Bytes())
	if err := f.Commit(storage.SnapshotState{Zxid: h.zxid, Digest: h.tree.Digest()}); err != nil {
		h.t.Fatal(err)
	}
}
