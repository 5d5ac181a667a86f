package client

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zpath"
)

// TestWalkReadsMore: with data, stats and ACLs, each znode is what single requests tell of it.
func TestWalkReadsMore(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	c := open(t, Config{Servers: servers})
	paths := forest("/more", 5, 4, 3)
	plant(t, c, paths)
	for i, path := range paths {
		data := []byte(strings.Repeat("x", i%7))
		if i%10 < 3 {
			data = []byte(strings.Repeat("long", 3000)) // more than a batch of stats takes along
		}
		if _, err := c.Set(ctx, path, data, -1); err != nil {
			t.Fatal(err)
		}
	}
	acl := []proto.ACL{{Perms: proto.PermRead | proto.PermAdmin, ID: proto.WorldAnyone}}
	if _, err := c.SetACL(ctx, "/more/a0001", acl, -1); err != nil {
		t.Fatal(err)
	}
	for _, opt := range []WalkOptions{{Stat: true}, {Data: true}, {ACL: true}, {Data: true, ACL: true}, {Stat: true, Levels: 1}, {Levels: 2}, {Levels: -1}, {Data: true, Levels: -1},
		{Stat: true, Watch: true}} {
		for _, room := range []int{aheadBytes, 0} {
			var got []string
			w := newWalk(c, opt, func(z *Walked) error {
				got = append(got, z.Path)
				data, stat, err := c.Get(ctx, z.Path, false)
				if err != nil || z.Err != nil || !z.Known && (opt.Stat || opt.Data || opt.ACL) {
					return fmt.Errorf("%s: %v, %w", z.Path, err, z.Err)
				}
				if (opt.Stat || opt.Data || opt.ACL) && z.Stat != stat {
					t.Errorf("%+v: %s has the stat %+v, not %+v", opt, z.Path, stat, z.Stat)
				}
				if opt.Data && string(z.Data) != string(data) || !opt.Data && z.Data != nil {
					t.Errorf("%+v: %s has %d bytes of data, not %d", opt, z.Path, len(data), len(z.Data))
				}
				if want, _, err := c.GetACL(ctx, z.Path); opt.ACL && (err != nil || !slices.Equal(z.ACL, want)) {
					t.Errorf("%+v: %s has the ACL %v, not %v", opt, z.Path, want, z.ACL)
				}
				return nil
			})
			w.room = room
			if err := w.run(ctx, "/more"); err != nil || w.ahead != 0 || w.above != 0 {
				t.Fatalf("%+v: %v; %d bytes ahead, %d above at the end", opt, err, w.ahead, w.above)
			}
			want := slices.DeleteFunc(slices.Sorted(slices.Values(paths)), func(path string) bool {
				level := strings.Count(path, "/") - 1
				return opt.Levels < 0 && level > 0 || opt.Levels > 0 && level > opt.Levels
			})
			if !slices.Equal(got, want) {
				t.Errorf("%+v: %d znodes, want %d", opt, len(got), len(want))
			}
		}
	}
}

// TestWalkFrom: a walk that begins in the middle visits what is above that, it, and what comes after.
func TestWalkFrom(t *testing.T) {
	servers := home(t)
	c := open(t, Config{Servers: servers})
	paths := forest("/since", 5, 4, 3)
	paths = append(paths, "/since/a0001-") // after what is below a0001, although - is before /
	plant(t, c, paths)
	inOrder := func(path string) string { return strings.ReplaceAll(path, "/", "\x00") }
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(inOrder(a), inOrder(b)) })
	below := open(t, Config{Servers: servers + "/since"})
	for _, from := range []string{"/since", "/since/a0000", "/since/a0001", "/since/a0001/b0002/c0001", "/since/a0001/b0003/c0002", "/since/a0001/none/deep", "/since/a0001-",
		"/since/0", "/since/a0004/b0003/c0002", "/since/z"} {
		want := slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
			return inOrder(path) < inOrder(from) && !zpath.Within(from, path)
		})
		for _, opt := range []WalkOptions{{}, {Stat: true}, {Data: true, ACL: true}, {Watch: true}, {Most: 100}} {
			opt.From = from
			var got, named []string
			if err := c.Walk(testContext(t), "/since", opt, func(z *Walked) error {
				got = append(got, z.Path)
				for _, name := range z.Children {
					named = append(named, z.Path+"/"+name)
				}
				return z.Err
			}); err != nil || !slices.Equal(got, want) || len(named) != len(want)-1 {
				t.Errorf("%+v: %v, %q, and %d children; want %q", opt, err, got, len(named), want)
			}
		}
		n := 0
		if err := below.Walk(testContext(t), "/", WalkOptions{From: zpath.Rebase(from, "/since", "/")}, func(z *Walked) error {
			n++
			return z.Err
		}); err != nil || n != len(want) {
			t.Errorf("from %s, below a chroot: %v, %d znodes, want %d", from, err, n, len(want))
		}
	}
}

// TestWalkRate: a rate bounds how many requests are made in a second.
func TestWalkRate(t *testing.T) {
	servers := home(t)
	c := open(t, Config{Servers: servers})
	plant(t, c, forest("/rate", 6, 10))
	start := time.Now()
	n := 0
	if err := c.Walk(testContext(t), "/rate", WalkOptions{Rate: 100}, func(*Walked) error { n++; return nil }); err != nil || n != 67 {
		t.Fatal(n, err)
	}
	if took := time.Since(start); took < 500*time.Millisecond {
		t.Errorf("67 requests took %v at 100 a second", took)
	}
}

// TestWalkNamesWhatIsTooLong: a list of children that is too long for a reply is that znode's error; the
// rest of the tree is walked.
func TestWalkNamesWhatIsTooLong(t *testing.T) {
	wide := make([]string, 10_000)
	for i := range wide {
		wide[i] = fmt.Sprintf("child-%05d", i)
	}
	for _, multi := range []bool{true, false} {
		c := open(t, Config{MaxPacket: 60_000, Servers: serveLists(t, multi, func(path string) []string {
			switch path {
			case "/x":
				return []string{"a", "b", "c", "d"}
			case "/x/b":
				return slices.Clone(wide)
			case "/x/c":
				return []string{"kid"}
			}
			return nil
		})})
		var got []string
		err := c.Walk(testContext(t), "/x", WalkOptions{}, func(z *Walked) error {
			name := z.Path
			var long *TooLongError
			if errors.As(z.Err, &long) {
				name += " too long"
			} else if z.Err != nil {
				return z.Err
			}
			got = append(got, name)
			return nil
		})
		if want := []string{"/x", "/x/a", "/x/b too long", "/x/c", "/x/c/kid", "/x/d"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("multi %v: %q, %v, want %q", multi, got, err, want)
		}
	}
}

// TestWalkKeepsGOGC: walks collect garbage sooner, unless GOGC is lower or off, and leave it as it was.
func TestWalkKeepsGOGC(t *testing.T) {
	gogc := debug.SetGCPercent
	defer gogc(gogc(100))
	for before, during := range map[int]int{100: walkGC, walkGC: walkGC, 20: 20, -1: -1} {
		gogc(before)
		first, second := LessGarbage(), LessGarbage()
		if got := gogc(100); got != during {
			t.Errorf("GOGC is %d in a walk, %d without", got, before)
		}
		first()
		second()
		if got := gogc(100); got != before {
			t.Errorf("GOGC is %d after the walks, %d before", got, before)
		}
	}
}
