package replica

import (
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

// alone is a standalone server for a test.
type alone struct {
	*Replica
	addr      string
	broadcast *zab.Broadcast
}

// replace is AdminOptions.Restore for a server without a journal on disk.
func (a *alone) replace(tree *ztree.Tree) error {
	a.Retire()
	err := a.Replace(tree)
	a.Lead(a.broadcast, a.LastZxid())
	return err
}

// serveAlone starts one; without opt.DataDir it stores nothing.
func serveAlone(t testing.TB, opt Options) *alone {
	t.Helper()
	if opt.ID == 0 {
		opt.ID = 1
	}
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	var broadcast *zab.Broadcast
	var ready sync.WaitGroup
	ready.Add(1)
	journal := zab.OpenJournal(zab.JournalOptions{Dir: opt.DataDir, Failed: s.Fail, Synced: func(zxid int64) {
		ready.Wait()
		broadcast.Ack(opt.ID, zxid)
	}}, s.LastZxid())
	broadcast = zab.NewSolo(s, journal, opt.ID)
	ready.Done()
	s.Lead(broadcast, s.LastZxid())
	t.Cleanup(func() {
		s.Close()
		journal.Close()
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(ln, Plain); err != nil {
		t.Fatal(err)
	}
	return &alone{s, ln.Addr().String(), broadcast}
}

// dial opens a session until the test ends.
func dial(t testing.TB, addr string) *client.Conn {
	t.Helper()
	c, err := client.Open(client.Config{Servers: addr, SessionTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a four-letter word and its argument, if any, and returns the answer.
func ask(t testing.TB, addr, word string) string {
	t.Helper()
	reply, err := fourletter.Ask(t.Context(), nil, addr, word)
	if err != nil {
		t.Fatal(err)
	}
	return string(reply)
}
