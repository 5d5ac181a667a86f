package replica

import (
	"slices"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// quotaTree returns a tree with /q and one child, 5 bytes in total, with the given quota.
func quotaTree(t *testing.T, limits string) *ztree.Tree {
	t.Helper()
	tree := ztree.New()
	for i, c := range [][2]string{{"/q", "abc"}, {"/q/a", "de"}, {"/other", ""}, {"/zookeeper/quota/q", ""},
		{"/zookeeper/quota/q/zookeeper_limits", limits}, {"/zookeeper/quota/q/zookeeper_stats", ""}} {
		r := tree.Apply(&proto.TxnHeader{Zxid: int64(i + 1), Type: proto.OpCreate},
			&proto.CreateTxn{Path: c[0], Data: []byte(c[1]), ACL: proto.OpenACL, ParentCVersion: -1})
		if r.Err != 0 {
			t.Fatal(c, r.Err)
		}
	}
	return tree
}

func TestQuota(t *testing.T) {
	for name, c := range map[string]struct {
		limits       string
		path         string
		bytes, count int64
		want         proto.Error
		say          string
	}{
		"no limit":            {"count=-1,bytes=-1", "/q/x", 1000, 1, 0, ""},
		"another path":        {"count=1,bytes=1", "/other/x", 1000, 1, 0, ""},
		"a longer name":       {"count=1,bytes=1", "/qq", 1000, 1, 0, ""},
		"within":              {"count=3,bytes=8", "/q/x", 3, 1, 0, ""},
		"soft count":          {"count=2,bytes=-1", "/q/x", 3, 1, 0, "Quota exceeded: /q [current count=3, softCountLimit=2]"},
		"soft bytes":          {"count=-1,bytes=5", "/q/x", 1, 1, 0, "Quota exceeded: /q [current bytes=6, softByteLimit=5]"},
		"hard count":          {"count=-1,bytes=-1=;countHardLimit=2", "/q/x", 3, 1, proto.ErrQuotaExceeded, "Quota exceeded: /q [current count=3, hardCountLimit=2]"},
		"hard bytes":          {"count=-1,bytes=-1=;byteHardLimit=7", "/q/a/x", 3, 1, proto.ErrQuotaExceeded, "Quota exceeded: /q [current bytes=8, hardByteLimit=7]"},
		"the znode itself":    {"count=-1,bytes=-1=;byteHardLimit=5", "/q", 1, 0, proto.ErrQuotaExceeded, "Quota exceeded: /q [current bytes=6, hardByteLimit=5]"},
		"hard before soft":    {"count=1,bytes=-1=;countHardLimit=9", "/q/x", 3, 1, 0, ""},
		"a change of nothing": {"count=1,bytes=1=;byteHardLimit=1", "/q/a", 0, 0, 0, ""},
		"shrinking, still over": {"count=-1,bytes=-1=;byteHardLimit=2", "/q/a", -1, 0, proto.ErrQuotaExceeded,
			"Quota exceeded: /q [current bytes=4, hardByteLimit=2]"},
		"damaged": {"count=x", "/q/x", 1, 1, proto.ErrMarshallingError, ""},
	} {
		said := ""
		q := quotaCheck{enforce: true, warn: rateLog{warn: func(m string) { said += m }}}
		tree := quotaTree(t, c.limits)
		want := c.say
		if want != "" {
			want = "Message:" + want + " Value:null"
		}
		if got := q.check(tree, c.path, c.bytes, c.count); got != c.want || said != want {
			t.Errorf("%s: %v and %q", name, got, said)
		}
		q.enforce = false
		if got := q.check(tree, c.path, c.bytes, c.count); got != 0 {
			t.Errorf("%s: %v though quotas are not enforced", name, got)
		}
	}
}

func TestRateLog(t *testing.T) {
	var said []string
	at := time.Unix(0, 0)
	r := rateLog{warn: func(m string) { said = append(said, m) }, now: func() time.Time { return at }}
	for i := range 25 {
		r.log("a")
		at = at.Add(10 * time.Millisecond)
		if i == 0 && len(said) != 1 {
			t.Error("the first is not said at once")
		}
	}
	r.log("b")
	want := []string{"Message:a Value:null", "[10 times] Message: a", "[10 times] Message: a", "[4 times] Message: a", "Message:b Value:null"}
	if !slices.Equal(said, want) {
		t.Errorf("%q", said)
	}
}
