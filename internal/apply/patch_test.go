package apply

import (
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// TestPatchFound: what the caller has found is written without being read; where it is no longer so, the znode is read, and what
// is not the caller's stays.
func TestPatchFound(t *testing.T) {
	for _, mine := range []bool{true, false} {
		c := session(t, client.Config{Servers: home(t)})
		ctx := testContext(t)
		for _, path := range []string{"/right", "/stale", "/there", "/gone", "/kept"} {
			if _, _, err := c.Create(ctx, path, []byte("old"), proto.OpenACL, proto.Persistent, 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range []string{"/stale", "/kept"} { // after they were found
			if _, err := c.Set(ctx, path, []byte("theirs"), -1); err != nil {
				t.Fatal(err)
			}
		}
		wanted := func(path string) Target {
			z := znode(path, "new", 0)
			return Target{Path: path, Wanted: &z}
		}
		targets := []Target{wanted("/right"), wanted("/stale"), wanted("/there"), wanted("/new"), wanted("/new/kid"), wanted("/unread"), wanted("/unread/kid"), {Path: "/gone"}, {Path: "/kept"}}
		for i, f := range []*Found{{Data: true}, {Data: true}, {Absent: true}, {Absent: true}, {Absent: true}, nil, {Absent: true}, {}, {}} {
			targets[i].Found = f
		}
		opt := Options{OnConflict: Overwrite, NoSequences: true, Mine: func(string, *proto.Stat) bool { return mine }}
		res, err := Patch(ctx, c, opt, targets)
		if err != nil || res.Failed.N != 0 || res.Created != 4 {
			t.Fatalf("%+v, %v", res, err)
		}
		want := map[string]string{"/right": "new", "/stale": "new", "/there": "new", "/new": "new", "/new/kid": "new", "/unread": "new", "/unread/kid": "new"}
		if !mine {
			want["/stale"], want["/there"], want["/kept"] = "theirs", "old", "theirs"
			if res.Foreign.N != 3 {
				t.Errorf("foreign: %+v", res.Foreign)
			}
		}
		for _, path := range []string{"/right", "/stale", "/there", "/new", "/new/kid", "/unread", "/unread/kid", "/gone", "/kept"} {
			data, _, err := c.Get(ctx, path, false)
			if text, exists := want[path]; string(data) != text || exists != (err == nil) {
				t.Errorf("mine %v: %s is %q, %v; want %q", mine, path, data, err, text)
			}
		}
	}
}

// TestPatchReconnects: a patch goes on as soon as there is another connection. It has no root that could be named then.
func TestPatchReconnects(t *testing.T) {
	b := &breaking{}
	n := 0
	b.after = func() int64 { n++; return int64(n) << 14 }
	c := session(t, client.Config{Servers: home(t), Dial: b.dial})
	var targets []Target
	for _, path := range []string{"/a", "/b", "/c"} {
		z := znode(path, strings.Repeat("x", 8000), 0)
		targets = append(targets, Target{Path: path, Wanted: &z})
	}
	res, err := Patch(testContext(t), c, Options{OnConflict: Overwrite, Batch: 1}, targets)
	if err != nil || res.Created != len(targets) || b.broke.Load() == 0 {
		t.Errorf("%+v, %v; %d connections broke", res, err, b.broke.Load())
	}
}
