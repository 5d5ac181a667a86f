package localserver

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// gone reports whether the znode does not exist, without waiting.
func gone(t *testing.T, e *Ensemble, path string) bool {
	t.Helper()
	_, err := e.Znode(t.Context(), path)
	if err != nil && !errors.Is(err, ErrNoNode) {
		t.Fatal(err)
	}
	return err != nil
}

func make1(t *testing.T, c *client.Conn, path string, mode proto.CreateMode, ttl time.Duration) {
	t.Helper()
	if _, _, err := c.Create(t.Context(), path, nil, proto.OpenACL, mode, ttl.Milliseconds()); err != nil {
		t.Fatal(err)
	}
}

// Sessions without a client end when the clock moves past their timeouts; the others stay, whatever
// their member.
func TestAdvanceEndsSessions(t *testing.T) {
	for _, opt := range []Options{{Ephemeral: true}, {Size: 3, Ephemeral: true, Properties: quick}} {
		t.Run(fmt.Sprint(opt.Size), func(t *testing.T) {
			e := New(t, opt)
			const timeout = 5 * time.Second
			var stay []*client.Conn
			for n, m := range e.Members() {
				c, err := client.Open(client.Config{Servers: m.Addr(), SessionTimeout: timeout})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				make1(t, c, fmt.Sprintf("/stay%d", n), proto.Ephemeral, 0)
				stay = append(stay, c)
			}
			// This one loses its connection and cannot reconnect.
			c, err := client.Open(client.Config{Servers: e.ConnectString(), SessionTimeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			make1(t, c, "/gone", proto.Ephemeral, 0)
			lost := c.SessionID()
			e.Refuse(time.Minute)
			inject(t, e, Fault{Session: lost, Drop: true, Before: true})
			_, _, _ = c.Get(t.Context(), "/", false)
			if err := await.Until(t.Context(), func() bool {
				return !slices.ContainsFunc(e.Sessions(), func(s Session) bool { return s.ID == lost && s.Member != 0 })
			}); err != nil {
				t.Fatal(err)
			}
			if err := e.Advance(t.Context(), timeout/2); err != nil {
				t.Fatal(err)
			}
			if gone(t, e, "/gone") {
				t.Error("a session ends before its time")
			}
			if err := e.Advance(t.Context(), 2*timeout); err != nil {
				t.Fatal(err)
			}
			if !gone(t, e, "/gone") {
				t.Error("a session outlives its time")
			}
			for n, c := range stay {
				if _, _, err := c.Get(t.Context(), fmt.Sprintf("/stay%d", n), false); err != nil {
					t.Errorf("session of a connected client on member %d: %v", n+1, err)
				}
			}
		})
	}
}

// TTL znodes and containers are deleted when the clock passes their time, and nested ones in the
// same move; a znode that changes meanwhile stays.
func TestAdvanceDeletesZnodes(t *testing.T) {
	for _, size := range []int{1, 3} {
		e := New(t, Options{Size: size, Ephemeral: true, Properties: quick})
		c := open(t, e.ConnectString())
		make1(t, c, "/box", proto.Container, 0)
		make1(t, c, "/box/inner", proto.Container, 0)
		make1(t, c, "/box/inner/ttl", proto.PersistentTTL, 10*time.Second)
		make1(t, c, "/late", proto.PersistentTTL, time.Hour)
		make1(t, c, "/kept", proto.PersistentTTL, 10*time.Second)
		advance := func(d time.Duration) {
			t.Helper()
			if err := e.Advance(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		advance(6 * time.Second)
		if gone(t, e, "/box/inner/ttl") {
			t.Error("a znode goes before its time")
		}
		if _, err := c.Set(t.Context(), "/kept", []byte("x"), -1); err != nil {
			t.Fatal(err)
		}
		advance(6 * time.Second)
		if !gone(t, e, "/box") || gone(t, e, "/late") || gone(t, e, "/kept") {
			tree, err := e.Dump(t.Context())
			t.Errorf("after 12 s there is %v, %v", tree, err)
		}
		// A restarted server, and a new leader, have the same time.
		if err := e.Restart(t.Context()); size == 3 && err != nil {
			t.Fatal(err)
		}
		if size == 3 {
			continue // in memory: it has forgotten everything
		}
		advance(time.Hour)
		if !gone(t, e, "/late") {
			t.Error("a znode outlives its time")
		}
	}
}

// A member that was down when the clock moved has the same time.
func TestAdvanceOutlivesRestarts(t *testing.T) {
	e := New(t, Options{Size: 3, Properties: quick})
	c := open(t, e.ConnectString())
	if err := e.Advance(t.Context(), 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := e.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := await.Until(t.Context(), func() bool {
		_, _, err := c.Create(t.Context(), "/a", nil, proto.OpenACL, proto.Persistent, 0)
		return err == nil || errors.Is(err, proto.ErrNodeExists)
	}); err != nil {
		t.Fatal(err)
	}
	z, err := e.Znode(t.Context(), "/a")
	if err != nil {
		t.Fatal(err)
	}
	if ahead := time.Until(z.Created); ahead < 23*time.Hour {
		t.Errorf("after a restart the clock is %v ahead, want 24h", ahead)
	}
	if err := e.Advance(t.Context(), -1); err == nil {
		t.Error("the clock goes back")
	}
}
