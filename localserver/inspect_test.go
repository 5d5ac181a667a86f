package localserver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// Seeded znodes are dumped, and can be seeded again over existing ones.
func TestSeedAndDump(t *testing.T) {
	for _, size := range []int{1, 3} {
		e := New(t, Options{Size: size, Ephemeral: true, Properties: quick})
		for n, tree := range []map[string]string{
			{"/app/config": "{}", "/app": "x", "/other/deep/er": ""},
			{"/app/config": "new", "/more": "1"},
		} {
			if err := e.Seed(t.Context(), tree); err != nil {
				t.Fatal(err)
			}
			want := []map[string]string{
				{"/app": "x", "/app/config": "{}", "/other": "", "/other/deep": "", "/other/deep/er": ""},
				{"/app": "x", "/app/config": "new", "/other": "", "/other/deep": "", "/other/deep/er": "", "/more": "1"},
			}[n]
			if got, err := e.Dump(t.Context()); err != nil || !maps.Equal(got, want) {
				t.Errorf("%d members: the tree is %v, %v, want %v", size, got, err, want)
			}
		}
		if err := e.Seed(t.Context(), map[string]string{"app": ""}); err == nil {
			t.Error("a relative path is accepted")
		}
	}
}

func TestZnode(t *testing.T) {
	e := New(t, Options{Ephemeral: true})
	c := open(t, e.ConnectString())
	before := time.Now().Truncate(time.Millisecond)
	create(t, c, "/a", "/a/2", "/a/1")
	if _, err := c.Set(t.Context(), "/a", []byte("data"), -1); err != nil {
		t.Fatal(err)
	}
	z, err := e.Znode(t.Context(), "/a")
	if err != nil {
		t.Fatal(err)
	}
	if string(z.Data) != "data" || z.Version != 1 || z.ChildrenVersion != 2 || z.Path != "/a" || !slices.Equal(z.Children, []string{"1", "2"}) ||
		!slices.Equal(z.ACL, []ACL{{"cdrwa", "world", "anyone"}}) || z.Created.Before(before) || z.Mzxid <= z.Czxid || z.Session != 0 || z.Container || z.TTL != 0 {
		t.Errorf("%+v", z)
	}
	make1(t, c, "/e", proto.Ephemeral, 0)
	make1(t, c, "/c", proto.Container, 0)
	make1(t, c, "/t", proto.PersistentTTL, time.Minute)
	for path, is := range map[string]func(*Znode) bool{
		"/e": func(z *Znode) bool { return z.Session == c.SessionID() && !z.Container && z.TTL == 0 },
		"/c": func(z *Znode) bool { return z.Session == 0 && z.Container },
		"/t": func(z *Znode) bool { return z.Session == 0 && z.TTL == time.Minute },
	} {
		if z, err := e.Znode(t.Context(), path); err != nil || !is(z) {
			t.Errorf("%s: %+v, %v", path, z, err)
		}
	}
	if _, err := e.Znode(t.Context(), "/none"); !errors.Is(err, ErrNoNode) {
		t.Error(err)
	}
}

func TestSessionsAndWatches(t *testing.T) {
	e := New(t, Options{Size: 3, Ephemeral: true, Properties: quick})
	c, err := client.Open(client.Config{Servers: e.Member(2).Addr(), SessionTimeout: 7 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	make1(t, c, "/b", proto.Ephemeral, 0)
	make1(t, c, "/a", proto.Ephemeral, 0)
	if got, want := fmt.Sprint(e.Sessions()), fmt.Sprintf("[{%d 7s 2 [/a /b]}]", c.SessionID()); got != want {
		t.Errorf("sessions are %s, want %s", got, want)
	}
	if _, _, err := c.Get(t.Context(), "/a", true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Children(t.Context(), "/", true); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]proto.AddWatchMode{"/p": proto.WatchPersistent, "/r": proto.WatchPersistentRecursive} {
		if err := c.AddWatch(t.Context(), path, mode); err != nil {
			t.Fatal(err)
		}
	}
	id := c.SessionID()
	if got, want := fmt.Sprint(e.Watches()), fmt.Sprintf("[{/ children %d 2} {/a data %d 2} {/p persistent %d 2} {/r persistent recursive %d 2}]", id, id, id, id); got != want {
		t.Errorf("watches are %s, want %s", got, want)
	}
	c.Close()
	if err := await.Until(t.Context(), func() bool { return len(e.Sessions())+len(e.Watches()) == 0 }); err != nil {
		t.Errorf("after Close there are %v, %v", e.Sessions(), e.Watches())
	}
}
