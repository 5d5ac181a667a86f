package replica

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
)

// likeApache is the release that a server emulates to be compared with Debian's ZooKeeper 3.8.0.
var likeApache = mustParse("3.8")

func mustParse(text string) release.Release {
	r, err := release.Parse(text)
	if err != nil {
		panic(err)
	}
	return r
}

// TestReleasesOnDisk checks the end of snapshots (ZOOKEEPER-4571, FileSnap.serialize of
// release-3.9.0) and the sizes of the folders (ZOOKEEPER-4730, ZooKeeperServer.getDataDirSize of
// release-3.8.4 and release-3.9.2).
func TestReleasesOnDisk(t *testing.T) {
	for text, want := range map[string]struct {
		lastZxid int64
		dirs     string // of snapshots and of logs
	}{
		"3.8.0": {-1, "exchanged"}, "3.8.3": {-1, "exchanged"}, "3.8.4": {-1, "right"}, "3.8": {-1, "right"},
		"3.9.0": {2, "exchanged"}, "3.9.1": {2, "exchanged"}, "3.9.2": {2, "right"}, "3.9": {2, "right"},
	} {
		s := serveAlone(t, Options{Release: mustParse(text), DataDir: t.TempDir(), LogDir: t.TempDir(), Words: []string{"*"}})
		if _, _, err := dial(t, s.addr).Create(context.Background(), "/a", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
		path, _, err := s.Save()
		if err != nil {
			t.Fatal(err)
		}
		_, trailer, err := new(storage.Dir).ReadTree(storage.File{Path: path})
		if err != nil || trailer.LastProcessedZxid != want.lastZxid {
			t.Errorf("%s: a snapshot ends in %+v, %v, want the last zxid %d", text, trailer, err, want.lastZxid)
		}
		snapshots, logs := dirSize(s.opt.DataDir), dirSize(s.opt.LogDir)
		_, _, first, second := s.directories()
		if want.dirs == "exchanged" {
			first, second = second, first
		}
		if first != snapshots || second != logs || snapshots == logs {
			t.Errorf("%s: sizes %d and %d, the snapshots' is %d, the logs' %d, want them %s", text, first, second, snapshots, logs, want.dirs)
		}
	}
}

// TestReleasesOfAdmin checks the commands and counters added in release-3.9.0 (ZOOKEEPER-4570, 4571
// and 4639, admin.Commands and ServerMetrics).
func TestReleasesOfAdmin(t *testing.T) {
	for text, has := range map[string]bool{"3.8": false, "3.9.0": true, "3.9": true} {
		s := serveAlone(t, Options{Release: mustParse(text), Words: []string{"*"}})
		url := serveAdmin(t, s.Replica, AdminOptions{}) + "/commands"
		for _, command := range []string{"snapshot", "snap"} {
			res, answer := fetch(t, "GET", url+"/"+command, nil)
			if unknown := res.StatusCode == http.StatusOK && strings.Contains(answer, `"error" : "Unknown command: `+command+`"`); unknown == has {
				t.Errorf("%s: %s is answered %d %s", text, command, res.StatusCode, answer)
			}
		}
		if res, answer := fetch(t, "POST", url+"/restore", nil); (res.StatusCode == http.StatusUnauthorized) != has {
			t.Errorf("%s: restore is answered %d %s", text, res.StatusCode, answer)
		}
		if _, list := fetch(t, "GET", url, nil); strings.Contains(list, ">snapshot</a>") != has || strings.Contains(list, ">restore</a>") != has {
			t.Errorf("%s: the list is\n%s", text, list)
		}
		keys := mntrKeys(ask(t, s.addr, "mntr"))
		for _, key := range []string{"zk_snapshot_error_count", "zk_snapshot_rate_limited_count", "zk_restore_error_count",
			"zk_restore_rate_limited_count", "zk_avg_restore_time", "zk_cnt_restore_time"} {
			if _, ok := keys[key]; ok != has {
				t.Errorf("%s: mntr has %s: %v", text, key, ok)
			}
		}
		for _, answer := range []string{keys["zk_version"], ask(t, s.addr, "srvr"), ask(t, s.addr, "envi")} {
			if !strings.Contains(answer, mustParse(text).String()+"-") {
				t.Errorf("%s is not the version of %s", text, answer)
			}
		}
	}
}

// Since release-3.9.0, a recursive watch is in only one of the two tables (ZOOKEEPER-4475,
// DataTree.addWatch), as zk_watch_count shows.
func TestReleasesOfWatchCount(t *testing.T) {
	for text, want := range map[string]string{"3.8": "4", "3.9": "3"} {
		s := serveAlone(t, Options{Release: mustParse(text), Words: []string{"*"}})
		c := dial(t, s.addr)
		for path, mode := range map[string]proto.AddWatchMode{"/a": proto.WatchPersistent, "/b": proto.WatchPersistentRecursive} {
			if err := c.AddWatch(context.Background(), path, mode); err != nil {
				t.Fatal(err)
			}
		}
		if got := mntrKeys(ask(t, s.addr, "mntr"))["zk_watch_count"]; got != want {
			t.Errorf("%s: %s watches, want %s", text, got, want)
		}
	}
}

// TestIPv6ACL is IPAuthenticationProviderTest of release-3.9.5 (ZOOKEEPER-4240).
func TestIPv6ACL(t *testing.T) {
	known, unknown := &authSchemes{ipv6: func() bool { return true }}, &authSchemes{}
	for _, c := range []struct {
		id, expr     string
		valid, match bool
	}{
		{"2001:db8:0:0:0:0:0:1", "2001:db8::1", true, true},
		{"2001:db8:0:0:0:0:0:1", "2001:0DB8:0000:0000:0000:0000:0000:0001", true, true},
		{"2001:db8:0:0:0:0:0:1", "2001:db8::/32", true, true},
		{"2001:db9:0:0:0:0:0:1", "2001:db8::/32", true, false},
		{"2001:db8:0:0:0:0:0:1", "2001:db8::/127", true, true},
		{"2001:db8:0:0:0:0:0:2", "2001:db8::/127", true, false},
		{"0:0:0:0:0:0:0:1", "::1", true, true},
		{"0:0:0:0:0:0:0:1", "::", true, false},
		{"0:0:0:0:0:0:0:1", "::/0", true, true},
		{"127.0.0.1", "::/0", true, false},
		{"0:0:0:0:0:0:0:1", "0.0.0.0/0", true, false},
		{"fe80:0:0:0:0:0:0:1%eth0", "fe80::/10", true, false},
		{"127.0.0.1", "127.0.0.0/8", true, true},
		{"127.0.0.1", "127.0.0.0/33", false, false},
		{"0:0:0:0:0:0:0:1", "::/129", false, false},
		{"0:0:0:0:0:0:0:1", "::/-1", false, false},
		{"0:0:0:0:0:0:0:1", "::/x", false, false},
		{"0:0:0:0:0:0:0:1", "1:2:3:4:5:6:7", false, false},
		{"0:0:0:0:0:0:0:1", "1:2:3:4:5:6:7:8:9", false, false},
		{"0:0:0:0:0:0:0:1", "1:2:3:4::5:6:7:8", false, false},
		{"0:0:0:0:0:0:0:1", "1::2::3", false, false},
		{"0:0:0:0:0:0:0:1", ":::", false, false},
		{"0:0:0:0:0:0:0:1", "12345::", false, false},
		{"0:0:0:0:0:0:0:1", "g::", false, false},
		{"0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", false, false},
		{"0:0:0:0:0:0:0:1", "localhost", false, false},
		{"0:0:0:0:0:0:0:1", "", false, false},
	} {
		if valid := known.valid(proto.ID{Scheme: schemeIP, ID: c.expr}); valid != c.valid {
			t.Errorf("%q is valid: %v", c.expr, valid)
		}
		if match := known.matches(schemeIP, c.id, c.expr); match != c.match {
			t.Errorf("%s matches %q: %v", c.id, c.expr, match)
		}
		g := known.grantsOf(&ztree.ACL{List: []proto.ACL{{Perms: proto.PermRead, ID: proto.ID{Scheme: schemeIP, ID: c.expr}}}}) // of a long list
		if match := g.to(known, proto.ID{Scheme: schemeIP, ID: c.id}) == proto.PermRead; match != c.match {
			t.Errorf("%s matches %q in a long list: %v", c.id, c.expr, match)
		}
		if six := strings.Contains(c.expr, ":"); six && (unknown.valid(proto.ID{Scheme: schemeIP, ID: c.expr}) || unknown.matches(schemeIP, c.id, c.expr)) {
			t.Errorf("before release-3.9.4 %q is taken", c.expr)
		}
	}
}

// FuzzIPNet parses ids of ACLs. What net/netip accepts as an address is the same one here.
func FuzzIPNet(f *testing.F) {
	for _, s := range []string{"::1", "2001:db8::/32", "127.0.0.1/8", ":::", "1:2:3:4:5:6:7:8", "-1::+f", "::ffff:1.2.3.4", "fe80::1%eth0", "/", "::/"} {
		f.Add(s)
	}
	a := &authSchemes{ipv6: func() bool { return true }}
	f.Fuzz(func(t *testing.T, s string) {
		net, ok := a.ipNet(s)
		if ok && !a.ipMatches(net.Addr().String(), s) && !net.Addr().Is4In6() {
			t.Errorf("%q does not match its own address %v", s, net)
		}
		if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" && !(addr.Is6() && strings.Contains(s, ".")) {
			if !ok || net.Addr() != addr {
				t.Errorf("%q is %v, %v, want %v", s, net, ok, addr)
			}
		}
	})
}
