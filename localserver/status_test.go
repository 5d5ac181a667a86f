package localserver

import (
	"testing"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// An embedded member answers whatever words are enabled, and the query does not count as a connection.
func TestStatusNeedsNoPort(t *testing.T) {
	e := New(t, Options{Ephemeral: true, Properties: map[string]string{"4lw.commands.whitelist": "ruok"}})
	m := e.Members()[0]
	conn, err := client.Open(client.Config{Servers: m.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, _, err := conn.Create(t.Context(), "/a", []byte("xy"), proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	s := m.Status(t.Context())
	if s.Role != "standalone" || s.Zxid != 2 || s.Epoch != 0 || s.Sessions != 1 || s.Connections != 1 || s.Watches != 0 || s.DataSize == 0 || s.Znodes != 6 || s.Version == "" {
		t.Errorf("%+v", s)
	}
}
