//go:build !race

package ensembles

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkctl/zkctl/localserver"
)

// TestGoZookeeper takes the Go client that most programs use through failures and reconfigurations. That client has
// a data race when it sets watches again (conn.go: sendSetWatches reads lastZxid, which recvLoop writes), so scripts/test.sh
// runs this without the race detector.
func TestGoZookeeper(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 3, Observers: 1}, "skipACL=yes")
	leader := s.awaitAll()
	servers := strings.Split(s.ConnectString(), ",")
	for i, up := range zk.FLWRuok(servers, 10*time.Second) {
		if !up {
			t.Errorf("%s is not ok", servers[i])
		}
	}
	// Member 4 will leave: it would close the connection.
	conn, events, err := zk.Connect(servers[:3], 20*time.Second, zk.WithLogInfo(false), zk.WithLogger(quiet{}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		for range events {
		}
	}()
	// again repeats what a lost connection may have prevented.
	again := func(what string, f func() error) {
		t.Helper()
		s.await(what, func() bool {
			err := f()
			if err != nil && !errors.Is(err, zk.ErrConnectionClosed) && !errors.Is(err, zk.ErrNoServer) {
				t.Fatalf("%s: %v", what, err)
			}
			return err == nil
		})
	}
	if _, err := conn.Create("/go", []byte("0"), zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	session := conn.SessionID()

	// The leader dies, and the member that the client is connected to.
	connected := func() *localserver.Member {
		for _, m := range s.Members() {
			if m.Addr() == conn.Server() {
				return m
			}
		}
		return nil
	}
	for i, victim := range []func() *localserver.Member{func() *localserver.Member { return leader }, connected} {
		_, _, changed, err := conn.GetW("/go")
		if err != nil {
			t.Fatal(err)
		}
		m := victim()
		s.kill(m)
		again("set /go", func() error { _, err := conn.Set("/go", []byte{byte(i)}, -1); return err })
		select {
		case e := <-changed:
			if e.Type != zk.EventNodeDataChanged {
				t.Errorf("the watch says %+v", e)
			}
		case <-time.After(patience):
			t.Error("the watch of /go did not fire")
		}
		s.start(m)
		s.awaitAll()
	}
	if id := conn.SessionID(); id != session {
		t.Errorf("session 0x%x became 0x%x", session, id)
	}

	text, _, err := conn.Get("/zookeeper/config")
	if err != nil {
		t.Fatal(err)
	}
	first := string(text)
	if _, err := conn.IncrementalReconfig(nil, []string{"4"}, -1); err != nil {
		t.Fatal(err)
	}
	text, stat, err := conn.Get("/zookeeper/config")
	if err != nil || shape(string(text)) != "1 2 3" {
		t.Errorf("without 4: %s, %v", text, err)
	}
	if _, err := conn.IncrementalReconfig(nil, []string{"3"}, stat.Mzxid-1); !errors.Is(err, zk.ErrBadVersion) {
		t.Errorf("another version: %v", err)
	}
	if _, err := conn.Reconfig(strings.Split(first, "\n")[:4], stat.Mzxid); err != nil {
		t.Error(err)
	}
	if text, _, err := conn.Get("/zookeeper/config"); err != nil || shape(string(text)) != "1 2 3 4o" {
		t.Errorf("the whole: %s, %v", text, err)
	}
	s.awaitAll()
	s.compareTrees()
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
