package ensemble

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestDigests(t *testing.T) {
	type digests = map[answer.Hex]answer.Hex
	for name, test := range map[string]struct {
		list  []digests
		agree answer.Opt[bool]
		says  string
	}{
		"the same":             {[]digests{{0x80: 1, 0x100: 2}, {0x100: 2}, {0x100: 2, 0x180: 3}}, answer.Some(true), "3 members agree at 1 common zxid, the last one 0x100"},
		"apart in between":     {[]digests{{0x80: 1, 0x100: 2, 0x180: 3}, {0x80: 1, 0x100: 7, 0x180: 8}, {0x80: 1, 0x100: 2, 0x180: 3}}, answer.Some(false), "between the zxids 0x80 and 0x100"},
		"apart from the start": {[]digests{{0x80: 1}, {0x80: 2}, {0x80: 2}}, answer.Some(false), "at zxid 0x80 or before"},
		"nothing in common":    {[]digests{{0x80: 1}, {0x100: 2}, {}}, answer.Opt[bool]{}, "the next is due in 100 transactions; --deep"},
	} {
		a := &agreement{}
		a.judgeDigests([]string{"a", "b", "c"}, test.list, 0x10000001c)
		if a.Agree != test.agree || !strings.Contains(a.Text, test.says) {
			t.Errorf("%s: %+v, want %q", name, a, test.says)
		}
		if name == "apart from the start" && fmt.Sprint(a.Sides) != "[[b c] [a]]" {
			t.Errorf("sides %v", a.Sides)
		}
	}
}

func TestVerify(t *testing.T) {
	e := embedded(t, 3, nil)
	verify := func(args ...string) output {
		return run(t, newCommand, e.ConnectString(), append([]string{"verify", "--admin-port", "0"}, args...)...)
	}
	if o := verify(); o.code != exitUnknown || !strings.Contains(o.out, "unknown: the members have no digest of a common zxid") {
		t.Errorf("%+v", o)
	}
	c, err := client.Open(client.Config{Servers: e.ConnectString()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Create(t.Context(), "/a", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if _, err := c.Set(t.Context(), "/a", []byte("x"), -1); err != nil {
			t.Fatal(err)
		}
	}
	var o output
	await.Within(20*time.Second, func() bool { o = verify(); return o.code == 0 }) // a follower may be behind
	if o.code != 0 || !strings.Contains(o.out, "3 members agree at ") {
		t.Errorf("%+v", o)
	}
	if o := verify("--deep", "/"); o.code != 0 || !strings.Contains(o.out, "below / are the same on 3 members") {
		t.Errorf("%+v", o)
	}
	if o := verify("--deep", "/a"); o.code != 0 || o.out != "1 znode below /a is the same on 3 members\n" {
		t.Errorf("%+v", o)
	}
	if o := verify("--deep", ""); o.code != exitUnknown || !strings.Contains(o.err, "--deep: ") {
		t.Errorf("%+v", o)
	}
	if o := verify("--deep", "/none"); o.code != exitUnknown || !strings.HasPrefix(o.out, "unknown: 1 znode below /none could not be read\n") || strings.Count(o.out, "NoNode") != 3 {
		t.Errorf("%+v", o)
	}
	if o := verify("--deep", "/a//b"); o.code != exitUnknown || o.out != "" {
		t.Errorf("%+v", o)
	}
	// A server that is not a member has other znodes.
	other := embedded(t, 1, nil)
	d, err := client.Open(client.Config{Servers: other.ConnectString()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, path := range []string{"/a", "/b"} {
		if _, _, err := d.Create(t.Context(), path, []byte("y"), proto.OpenACL, proto.Persistent, 0); err != nil && !errors.Is(err, proto.ErrNodeExists) {
			t.Fatal(err)
		}
	}
	both := e.Members()[0].Addr() + "," + other.Members()[0].Addr()
	o = run(t, newCommand, "", "verify", "--deep", "/", "--members", both)
	if o.code != ui.ExitFailed || !strings.Contains(o.out, "/a: ") || !strings.Contains(o.out, "data of") || !strings.Contains(o.out, "/b: on "+other.Members()[0].Addr()+", not on") {
		t.Errorf("%+v", o)
	}
	if o := run(t, newCommand, both, "verify", "--members", e.Members()[0].Addr()); o.code != exitUnknown || !strings.Contains(o.out, "no two members") {
		t.Errorf("%+v", o)
	}
	// Two of three that agree are not all.
	down := followerOf(t, e)
	if err := down.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"--deep", "/a"}} {
		await.Within(20*time.Second, func() bool { o = verify(args...); return strings.Contains(o.out, "2 members") })
		if o.code != exitUnknown || !strings.HasPrefix(o.out, "unknown: ") || !strings.Contains(o.out, ", but not all members were compared\n") ||
			!strings.Contains(o.out, "not compared: "+down.Addr()) {
			t.Errorf("%q: %+v", args, o)
		}
	}
}
