package localserver

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/localserver/member"
	"github.com/zkctl/zkctl/localserver/zab"
)

func TestSolo(t *testing.T) {
	dir := version2(t.TempDir())
	opt := member.Options{ID: 1, DataDir: dir, LogDir: dir, Tick: 500 * time.Millisecond, Log: zklog.New(os.Stderr, "", zklog.Debug)}
	n, err := openSolo(opt, zab.JournalOptions{}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Serve(ln, member.Plain); err != nil {
		t.Fatal(err)
	}
	c, err := client.Open(client.Config{Servers: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	path, stat, err := c.Create(ctx, "/a", []byte("x"), proto.OpenACL, proto.Persistent, 0)
	t.Log(path, stat, err)
	if err != nil {
		t.Fatal(err)
	}
	data, stat, err := c.Get(ctx, "/a", false)
	t.Log(string(data), stat, err)
	kids, _, err := c.Children(ctx, "/", false)
	t.Log(kids, err)
	c.Close()
}
