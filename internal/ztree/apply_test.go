package ztree

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

const (
	alice int64 = 0x100000000000001
	bob   int64 = 0x100000000000002
)

// do applies a transaction of alice at a time equal to its zxid.
func do(t *Tree, zxid int64, op proto.Op, body jute.Record) Result {
	return by(t, alice, zxid, op, body)
}

func by(t *Tree, session, zxid int64, op proto.Op, body jute.Record) Result {
	return t.Apply(&proto.TxnHeader{ClientID: session, Zxid: zxid, Time: 1000 + zxid, Type: op}, body)
}

func create(path, data string, cversion int32) *proto.CreateTxn {
	return &proto.CreateTxn{Path: path, Data: []byte(data), ACL: proto.OpenACL, ParentCVersion: cversion}
}

func ephemeral(path string, cversion int32) *proto.CreateTxn {
	c := create(path, "", cversion)
	c.Ephemeral = true
	return c
}

func persisted(t *testing.T, tree *Tree, path string) proto.StatPersisted {
	t.Helper()
	n := tree.Get(path)
	if n == nil {
		t.Fatalf("there is no %s", path)
	}
	return n.Stat()
}

func part(op proto.Op, body jute.Record) proto.Txn {
	return proto.Txn{Type: op, Data: jute.Marshal(body)}
}

func TestStat(t *testing.T) {
	tree := New()
	do(tree, 1, proto.OpCreate, create("/a", "one", 1))
	do(tree, 2, proto.OpCreate2, create("/a/b", "", 1))
	do(tree, 3, proto.OpCreate, create("/a/c", "", 2))
	do(tree, 4, proto.OpDelete, &proto.DeleteTxn{Path: "/a/b"})
	do(tree, 5, proto.OpSetData, &proto.SetDataTxn{Path: "/a", Data: []byte("three"), Version: 1})
	do(tree, 6, proto.OpSetACL, &proto.SetACLTxn{Path: "/a", ACL: proto.ReadOnlyACL, Version: 1})
	got, _ := tree.Stat("/a")
	want := proto.Stat{
		Czxid: 1, Mzxid: 5, Ctime: 1001, Mtime: 1005, Version: 1, Cversion: 3, Aversion: 1,
		DataLength: 5, NumChildren: 1, Pzxid: 4,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, ok := tree.Stat("/a/b"); ok {
		t.Error("/a/b is still there")
	}
	if root := persisted(t, tree, "/"); root.Cversion != 1 || root.Pzxid != 1 {
		t.Errorf("root: %+v", root)
	}
	if tree.Len() != 6 || tree.LastZxid() != 6 {
		t.Errorf("%d znodes, zxid %d", tree.Len(), tree.LastZxid())
	}
	if want := int64(len("/" + "/a" + "/a/c" + proto.ZookeeperPath + proto.QuotaPath + proto.ConfigPath + "three")); tree.Bytes() != want {
		t.Errorf("%d bytes, want %d", tree.Bytes(), want)
	}
}

// The parent after a child is created or deleted, or already was.
func TestParent(t *testing.T) {
	for _, c := range []struct {
		name            string
		op              proto.Op
		body            jute.Record
		zxid            int64
		err             proto.Error
		cversion, pzxid int64
	}{
		{"create", proto.OpCreate, create("/p/new", "", 8), 50, 0, 8, 50},
		{"create of an old log", proto.OpCreate, create("/p/new", "", -1), 50, 0, 8, 50},
		{"create replayed, parent ahead", proto.OpCreate, create("/p/new", "", 5), 50, 0, 7, 40},
		{"create of what is there", proto.OpCreate, create("/p/old", "", 9), 50, proto.ErrNodeExists, 9, 50},
		{"create of what is there, parent ahead", proto.OpCreate, create("/p/old", "", 6), 50, proto.ErrNodeExists, 7, 40},
		{"create of what is there, old log", proto.OpCreate, create("/p/old", "", -1), 50, proto.ErrNodeExists, 8, 50},
		{"create2 of what is there", proto.OpCreate2, create("/p/old", "", 9), 50, proto.ErrNodeExists, 7, 40},
		{"delete", proto.OpDelete, &proto.DeleteTxn{Path: "/p/old"}, 50, 0, 7, 50},
		{"delete replayed, parent ahead", proto.OpDelete, &proto.DeleteTxn{Path: "/p/old"}, 30, 0, 7, 40},
		{"delete of what is gone", proto.OpDelete, &proto.DeleteTxn{Path: "/p/none"}, 50, proto.ErrNoNode, 7, 50},
		{"deleteContainer", proto.OpDeleteContainer, &proto.DeleteTxn{Path: "/p/old"}, 50, 0, 7, 50},
		{"setData of what is gone", proto.OpSetData, &proto.SetDataTxn{Path: "/p/none"}, 50, proto.ErrNoNode, 7, 40},
		{"setACL of what is gone", proto.OpSetACL, &proto.SetACLTxn{Path: "/p/none"}, 50, proto.ErrNoNode, 7, 40},
		{"create without parent", proto.OpCreate, create("/none/x", "", 1), 50, proto.ErrNoNode, 7, 40},
		{"delete without parent", proto.OpDelete, &proto.DeleteTxn{Path: "/none/x"}, 50, proto.ErrNoNode, 7, 40},
		{"create of no path", proto.OpCreate, create("p", "", 1), 50, proto.ErrBadArguments, 7, 40},
		{"create of the root", proto.OpCreate, create("/", "", 1), 50, proto.ErrBadArguments, 7, 40},
		{"delete of the root", proto.OpDelete, &proto.DeleteTxn{Path: "/"}, 50, proto.ErrBadArguments, 7, 40},
		{"another type's body", proto.OpDelete, create("/p/x", "", 1), 50, proto.ErrMarshallingError, 7, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := New()
			do(tree, 1, proto.OpCreate, create("/p", "", 1))
			do(tree, 40, proto.OpCreate, create("/p/old", "", 7))
			tree.Digest()
			if r := do(tree, c.zxid, c.op, c.body); r.Err != c.err {
				t.Errorf("error %v, want %v", r.Err, c.err)
			}
			if p := persisted(t, tree, "/p"); int64(p.Cversion) != c.cversion || p.Pzxid != c.pzxid {
				t.Errorf("cversion %d, pzxid %d, want %d, %d", p.Cversion, p.Pzxid, c.cversion, c.pzxid)
			}
			if tree.Digest() != fromScratch(tree) {
				t.Error("the digest was not kept up to date")
			}
		})
	}
}

func TestKinds(t *testing.T) {
	tree := New()
	do(tree, 1, proto.OpCreateContainer, &proto.CreateContainerTxn{Path: "/c", ACL: proto.OpenACL, ParentCVersion: 1})
	do(tree, 2, proto.OpCreateTTL, &proto.CreateTTLTxn{Path: "/t", ACL: proto.OpenACL, ParentCVersion: 2, TTL: 3600000})
	do(tree, 3, proto.OpCreate, ephemeral("/e", 3))
	if c := persisted(t, tree, "/c"); c.EphemeralOwner != math.MinInt64 {
		t.Errorf("container: owner %#x", uint64(c.EphemeralOwner))
	}
	if n := persisted(t, tree, "/t"); uint64(n.EphemeralOwner) != 0xff0000000036ee80 || proto.TTLOf(n.EphemeralOwner) != 3600000 {
		t.Errorf("TTL: owner %#x", uint64(n.EphemeralOwner))
	}
	for path, owner := range map[string]int64{"/c": 0, "/t": 0, "/e": alice} {
		if st, _ := tree.Stat(path); st.EphemeralOwner != owner {
			t.Errorf("%s: a client sees owner %#x", path, st.EphemeralOwner)
		}
	}
	if !slices.Equal(paths(tree.containers), []string{"/c"}) || !slices.Equal(paths(tree.ttls), []string{"/t"}) || !slices.Equal(tree.Ephemerals(alice), []string{"/e"}) {
		t.Error(paths(tree.containers), paths(tree.ttls), tree.Ephemerals(alice))
	}
	for i, path := range []string{"/c", "/t", "/e"} {
		do(tree, int64(4+i), proto.OpDelete, &proto.DeleteTxn{Path: path})
	}
	if len(tree.containers)+len(tree.ttls)+len(tree.ephemerals) != 0 {
		t.Error("lists keep what is gone")
	}
	if r := do(tree, 9, proto.OpCreateTTL, &proto.CreateTTLTxn{Path: "/t", TTL: proto.MaxTTL + 1}); r.Err != proto.ErrBadArguments {
		t.Error(r.Err)
	}
}

func TestCloseSession(t *testing.T) {
	for _, c := range []struct {
		name    string
		body    jute.Record
		deleted []string
		left    []string
	}{
		{"before 3.6", nil, []string{"/a", "/b"}, []string{"other", "zookeeper"}},
		{"with paths", &proto.CloseSessionTxn{Paths2Delete: []string{"/b", "/a"}}, []string{"/b", "/a"}, []string{"other", "zookeeper"}},
		{"with one of the paths", &proto.CloseSessionTxn{Paths2Delete: []string{"/b"}}, []string{"/b", "/a"}, []string{"other", "zookeeper"}},
		{"with paths that are gone or another's", &proto.CloseSessionTxn{Paths2Delete: []string{"/gone", "/other", "/a", "/b"}}, []string{"/other", "/a", "/b"}, []string{"zookeeper"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := New()
			do(tree, 1, proto.OpCreateSession, &proto.CreateSessionTxn{TimeOut: 4000})
			by(tree, bob, 2, proto.OpCreateSession, &proto.CreateSessionTxn{TimeOut: 5000})
			do(tree, 3, proto.OpCreate, ephemeral("/a", 1))
			do(tree, 4, proto.OpCreate, ephemeral("/b", 2))
			by(tree, bob, 5, proto.OpCreate, ephemeral("/other", 3))
			r := do(tree, 6, proto.OpCloseSession, c.body)
			var deleted []string
			for _, d := range r.Deleted {
				deleted = append(deleted, d.Path)
				if !slices.Equal(d.Rights.ACL.List, proto.OpenACL) || !slices.Equal(d.Rights.Parent.List, proto.OpenACL) {
					t.Errorf("rights %v", d.Rights)
				}
			}
			if r.Err != 0 || !slices.Equal(deleted, c.deleted) {
				t.Errorf("%+v", r)
			}
			if !slices.Equal(tree.Children("/"), c.left) {
				t.Errorf("left %v", tree.Children("/"))
			}
			if root := persisted(t, tree, "/"); root.Pzxid != 6 || root.Cversion != 3 {
				t.Errorf("root %+v", root)
			}
			if !reflect.DeepEqual(tree.Sessions(), map[int64]int32{bob: 5000}) || tree.Ephemerals(alice) != nil {
				t.Error(tree.Sessions(), tree.Ephemerals(alice))
			}
		})
	}
}

func TestMulti(t *testing.T) {
	tree := New()
	r := do(tree, 1, proto.OpMulti, &proto.MultiTxn{Txns: []proto.Txn{
		part(proto.OpCreate, create("/a", "x", 1)),
		part(proto.OpCheck, &proto.CheckVersionTxn{Path: "/a"}),
		part(proto.OpSetData, &proto.SetDataTxn{Path: "/a", Data: []byte("y"), Version: 1}),
		part(proto.OpCreate, ephemeral("/a2", 2)),
		part(proto.OpDelete, &proto.DeleteTxn{Path: "/a2"}),
	}})
	if r.Err != 0 || len(r.Multi) != 5 || string(tree.Get("/a").Data()) != "y" || tree.Get("/a2") != nil {
		t.Errorf("%+v", r)
	}
	if a := persisted(t, tree, "/a"); a.Czxid != 1 || a.Mzxid != 1 || a.Version != 1 {
		t.Errorf("%+v", a)
	}
	// As the leader logs a multi that failed: the parts before the error, and after it.
	before := tree.Digest()
	failed := &proto.MultiTxn{Txns: []proto.Txn{
		part(proto.OpCreate, create("/b", "", 3)),
		part(proto.OpError, &proto.ErrorTxn{Err: proto.ErrNoNode}),
		part(proto.OpDelete, &proto.DeleteTxn{Path: "/a"}),
		part(proto.OpError, &proto.ErrorTxn{Err: proto.ErrRuntimeInconsistency}),
	}}
	r = do(tree, 2, proto.OpMulti, failed)
	codes := []proto.Error{0, proto.ErrNoNode, proto.ErrRuntimeInconsistency, proto.ErrRuntimeInconsistency}
	for i, m := range r.Multi {
		if m.Err != codes[i] {
			t.Errorf("part %d: %v", i, m.Err)
		}
	}
	if r.Err != proto.ErrNoNode || tree.Digest() != before || tree.LastZxid() != 2 {
		t.Errorf("%+v, digest %d and %d", r, tree.Digest(), before)
	}
	if failed.Txns[0].Type != proto.OpCreate {
		t.Error("the transaction was changed")
	}
	for name, p := range map[string]proto.Txn{
		"within itself": part(proto.OpMulti, &proto.MultiTxn{}),
		"cut off":       {Type: proto.OpCreate, Data: []byte{0, 0}},
	} {
		if r := do(tree, 3, proto.OpMulti, &proto.MultiTxn{Txns: []proto.Txn{p}}); r.Err != proto.ErrMarshallingError {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestReconfigAndErrors(t *testing.T) {
	tree := New()
	if r := do(tree, 1, proto.OpReconfig, &proto.SetDataTxn{Path: proto.ConfigPath, Data: []byte("server.1=…"), Version: -1}); r.Err != 0 {
		t.Error(r)
	}
	if c := persisted(t, tree, proto.ConfigPath); c.Mzxid != 1 || c.Version != -1 || c.Aversion != -1 {
		t.Errorf("%+v", c)
	}
	if got := tree.ACL(tree.Get(proto.ConfigPath).ACL); !reflect.DeepEqual(got, proto.ReadOnlyACL) {
		t.Errorf("%v", got)
	}
	if r := do(tree, 2, proto.OpError, &proto.ErrorTxn{Err: proto.ErrBadVersion}); r.Err != proto.ErrBadVersion || tree.LastZxid() != 2 {
		t.Error(r)
	}
	do(tree, 1, proto.OpError, &proto.ErrorTxn{})
	if tree.LastZxid() != 2 {
		t.Error("the zxid went back")
	}
}

func TestACLTable(t *testing.T) {
	list := func(id string) []proto.ACL {
		return []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: id}}}
	}
	tree := New() // key 1 is that of /zookeeper/config
	add := func(zxid int64, path, id string) int64 {
		c := create(path, "", int32(zxid))
		c.ACL = list(id)
		do(tree, zxid, proto.OpCreate, c)
		return tree.Get(path).ACL
	}
	if a, b, c := add(1, "/a", "x"), add(2, "/b", "x"), add(3, "/c", "y"); a != 2 || b != 2 || c != 3 {
		t.Errorf("keys %d, %d, %d", a, b, c)
	}
	do(tree, 4, proto.OpDelete, &proto.DeleteTxn{Path: "/a"})
	if !slices.Equal(tree.ACLKeys(), []int64{1, 2, 3}) {
		t.Error(tree.ACLKeys())
	}
	do(tree, 5, proto.OpDelete, &proto.DeleteTxn{Path: "/b"})
	if !slices.Equal(tree.ACLKeys(), []int64{1, 3}) || tree.ACL(2) != nil {
		t.Error(tree.ACLKeys())
	}
	if key := add(6, "/a", "x"); key != 4 {
		t.Errorf("a list that comes back has key %d", key)
	}
	// Its only user's list is dropped before it gets a new number.
	do(tree, 7, proto.OpSetACL, &proto.SetACLTxn{Path: "/a", ACL: list("x"), Version: 1})
	if key := tree.Get("/a").ACL; key != 5 {
		t.Errorf("the same list again has key %d", key)
	}
	if got := tree.ACL(-1); !reflect.DeepEqual(got, proto.OpenACL) || tree.Get("/").ACL != -1 {
		t.Errorf("%v", got)
	}
	// A restored table keeps its numbers, and drops unused lists.
	restored := NewEmpty()
	restored.RestoreACL(7, list("x"))
	restored.RestoreACL(9, list("y"))
	if err := restored.Restore("", nil, 7, proto.StatPersisted{}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(restored.ACLKeys(), []int64{7}) {
		t.Error(restored.ACLKeys())
	}
	c := create("/n", "", 1)
	c.ACL = list("y")
	do(restored, 1, proto.OpCreate, c)
	if key := restored.Get("/n").ACL; key != 10 {
		t.Errorf("key %d", key)
	}
}

func TestQuota(t *testing.T) {
	tree := New()
	zxid := int64(0)
	next := func(op proto.Op, body jute.Record) {
		t.Helper()
		zxid++
		if r := do(tree, zxid, op, body); r.Err != 0 {
			t.Fatalf("zxid %d: %v", zxid, r.Err)
		}
	}
	usage := func(want string) {
		t.Helper()
		if got := string(tree.Get("/zookeeper/quota/q/zookeeper_stats").Data()); got != want {
			t.Errorf("after zxid %d: %s, want %s", zxid, got, want)
		}
	}
	next(proto.OpCreate, create("/q", "12345", -1))
	next(proto.OpCreate, create("/q/a", "12", -1))
	next(proto.OpCreate, create("/zookeeper/quota/q", "", -1))
	next(proto.OpCreate, create("/zookeeper/quota/q/zookeeper_limits", "count=5,bytes=100", -1))
	next(proto.OpCreate, create("/zookeeper/quota/q/zookeeper_stats", "count=0,bytes=0", -1))
	usage("count=2,bytes=7")
	next(proto.OpCreate, create("/q/a/b", "123", -1))
	usage("count=3,bytes=10")
	next(proto.OpSetData, &proto.SetDataTxn{Path: "/q/a", Data: nil})
	usage("count=3,bytes=8")
	next(proto.OpDelete, &proto.DeleteTxn{Path: "/q/a/b"})
	usage("count=2,bytes=5")
	next(proto.OpCreate, create("/quiet", "1", -1))
	usage("count=2,bytes=5")
	// A restored tree recounts.
	again := NewEmpty()
	for path, n := range tree.All() {
		data := n.Data()
		if strings.HasSuffix(path, proto.StatsNode) {
			data = []byte("count=77,bytes=77")
		}
		if err := again.Restore(strings.TrimSuffix(path, "/"), data, n.ACL, n.Stat()); err != nil && n.ACL == openACL {
			t.Fatal(err)
		}
	}
	tree = again
	usage("count=2,bytes=5")
	next(proto.OpDelete, &proto.DeleteTxn{Path: "/q/a"})
	usage("count=1,bytes=5")
	next(proto.OpDelete, &proto.DeleteTxn{Path: "/zookeeper/quota/q/zookeeper_limits"})
	next(proto.OpCreate, create("/q/c", "1", -1))
	usage("count=1,bytes=5")
}

func TestUsage(t *testing.T) {
	for in, want := range map[string]string{
		"":                "count=-1,bytes=-1",
		"count=3,bytes=4": "count=3,bytes=4",
		"bytes=4":         "count=-1,bytes=4",
		"count=3,bytes=":  "count=3,bytes=-1",
		"count=1,bytes=2=;byteHardLimit=3;countHardLimit=4": "count=1,bytes=2=;byteHardLimit=3;countHardLimit=4",
		"count=x": "",
		"count":   "",
	} {
		s, ok := parseStats([]byte(in))
		if !ok && want != "" || ok && s.String() != want {
			t.Errorf("%q: %v, %v", in, s, ok)
		}
	}
}

// A type without a case in apply would be ignored, like an unknown one.
func TestEachTypeIsApplied(t *testing.T) {
	for _, op := range proto.TxnTypes() {
		// A body of another type is refused, by each case.
		body := jute.Record(&proto.ACL{})
		if r := New().Apply(&proto.TxnHeader{Type: op, Zxid: 1, ClientID: alice}, body); r.Err != proto.ErrMarshallingError {
			t.Errorf("%v: %v", op, r.Err)
		}
	}
	if r := New().Apply(&proto.TxnHeader{Type: 77, Zxid: 1}, &proto.ACL{}); r.Err != 0 {
		t.Errorf("an unknown type: %v", r.Err)
	}
}
