package localserver

import (
	"testing"

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
