package localserver

import (
	"errors"
	"testing"
	"testing/iotest"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
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

// A restore that fails, such as on a full disk, leaves what was acknowledged before.
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
	full := errors.New("no space left on device")
	if err := s.quorum.(*solo).restore(s, mopt, jopt, iotest.ErrReader(full), 1); !errors.Is(err, full) {
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
