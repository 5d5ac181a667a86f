package client

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// TestOperations runs every operation against a real server, below a chroot.
func TestOperations(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	root := open(t, Config{Servers: servers})
	create(t, root, "/ops", proto.Persistent)
	e := newEvents()
	c := open(t, Config{Servers: servers + "/ops", OnEvent: e.take})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasSuffix(servers+"/ops", c.Chroot()) || !strings.HasSuffix(c.Chroot(), "/ops") {
		t.Errorf("chroot %q", c.Chroot())
	}

	path, stat, err := c.Create(ctx, "/c", nil, proto.OpenACL, proto.Container, 0)
	if err != nil || path != "/c" || stat.Czxid == 0 {
		t.Errorf("container: %q, %+v, %v", path, stat, err)
	}
	path, stat, err = c.Create(ctx, "/ttl-", nil, proto.OpenACL, proto.PersistentSequentialTTL, 100000)
	if err != nil || path != "/ttl-0000000001" || stat.Czxid == 0 {
		t.Errorf("TTL: %q, %+v, %v", path, stat, err)
	}
	_, _, err = c.Create(ctx, "/e", []byte("x"), proto.OpenACL, proto.Ephemeral, 0)
	must(err)
	if _, _, err = c.Create(ctx, "/e/child", nil, proto.OpenACL, proto.Persistent, 0); !errors.Is(err, proto.ErrNoChildrenForEphemeral) {
		t.Errorf("child of an ephemeral: %v", err)
	}
	if stat, err = c.Set(ctx, "/e", []byte("xy"), 0); err != nil || stat.Version != 1 || stat.DataLength != 2 {
		t.Errorf("set: %+v, %v", stat, err)
	}
	if _, err = c.Set(ctx, "/e", nil, 0); !errors.Is(err, proto.ErrBadVersion) || err.Error() != "KeeperErrorCode = BadVersion for /e" {
		t.Errorf("set of an old version: %v", err)
	}
	acl := []proto.ACL{{Perms: proto.PermAll &^ proto.PermDelete, ID: proto.WorldAnyone}}
	if stat, err = c.SetACL(ctx, "/c", acl, -1); err != nil || stat.Aversion != 1 {
		t.Errorf("setACL: %+v, %v", stat, err)
	}
	if got, _, err := c.GetACL(ctx, "/c"); err != nil || !slices.Equal(got, acl) {
		t.Errorf("getACL: %+v, %v", got, err)
	}
	children, stat, err := c.Children(ctx, "/", false)
	if slices.Sort(children); err != nil || !slices.Equal(children, []string{"c", "e", "ttl-0000000001"}) || stat.NumChildren != 3 {
		t.Errorf("children: %q, %+v, %v", children, stat, err)
	}
	must(c.Sync(ctx, "/"))
	if err = c.Check(ctx, "/e", 1); err != nil {
		t.Errorf("check: %v", err)
	}
	if err = c.Check(ctx, "/e", 5); !errors.Is(err, proto.ErrBadVersion) || !strings.HasSuffix(err.Error(), "for /e") {
		t.Errorf("check of another version: %v", err)
	}
	if n, err := c.AllChildrenNumber(ctx, "/"); err != nil || n != 3 {
		t.Errorf("getAllChildrenNumber: %d, %v", n, err)
	}
	if got, err := c.Ephemerals(ctx, "/"); err != nil || !slices.Equal(got, []string{"/e"}) {
		t.Errorf("getEphemerals: %q, %v", got, err)
	}
	if _, err := c.WhoAmI(ctx); err != nil && !errors.Is(err, proto.ErrUnimplemented) {
		t.Errorf("whoAmI: %v", err)
	}
	if data, _, err := c.GetConfig(ctx, false); err != nil || !strings.Contains(string(data), "version=") && len(data) != 0 {
		t.Errorf("getConfig: %q, %v", data, err)
	}
	if _, _, err := c.Reconfig(ctx, "", "9", "", -1); err == nil {
		t.Error("reconfig of a standalone server succeeds")
	}

	t.Run("multi", func(t *testing.T) {
		results, err := c.Multi(ctx, []proto.MultiOp{
			CreateOp("/m", []byte("1"), proto.OpenACL, proto.Persistent, 0),
			{Type: proto.OpSetData, Request: &proto.SetDataRequest{Path: "/m", Data: []byte("22"), Version: 0}},
			{Type: proto.OpCheck, Request: &proto.PathVersionRequest{Path: "/m", Version: 1}},
		})
		if err != nil || len(results) != 3 || results[0].Path != "/m" || results[1].Stat == nil || results[1].Stat.DataLength != 2 {
			t.Errorf("%+v, %v", results, err)
		}
		results, err = c.Multi(ctx, []proto.MultiOp{
			{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: "/m", Version: -1}},
			{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: "/none", Version: -1}},
			{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: "/e", Version: -1}},
		})
		if !errors.Is(err, proto.ErrNoNode) || !strings.HasSuffix(err.Error(), "for /none") || len(results) != 3 ||
			results[0].Err != proto.OK || results[2].Err != proto.ErrRuntimeInconsistency {
			t.Errorf("%+v, %v", results, err)
		}
		results, err = c.MultiRead(ctx, []proto.MultiOp{
			{Type: proto.OpGetData, Request: &proto.PathWatchRequest{Path: "/m"}},
			{Type: proto.OpGetChildren, Request: &proto.PathWatchRequest{Path: "/none"}},
		})
		if err != nil || len(results) != 2 || string(results[0].Data) != "22" || results[1].Err != proto.ErrNoNode {
			t.Errorf("%+v, %v", results, err)
		}
	})

	t.Run("watches", func(t *testing.T) {
		if err := c.RemoveWatches(ctx, "/m", proto.WatcherAny, false); !errors.Is(err, proto.ErrNoWatcher) {
			t.Errorf("removal of none: %v", err)
		}
		_, _, err := c.Get(ctx, "/m", true)
		must(err)
		_, _, err = c.Children(ctx, "/m", true)
		must(err)
		must(c.AddWatch(ctx, "/m", proto.WatchPersistentRecursive))
		must(c.RemoveWatches(ctx, "/m", proto.WatcherChildren, false))
		must(c.RemoveWatches(ctx, "/m", proto.WatcherAny, false))
		_, err = c.Set(ctx, "/m", nil, -1)
		must(err)
		want := []string{"ChildWatchRemoved /m", "DataWatchRemoved /m", "PersistentWatchRemoved /m"}
		if got := e.drain(c, t); !slices.Equal(got, append(want, "SyncConnected")) {
			t.Errorf("events %q", got)
		}

		// Servers before 3.9 have no kind for persistent watches.
		must(c.AddWatch(ctx, "/m", proto.WatchPersistent))
		must(c.RemoveWatches(ctx, "/m", proto.WatcherPersistent, false))
		_, err = c.Set(ctx, "/m", nil, -1)
		must(err)
		if got := e.drain(c, t); !slices.Equal(got, []string{"PersistentWatchRemoved /m"}) {
			t.Errorf("events %q", got)
		}
		must(c.AddWatch(ctx, "/m", proto.WatchPersistentRecursive))
		_, _, err = c.Get(ctx, "/m", true)
		must(err)
		if err := c.RemoveWatches(ctx, "/m", proto.WatcherPersistentRecursive, false); err != nil && !strings.Contains(err.Error(), "needs ZooKeeper 3.9 or later") {
			t.Errorf("removal of one kind among others: %v", err)
		}
	})

	must(c.Delete(ctx, "/m", -1))
	if err := c.Delete(ctx, "/", -1); !errors.Is(err, proto.ErrNotEmpty) {
		t.Errorf("delete of a znode with children: %v", err)
	}
	if err := c.Delete(ctx, "x", -1); err == nil || !strings.Contains(err.Error(), "must start with /") {
		t.Errorf("bad path: %v", err)
	}
}

// TestRemoveWatchesKeepsPersistentOnes: removing a path's one-shot watches keeps a persistent one,
// even on a server that drops it along with them.
func TestRemoveWatchesKeepsPersistentOnes(t *testing.T) {
	ctx := testContext(t)
	seen := newEvents()
	c := open(t, Config{Servers: home(t), OnEvent: seen.take})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	create := func(path string) {
		t.Helper()
		_, _, err := c.Create(ctx, path, nil, proto.OpenACL, proto.Persistent, 0)
		must(err)
	}
	create("/lasting")
	must(c.AddWatch(ctx, "/lasting", proto.WatchPersistent))
	_, _, err := c.Children(ctx, "/lasting", true)
	must(err)
	must(c.RemoveWatches(ctx, "/lasting", proto.WatcherChildren, false))
	create("/lasting/child")
	seen.await(t, "NodeChildrenChanged /lasting")
	_, _, err = c.Get(ctx, "/lasting", true)
	must(err)
	must(c.RemoveWatches(ctx, "/lasting", proto.WatcherData, false))
	_, err = c.Set(ctx, "/lasting", []byte("x"), -1)
	must(err)
	seen.await(t, "NodeDataChanged /lasting")
}

// TestRemoveWatchesLocally: with local, a removal works even without a server.
func TestRemoveWatchesLocally(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	var n network
	e := newEvents()
	c := open(t, Config{Servers: servers, OnEvent: e.take, Dial: n.dial})
	if _, err := c.Exists(ctx, "/locally", true); !errors.Is(err, proto.ErrNoNode) {
		t.Fatal(err)
	}
	n.set(true)
	e.await(t, "Disconnected")
	if err := c.RemoveWatches(ctx, "/locally", proto.WatcherData, false); !errors.Is(err, proto.ErrConnectionLoss) {
		t.Errorf("without local: %v", err)
	}
	if err := c.RemoveWatches(ctx, "/locally", proto.WatcherData, true); err != nil {
		t.Errorf("with local: %v", err)
	}
	e.await(t, "DataWatchRemoved /locally")
	if err := c.RemoveWatches(ctx, "/locally", proto.WatcherData, true); !errors.Is(err, proto.ErrNoWatcher) {
		t.Errorf("again: %v", err)
	}
}
