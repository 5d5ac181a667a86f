package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
)

func TestParseServers(t *testing.T) {
	for s, want := range map[string]string{
		"localhost":                   "localhost:2181",
		"localhost:":                  "localhost:2181",
		"127.0.0.1:3000":              "127.0.0.1:3000",
		"a:1,b:2,c:3/chroot/x":        "a:1 b:2 c:3 /chroot/x",
		"a, b:2":                      "a:2181 b:2",
		"a/":                          "a:2181",
		"[::1]":                       "[::1]:2181",
		"[2001:db8::1]:2182,a/x":      "[2001:db8::1]:2182 a:2181 /x",
		"zk-1.example.com:2181/a-b.c": "zk-1.example.com:2181 /a-b.c",
		"a:1,":                        "a:1",
		",a,,b:2, ":                   "a:2181 b:2",
		"a:1,/x":                      "a:1 /x",
		"a:2181/x/":                   "a:2181 /x",
		"zk://a:1,b/x":                "a:1 b:2181 /x",
		"zk://a/":                     "a:2181",
	} {
		addrs, chroot, err := ParseServers(s)
		var got []string
		for _, a := range addrs {
			got = append(got, a.String())
		}
		if chroot != "" {
			got = append(got, chroot)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v, want %q", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                 "no server in it",
		",":                "no server in it",
		"/chroot":          "no server in it",
		"zk://":            "no server in it",
		":2181":            "no host before the port",
		"a:x":              `port "x" is not a number from 1 to 65535`,
		"a:0":              `port "0" is not`,
		"a:65536":          `port "65536" is not`,
		"a:-1":             `port "-1" is not`,
		"::1":              "brackets",
		"::1:2181":         "brackets",
		"[::1":             "closing bracket",
		"[::1]2181":        `"2181" after the bracket`,
		"[localhost]:2181": "not an IPv6 address",
		"a b:2181":         `contains " ", which is not allowed in a host name`,
		"http://a:2181":    `bad chroot "//a:2181"`,
		"a:2181/x//":       `bad chroot "/x/": empty name after "/x/"`,
		"a:2181//":         `bad chroot "/": empty name after "/"`,
		"a:2181//x":        `bad chroot "//x"`,
		"user@a:2181":      `"@"`,
		"a:2181/x/../y":    `bad chroot`,
	} {
		if _, _, err := ParseServers(s); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "expected host:port") {
			t.Errorf("%q: error %v does not say %q", s, err, want)
		}
	}
	for _, cfg := range []Config{{Servers: "a:b"}, {Servers: "a", SessionTimeout: -1}, {Servers: "a", MaxPacket: -1}} {
		if _, err := Open(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

func TestRing(t *testing.T) {
	addrs, _, _ := ParseServers("a,b,c,d,e")
	r := newRing(addrs)
	var order []Address
	for range 2 {
		r.start()
		var round []Address
		for a, ok := r.take(); ok; a, ok = r.take() {
			round = append(round, a)
		}
		if order != nil && !slices.Equal(order, round) {
			t.Errorf("rounds differ: %v, %v", order, round)
		}
		order = round
	}
	sorted := slices.Clone(order)
	slices.SortFunc(sorted, func(a, b Address) int { return strings.Compare(a.Host, b.Host) })
	if !slices.Equal(sorted, addrs) {
		t.Errorf("a round is %v", order)
	}
	// A round that ends early continues with the next address.
	r.start()
	r.take()
	r.start()
	if a, _ := r.take(); a != order[1] {
		t.Errorf("next is %v, want %v", a, order[1])
	}
}

func TestValidatePath(t *testing.T) {
	for _, good := range []string{"/", "/a", "/a/b", "/...", "/.a", "/a./b..", "/größe", "/a b", "/\uf8ff\u00a0"[:1] + "\u00a0", "/\uf900", "/\uffef"} {
		if err := ValidatePath(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"":            "empty path",
		"a":           "it must start with /",
		"/a/":         "it must not end with /",
		"//":          "it must not end with /",
		"//a":         `empty name after "/"`,
		"/a//b":       `empty name after "/a/"`,
		"/.":          `"." is not a valid znode name (byte 1)`,
		"/a/../b":     `".." is not a valid znode name (byte 3)`,
		"/a/..":       `".." is not`,
		"/a\x00":      "control character U+0000 at byte 2",
		"/a\n":        "control character U+000A",
		"/\u007f":     "control character U+007F",
		"/\u0085":     "control character U+0085",
		"/\xff":       "invalid UTF-8",
		"/\ue000":     "U+E000, which servers refuse",
		"/\ufffd":     "U+FFFD, which servers refuse",
		"/\U0001f600": "U+1F600, which servers refuse",
	} {
		err := ValidatePath(bad)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), fmt.Sprintf("invalid path %q", bad)) {
			t.Errorf("%q: error %v does not say %q", bad, err, want)
		}
	}
	if err := ValidateCreatePath("/a/", true); err != nil {
		t.Error(err)
	}
	if err := ValidateCreatePath("/a/", false); err == nil {
		t.Error("/a/ is accepted for a create that is not sequential")
	}
	if err := ValidateCreatePath("a/", true); err == nil || !strings.Contains(err.Error(), `"a/"`) {
		t.Errorf("error %v", err)
	}
}

func TestChroot(t *testing.T) {
	c := &Conn{chroot: "/app"}
	for real, shown := range map[string]string{"/app": "/", "/app/x": "/x", "/other": "/other", "/apple": "/apple"} {
		if got := c.shown(real); got != shown {
			t.Errorf("shown(%s) = %s, want %s", real, got, shown)
		}
	}
	if c.real("/") != "/app" || c.real("/x") != "/app/x" {
		t.Errorf("real: %s, %s", c.real("/"), c.real("/x"))
	}
}

// TestWatchTable follows ZKWatchManager.
func TestWatchTable(t *testing.T) {
	var w watchTable
	set := func(op proto.Op, path string, code proto.Error) {
		w.replied(watchWish{op: op, path: path, exists: true}, code)
	}
	set(proto.OpGetData, "/a", proto.OK)
	set(proto.OpGetData, "/none", proto.ErrNoNode)
	set(proto.OpExists, "/b", proto.ErrNoNode)
	set(proto.OpGetChildren2, "/a", proto.OK)
	w.replied(watchWish{op: proto.OpAddWatch, path: "/p", mode: proto.WatchPersistent, exists: true}, proto.OK)
	w.replied(watchWish{op: proto.OpAddWatch, path: "/r", mode: proto.WatchPersistentRecursive, exists: true}, proto.OK)

	for _, test := range []struct {
		e    proto.EventType
		path string
		want bool
	}{
		{proto.EventNodeDataChanged, "/none", false},
		{proto.EventNodeDataChanged, "/a", true},
		{proto.EventNodeDataChanged, "/a", false}, // once
		{proto.EventNodeChildrenChanged, "/a", true},
		{proto.EventNodeChildrenChanged, "/a", false},
		{proto.EventNodeCreated, "/b", true},
		{proto.EventNodeCreated, "/b", false},
		{proto.EventNodeDataChanged, "/p", true},
		{proto.EventNodeDataChanged, "/p", true},
		{proto.EventNodeChildrenChanged, "/p", true},
		{proto.EventNodeDataChanged, "/p/x", false},
		{proto.EventNodeDeleted, "/r", true},
		{proto.EventNodeCreated, "/r/x/y", true},
		{proto.EventNodeChildrenChanged, "/r/x", false},
		{proto.EventNodeCreated, "/rx", false},
	} {
		if got := w.fired(test.e, test.path); got != test.want {
			t.Errorf("%v %s: %v, want %v", test.e, test.path, got, test.want)
		}
	}
	if w.has("/a", proto.WatcherAny) || !w.has("/p", proto.WatcherPersistent) || w.has("/p", proto.WatcherPersistentRecursive) || !w.has("/r", proto.WatcherAny) {
		t.Error("has is wrong")
	}

	set(proto.OpGetData, "/c", proto.OK)
	set(proto.OpGetChildren, "/c", proto.OK)
	set(proto.OpExists, "/c", proto.ErrNoNode)
	if got := w.remove("/c", proto.WatcherAny); !slices.Equal(got, []proto.EventType{proto.EventChildWatchRemoved, proto.EventDataWatchRemoved}) {
		t.Errorf("removed %v", got)
	}
	if got := w.remove("/c", proto.WatcherAny); got != nil {
		t.Errorf("removed again %v", got)
	}
}

func TestWatchResets(t *testing.T) {
	var w watchTable
	if ops, _ := w.resets(1); ops != nil {
		t.Errorf("no watches: %v", ops)
	}
	path := "/" + strings.Repeat("x", 1000)
	for i := range 300 {
		w.replied(watchWish{op: proto.OpGetData, path: fmt.Sprint(path, i), exists: true}, proto.OK)
	}
	w.replied(watchWish{op: proto.OpAddWatch, path: "/p", exists: true}, proto.OK)
	ops, reqs := w.resets(7)
	if !slices.Equal(ops, []proto.Op{proto.OpSetWatches, proto.OpSetWatches, proto.OpSetWatches2}) {
		t.Fatalf("requests %v", ops)
	}
	last := reqs[2].(*proto.SetWatches2)
	if n := len(reqs[0].(*proto.SetWatches).DataWatches) + len(reqs[1].(*proto.SetWatches).DataWatches) + len(last.DataWatches); n != 300 ||
		last.RelativeZxid != 7 || !slices.Equal(last.PersistentWatches, []string{"/p"}) {
		t.Errorf("%d data watches, %+v", n, last)
	}
}

// Silent servers have the same reason, which a RoundError names once.
func TestTimeoutsAreAlike(t *testing.T) {
	var e RoundError
	for i, took := range []time.Duration{5001 * time.Millisecond, 5003 * time.Millisecond} {
		err := attemptFault(context.DeadlineExceeded, stageSession, false, took, context.DeadlineExceeded)
		e.Attempts = append(e.Attempts, &AttemptError{Address{"a", i + 1}, err})
	}
	if text := e.Error(); !strings.HasPrefix(text, "connect a:1, a:2: timed out") || strings.Contains(text, ";") {
		t.Error(text)
	}
}
