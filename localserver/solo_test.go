package localserver

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/internal/ztree"
)

// open opens a session that ends with the test.
func open(t testing.TB, servers string) *client.Conn {
	t.Helper()
	c, err := client.Open(client.Config{Servers: servers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSolo(t *testing.T) {
	e := New(t)
	c := open(t, e.ConnectString())
	path, _, err := c.Create(t.Context(), "/a", []byte("x"), proto.OpenACL, proto.Persistent, 0)
	if err != nil || path != "/a" {
		t.Fatal(path, err)
	}
	data, stat, err := c.Get(t.Context(), "/a", false)
	if err != nil || string(data) != "x" || stat.Version != 0 {
		t.Fatalf("%q %+v %v", data, stat, err)
	}
}

// Clients can be moved to another address with the same port, and stay where they were if the other
// port is taken.
func TestMoveClients(t *testing.T) {
	e := New(t)
	m := e.Members()[0]
	s := m.embedded()
	other := zoocfg.HostPort{Host: "localhost", Port: m.Port()} // by another name the same
	if s.moveClients(other, m.gate); s.clients.at != other {
		t.Errorf("clients are served on %s, not on %s", s.clients.at, other)
	}
	write(t, e, "/a")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	to := zoocfg.HostPort{Host: "127.0.0.1", Port: taken.Addr().(*net.TCPAddr).Port}
	if s.moveClients(to, m.gate); s.clients.at != other {
		t.Errorf("clients are served on %s, not on %s", s.clients.at, other)
	}
	has(t, e, "/a")
}

// A restore that fails, for example on a full disk, preserves what was acknowledged before.
func TestFailedRestore(t *testing.T) {
	e := New(t, Options{DataDir: t.TempDir()})
	m := e.Members()[0]
	c := open(t, e.ConnectString())
	if _, _, err := c.Create(t.Context(), "/acknowledged", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	s := m.embedded()
	opt := serverOptions{log: e.logger(m), failed: m.fail}
	mopt, jopt, err := memberOptions(s.cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	other := ztree.New()
	other.SetLastZxid(1)
	inTheWay := filepath.Join(mopt.DataDir, storage.SnapshotName(1, "")) // the place of the file
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.quorum.(*solo).restore(s, mopt, jopt, other); err == nil {
		t.Fatal("the restore succeeds")
	}
	c = open(t, e.ConnectString())
	if _, err := c.Exists(t.Context(), "/acknowledged", false); err != nil {
		t.Error(err)
	}
	if err := os.Remove(inTheWay); err != nil { // no server starts beside it
		t.Fatal(err)
	}
	if err := m.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	c = open(t, e.ConnectString())
	if _, err := c.Exists(t.Context(), "/acknowledged", false); err != nil {
		t.Error(err)
	}
}
