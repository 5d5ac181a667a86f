package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await/awaittest"
	"github.com/zkctl/zkctl/internal/proto"
)

// network is a network that can be cut.
type network struct {
	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, errors.New("the cable is cut")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err == nil {
		n.conns = append(n.conns, conn)
	}
	return conn, err
}

// set cuts the network, which breaks every connection, or restores it.
func (n *network) set(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
	if down {
		for _, c := range n.conns {
			_ = c.Close()
		}
		n.conns = nil
	}
}

// events collects a session's events.
type events chan Event

func newEvents() events { return make(events, 1000) }

func (e events) take(ev Event) { e <- ev }

func (ev Event) text() string {
	if ev.Type == proto.EventNone {
		return ev.State.String()
	}
	return ev.Type.String() + " " + ev.Path
}

// await takes events until the wanted one and returns those before it.
func (e events) await(t *testing.T, want string) (before []string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case ev := <-e:
			if ev.text() == want {
				return before
			}
			before = append(before, ev.text())
		case <-timeout:
			t.Fatalf("no event %q; there were %q", want, before)
		}
	}
}

// drain returns all pending events, sorted: those of an answered request have already arrived.
func (e events) drain(c *Conn, t *testing.T) (all []string) {
	t.Helper()
	// Replies and events come in order, so after a reply every earlier event is queued;
	// removing a watch queues one more, which marks the end.
	ctx := testContext(t)
	if _, err := c.Exists(ctx, "/drained", true); err != nil && !errors.Is(err, proto.ErrNoNode) {
		t.Fatal(err)
	}
	if err := c.RemoveWatches(ctx, "/drained", proto.WatcherData, false); err != nil {
		t.Fatal(err)
	}
	all = e.await(t, "DataWatchRemoved /drained")
	slices.Sort(all)
	return all
}

func TestServerRestartResumesTheSession(t *testing.T) {
	// The session survives a restart on a busy machine.
	s := apachetest.Test(t, apache.Options{TickTime: 3 * time.Second})
	ctx := testContext(t)
	e := newEvents()
	c := open(t, Config{Servers: s.Addr(), SessionTimeout: time.Minute, OnEvent: e.take})
	create(t, c, "/ephemeral", proto.Ephemeral)
	id := c.SessionID()
	e.await(t, "SyncConnected")
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	e.await(t, "Disconnected")
	err := c.Delete(ctx, "/ephemeral", -1)
	if loss := lossOf(t, err); loss.Sent || !strings.Contains(err.Error(), "ConnectionLoss: connect "+s.Addr()+": ") || strings.Contains(err.Error(), "may or may not") {
		t.Errorf("request while the server is down: %v", err)
	}
	if c.State() != Connecting || c.Server() != "" || c.Err() == nil {
		t.Errorf("state %v, server %q, err %v", c.State(), c.Server(), c.Err())
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if before := e.await(t, "SyncConnected"); len(before) != 0 {
		t.Errorf("events before it is back: %q", before)
	}
	stat, err := c.Exists(ctx, "/ephemeral", false)
	if err != nil || stat.EphemeralOwner != id || c.SessionID() != id {
		t.Errorf("after it: owner 0x%x, session 0x%x, was 0x%x: %v", stat.EphemeralOwner, c.SessionID(), id, err)
	}
}

func TestPausedServer(t *testing.T) {
	const timeout = 2 * time.Second
	s := apachetest.Test(t, apache.Options{TickTime: timeout / 4})
	e := newEvents()
	c := open(t, Config{Servers: s.Addr(), SessionTimeout: timeout, OnEvent: e.take})
	if err := c.WaitConnected(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.Pause(); err != nil {
		t.Skip(err)
	}
	start := awaittest.Start()
	err := c.Delete(testContext(t), "/x", -1)
	took, late := start.Late(2 * timeout)
	if loss := lossOf(t, err); !loss.Sent || !strings.Contains(err.Error(), "timed out: nothing arrived from the server for") || late {
		t.Errorf("after %v: %v", took, err)
	}
	e.await(t, "Disconnected")
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	e.await(t, "SyncConnected")
}

// TestPing: an idle session survives several timeouts.
func TestPing(t *testing.T) {
	const timeout = 2 * time.Second
	s := apachetest.Test(t, apache.Options{TickTime: timeout / 4})
	e := newEvents()
	c := open(t, Config{Servers: s.Addr(), SessionTimeout: timeout, OnEvent: e.take})
	if err := c.WaitConnected(testContext(t)); err != nil {
		t.Fatal(err)
	}
	e.await(t, "SyncConnected")
	select {
	case ev := <-e:
		t.Errorf("event %s of an idle session", ev.text())
	case <-time.After(3 * timeout):
	}
}

func TestExpiry(t *testing.T) {
	const timeout = 2 * time.Second
	s := apachetest.Test(t, apache.Options{TickTime: timeout / 4})
	ctx := testContext(t)
	var n network
	e := newEvents()
	c := open(t, Config{Servers: s.Addr(), SessionTimeout: timeout, OnEvent: e.take, Dial: n.dial})
	create(t, c, "/gone", proto.Ephemeral)
	e.await(t, "SyncConnected")

	others := newEvents()
	other := open(t, Config{Servers: s.Addr(), OnEvent: others.take})
	if _, err := other.Exists(ctx, "/gone", true); err != nil {
		t.Fatal(err)
	}
	n.set(true)
	others.await(t, "NodeDeleted /gone")
	n.set(false)
	if before := e.await(t, "Expired"); len(before) != 1 || before[0] != "Disconnected" {
		t.Errorf("events before Expired: %q", before)
	}
	_, err := c.Exists(ctx, "/gone", false)
	if !errors.Is(err, proto.ErrSessionExpired) || c.State() != Expired || c.State().Alive() {
		t.Errorf("request on an expired session: %v; state %v", err, c.State())
	}
	if loss := lossOf(t, err); loss.Sent || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("loss %+v: %v", loss, err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestWatchesAreSetAgain(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	other := open(t, Config{Servers: servers})
	plant(t, other, []string{"/again", "/again/data", "/again/children", "/again/gone", "/again/plain", "/again/deep", "/again/deep/x"})
	for _, persistent := range []bool{false, true} {
		t.Run(fmt.Sprint("persistent=", persistent), func(t *testing.T) {
			var n network
			e := newEvents()
			c := open(t, Config{Servers: servers + "/again", OnEvent: e.take, Dial: n.dial})
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			_, _, err := c.Get(ctx, "/data", true)
			must(err)
			if _, err = c.Exists(ctx, "/new", true); !errors.Is(err, proto.ErrNoNode) {
				t.Fatal(err)
			}
			_, err = c.Exists(ctx, "/gone", true)
			must(err)
			_, _, err = c.Children(ctx, "/children", true)
			must(err)
			if persistent {
				must(c.AddWatch(ctx, "/plain", proto.WatchPersistent))
				must(c.AddWatch(ctx, "/deep", proto.WatchPersistentRecursive))
			}
			e.await(t, "SyncConnected")
			n.set(true)
			e.await(t, "Disconnected")
			_, err = other.Set(ctx, "/again/data", []byte("1"), -1)
			must(err)
			create(t, other, "/again/new", proto.Persistent)
			must(other.Delete(ctx, "/again/gone", -1))
			create(t, other, "/again/children/x", proto.Persistent)
			n.set(false)
			e.await(t, "SyncConnected")
			want := []string{"NodeChildrenChanged /children", "NodeCreated /new", "NodeDataChanged /data", "NodeDeleted /gone"}
			if got := e.drain(c, t); !slices.Equal(got, want) {
				t.Errorf("events of what happened meanwhile: %q, want %q", got, want)
			}
			// Now the watches have fired, and only the persistent ones remain.
			_, err = other.Set(ctx, "/again/data", []byte("2"), -1)
			must(err)
			for range 2 {
				_, err = other.Set(ctx, "/again/plain", nil, -1)
				must(err)
				_, err = other.Set(ctx, "/again/deep/x", nil, -1)
				must(err)
			}
			must(c.Sync(ctx, "/"))
			want = nil
			if persistent {
				want = []string{"NodeDataChanged /deep/x", "NodeDataChanged /deep/x", "NodeDataChanged /plain", "NodeDataChanged /plain"}
			}
			if got := e.drain(c, t); !slices.Equal(got, want) {
				t.Errorf("later events: %q, want %q", got, want)
			}
			must(other.Delete(ctx, "/again/new", -1))
			must(other.Delete(ctx, "/again/children/x", -1))
			create(t, other, "/again/gone", proto.Persistent)
		})
	}
}

func TestManyWatchesAreSetAgain(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	var n network
	e := newEvents()
	c := open(t, Config{Servers: servers, OnEvent: e.take, Dial: n.dial})
	// More than fits into one request of 128 KiB, or than a server accepts in one.
	long := strings.Repeat("x", 700)
	var all sync.WaitGroup
	for i := range 2000 {
		all.Go(func() {
			if _, err := c.Exists(ctx, fmt.Sprintf("/%s%04d", long, i), true); !errors.Is(err, proto.ErrNoNode) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	n.set(true)
	e.await(t, "Disconnected")
	n.set(false)
	e.await(t, "SyncConnected")
	other := open(t, Config{Servers: servers})
	for _, i := range []int{0, 999, 1999} {
		path := fmt.Sprintf("/%s%04d", long, i)
		create(t, other, path, proto.Ephemeral)
		if before := e.await(t, "NodeCreated "+path); len(before) != 0 {
			t.Errorf("other events: %q", before)
		}
	}
}

func TestNoWatchReset(t *testing.T) {
	servers := home(t)
	var n network
	e := newEvents()
	c := open(t, Config{Servers: servers, OnEvent: e.take, Dial: n.dial, NoWatchReset: true})
	if _, err := c.Exists(testContext(t), "/noreset", true); !errors.Is(err, proto.ErrNoNode) {
		t.Fatal(err)
	}
	n.set(true)
	e.await(t, "Disconnected")
	n.set(false)
	e.await(t, "SyncConnected")
	create(t, c, "/noreset", proto.Ephemeral)
	if got := e.drain(c, t); len(got) != 0 {
		t.Errorf("events %q", got)
	}
}
