package client

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
)

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

// testContext limits a test that talks to a server.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// open opens a session that ends with the test.
func open(t testing.TB, cfg Config) *Conn {
	t.Helper()
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// home returns a connect string for the shared server, with a chroot for only this run of the test.
func home(t testing.TB) string {
	t.Helper()
	s := apachetest.Shared(t)
	c := open(t, Config{Servers: s.Addr()})
	name := "/" + strings.ReplaceAll(t.Name(), "/", "-") + "-"
	path, _, err := c.Create(testContext(t), name, nil, proto.OpenACL, proto.PersistentSequential, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s.Addr() + path
}

func create(t testing.TB, c *Conn, path string, mode proto.CreateMode) {
	t.Helper()
	if _, _, err := c.Create(testContext(t), path, nil, proto.OpenACL, mode, 0); err != nil {
		t.Fatal(err)
	}
}

func TestBasics(t *testing.T) {
	s := apachetest.Shared(t)
	ctx := testContext(t)
	c := open(t, Config{Servers: home(t)})
	if err := c.WaitConnected(ctx); err != nil {
		t.Fatal(err)
	}
	if c.State() != Connected || c.SessionID() == 0 || c.SessionTimeout() != 30*time.Second || c.Server() != s.Addr() || c.Err() != nil {
		t.Errorf("state %v, session %x, timeout %v, server %s, err %v", c.State(), c.SessionID(), c.SessionTimeout(), c.Server(), c.Err())
	}
	path, stat, err := c.Create(ctx, "/basics", []byte("x"), proto.OpenACL, proto.Persistent, 0)
	if err != nil || path != "/basics" || stat.Czxid == 0 || stat.DataLength != 1 {
		t.Fatalf("create: %q, %+v, %v", path, stat, err)
	}
	if path, _, err = c.Create(ctx, "/basics/", nil, proto.OpenACL, proto.PersistentSequential, 0); err != nil || path != "/basics/0000000000" {
		t.Errorf("create sequential: %q, %v", path, err)
	}
	data, stat, err := c.Get(ctx, "/basics", false)
	if err != nil || string(data) != "x" || stat.NumChildren != 1 {
		t.Errorf("get: %q, %+v, %v", data, stat, err)
	}
	_, _, err = c.Get(ctx, "/basics/none", false)
	if !errors.Is(err, proto.ErrNoNode) || err.Error() != "KeeperErrorCode = NoNode for /basics/none" {
		t.Errorf("get of a missing znode: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err = c.Get(ctx, "/basics", false); !errors.Is(err, ErrClosed) || c.State() != Closed {
		t.Errorf("get after close: %v; state %v", err, c.State())
	}
}
