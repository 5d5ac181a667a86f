package client

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

func TestCloseEndsTheSessionOnTheServer(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	c := open(t, Config{Servers: servers})
	create(t, c, "/closing", proto.Ephemeral)
	e := newEvents()
	other := open(t, Config{Servers: servers, OnEvent: e.take})
	if _, err := other.Exists(ctx, "/closing", true); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exists(ctx, "/closing", false); !errors.Is(err, proto.ErrNoNode) {
		t.Errorf("after Close: %v", err)
	}
	e.await(t, "NodeDeleted /closing")
}

func TestCloseWithoutAServer(t *testing.T) {
	addr := serve(t, func(_ int, p *wiretest.Peer) { p.Welcome(500 * time.Millisecond); p.Hold() })
	c := open(t, Config{Servers: addr})
	if err := c.WaitConnected(testContext(t)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := c.Close(); !errors.Is(err, errNotClosed) || time.Since(start) > 2*time.Second {
		t.Errorf("close: %v after %v", err, time.Since(start))
	}
}

// A session that the server creates while Close runs must not be left to expire there.
func TestCloseDuringTheHandshake(t *testing.T) {
	asked, answer, closed := make(chan bool), make(chan bool), make(chan bool, 1)
	addr := serve(t, func(_ int, p *wiretest.Peer) {
		hello := p.Frame()
		if hello == nil {
			return
		}
		asked <- true
		<-answer
		p.Send(&proto.ConnectResponse{TimeOut: 30000, SessionID: 0x1234, Passwd: make([]byte, 16)})
		var h proto.RequestHeader
		_ = jute.Unmarshal(p.Frame(), &h)
		closed <- h.Type == proto.OpCloseSession
		p.Send(&proto.ReplyHeader{Xid: h.Xid})
	})
	c := open(t, Config{Servers: addr})
	<-asked
	done := make(chan error)
	go func() { done <- c.Close() }()
	<-c.closing
	answer <- true
	if !<-closed {
		t.Error("the session was not closed")
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAuth(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	var n network
	e := newEvents()
	c := open(t, Config{Servers: servers, OnEvent: e.take, Dial: n.dial, Auth: []Auth{{"digest", []byte("ann:secret")}}})
	if err := c.AddAuth(ctx, "digest", []byte("bob:secret")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Create(ctx, "/auth", []byte("x"), proto.CreatorACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	other := open(t, Config{Servers: servers})
	if _, _, err := other.Get(ctx, "/auth", false); !errors.Is(err, proto.ErrNoAuth) {
		t.Errorf("without identity: %v", err)
	}
	if err := other.AddAuth(ctx, "digest", []byte("bob:secret")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.Get(ctx, "/auth", false); err != nil {
		t.Errorf("with bob's: %v", err)
	}
	n.set(true)
	e.await(t, "Disconnected")
	n.set(false)
	e.await(t, "SyncConnected")
	if data, _, err := c.Get(ctx, "/auth", false); err != nil || !bytes.Equal(data, []byte("x")) {
		t.Errorf("after a reconnect: %q, %v", data, err)
	}
}

func TestAuthFailed(t *testing.T) {
	servers := home(t)
	e := newEvents()
	c := open(t, Config{Servers: servers, OnEvent: e.take})
	err := c.AddAuth(testContext(t), "nosuch", []byte("x"))
	if !errors.Is(err, proto.ErrAuthFailed) || c.State() != AuthFailed {
		t.Errorf("error %v, state %v", err, c.State())
	}
	e.await(t, "AuthFailed")
	if _, _, err := c.Get(testContext(t), "/", false); !errors.Is(err, proto.ErrAuthFailed) {
		t.Errorf("request afterwards: %v", err)
	}
}

// TestReadOnly: a session on a server without a quorum looks for a server with one, and gets a new
// session there.
func TestReadOnly(t *testing.T) {
	var rwUp sync.Mutex // held while the second server has no quorum
	rwUp.Lock()
	serverRO := func(_ int, p *wiretest.Peer) {
		if b, _ := p.R.Peek(4); string(b) == "isro" {
			_, _ = p.Write([]byte("ro"))
			return
		}
		p.Frame()
		p.Send(&proto.ConnectResponse{TimeOut: 30000, SessionID: 7, Passwd: make([]byte, 16), ReadOnly: true})
		for {
			h, _, ok := p.Request()
			if !ok {
				return
			}
			p.Send(&proto.ReplyHeader{Xid: h.Xid, Err: proto.ErrNotReadOnly})
		}
	}
	var resumed int64 = -1
	serverRW := func(_ int, p *wiretest.Peer) {
		rwUp.Lock()
		defer rwUp.Unlock()
		if b, _ := p.R.Peek(4); string(b) == "isro" {
			_, _ = p.Write([]byte("rw"))
			return
		}
		hello := p.Welcome(30 * time.Second)
		resumed = hello.SessionID
		p.Request()
	}
	ro := serve(t, serverRO)
	rw := serve(t, serverRW)
	e := newEvents()
	c := open(t, Config{Servers: ro, ReadOnly: true, OnEvent: e.take})
	if err := c.WaitConnected(testContext(t)); err != nil || c.State() != ConnectedReadOnly {
		t.Fatalf("%v, state %v", err, c.State())
	}
	e.await(t, "ConnectedReadOnly")
	if err := c.Delete(testContext(t), "/x", -1); !errors.Is(err, proto.ErrNotReadOnly) {
		t.Errorf("write: %v", err)
	}

	both := newEvents()
	c = open(t, Config{Servers: ro + "," + rw, SessionTimeout: 3 * time.Second, ReadOnly: true, OnEvent: both.take})
	both.await(t, "ConnectedReadOnly")
	rwUp.Unlock()
	both.await(t, "Disconnected")
	both.await(t, "SyncConnected")
	if c.Server() != rw || c.State() != Connected {
		t.Errorf("server %s, state %v", c.Server(), c.State())
	}
	_ = c.Close()
	rwUp.Lock()
	if resumed != 0 {
		t.Errorf("asked for session 0x%x of the read-only server", resumed)
	}
}
