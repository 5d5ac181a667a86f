package zab_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/storage"
)

// Two of Apache's servers and one of ours, and vice versa, survive the loss of any one, leader or
// not, which then catches up.
func TestMixedEnsembles(t *testing.T) {
	for name, java := range map[string][]int64{
		"Apache leads at first": {1, 3},
		"we lead at first":      {1},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMixed(t, 3, java...)
			first := m.leader()
			t.Logf("server %d leads", first)
			for i := range 20 {
				m.write(fmt.Sprintf("/first-%d", i), "x")
			}
			for _, id := range []int64{1, 2, 3} {
				m.servers[id].kill()
				for i := range 20 {
					m.write(fmt.Sprintf("/without-%d-%d", id, i), "y")
				}
				m.servers[id].start()
				leader := m.leader()
				t.Logf("server %d leads after the loss of %d", leader, id)
				m.write(fmt.Sprintf("/with-%d", id), "z")
			}
			m.check()
		})
	}
}

// Leaders of either kind synchronise servers of the other with DIFF, SNAP and TRUNC.
func TestMixedCatchUp(t *testing.T) {
	for name, tc := range map[string]struct {
		java []int64
		logs [3]string // what our log says about DIFF, SNAP and TRUNC
	}{
		"we follow": {[]int64{1, 2}, [3]string{"Getting a diff from the leader", "Getting a snapshot from leader", "Truncating log to get in sync with the leader"}},
		"we lead":   {[]int64{3}, [3]string{"Sending DIFF", "Sending snapshot", "Sending TRUNC"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMixed(t, 3, tc.java...)
			m.leader()
			m.write("/begin", "x")
			was := m.servers[3]
			// A quorum has the write; server 3 must have it, too, or a DIFF would not be enough.
			m.await("server 3 has logged the first write", func() bool { return logged(t, was.dir(), "/begin") })
			// Without server 3, one of the others leads. Server 3 is synchronised each time, so
			// that it can lead again later.
			was.kill()
			m.leader(1, 2)
			for i := range 20 {
				m.write(fmt.Sprintf("/diff-%d", i), "x")
			}
			m.log.Reset()
			was.start()
			m.leader()
			m.expect(tc.logs[0])

			was.kill()
			if err := os.RemoveAll(was.dir()); err != nil {
				t.Fatal(err)
			}
			m.leader(1, 2)
			m.write("/snap", "x")
			m.log.Reset()
			was.start()
			m.leader()
			m.expect(tc.logs[1])
			m.write("/between", "x")

			// Server 3 leads, and logs a write that no other server receives. If it notices that it
			// is alone before the write arrives, repeat.
			lost := ""
			for n := 0; lost == ""; n++ {
				if n == 10 {
					t.Fatal("server 3 never logs what nobody else hears of")
				}
				if n > 0 {
					was.start()
					m.servers[1].start()
					m.servers[2].start()
				}
				for m.leader() != 3 {
					id := m.leader()
					m.servers[id].kill()
					m.leader(3, 3-id)
					m.servers[id].start()
				}
				path := fmt.Sprintf("/lost-%d", n)
				m.loseFollowers(was, path)
				if logged(t, was.dir(), path) {
					lost = path
				}
			}
			m.servers[1].start()
			m.servers[2].start()
			m.leader(1, 2)
			m.log.Reset()
			was.start()
			m.leader()
			m.expect(tc.logs[2])
			if _, err := m.client.Exists(context.Background(), lost, false); err == nil {
				t.Error("what was never committed is there")
			}
			m.write("/end", "x")
			m.check()
		})
	}
}

// loseFollowers kills servers 1 and 2, makes a write on server 3 that must not be acknowledged, and
// kills server 3, too.
func (m *mixed) loseFollowers(last mixedServer, path string) {
	m.t.Helper()
	c, err := client.Open(client.Config{Servers: last.addr(), SessionTimeout: 20 * time.Second, Wait: true})
	if err != nil {
		m.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Sync(context.Background(), "/"); err != nil {
		m.t.Fatal(err)
	}
	m.servers[1].kill()
	m.servers[2].kill()
	if _, _, err := c.Create(context.Background(), path, nil, proto.OpenACL, proto.Persistent, 0); err == nil {
		m.t.Fatal("a leader without followers acknowledges a write")
	}
	last.kill()
}

// logged reports whether a server's logs have the creation of a znode.
func logged(t *testing.T, dir, path string) (found bool) {
	t.Helper()
	d, err := storage.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range d.Logs {
		r, err := storage.OpenLog(file.Path)
		if err != nil {
			continue // Apache's server was killed right after creating the file
		}
		for {
			e, err := r.Next()
			if err != nil {
				break
			}
			var txn proto.TxnEntry
			if e.Decode(&txn) == nil {
				body, ok := txn.Body.(*proto.CreateTxn)
				found = found || ok && body.Path == path
			}
		}
		r.Close()
	}
	return found
}

// A running ensemble of ours moves to Apache's servers by reconfig, one by one, while a client
// writes; observers of either kind follow leaders of the other.
func TestMixedReconfig(t *testing.T) {
	in := apachetest.Require(t)
	// The configuration contains the client ports, or a joining server would have none.
	lines := apachetest.Ensemble{}
	ports := map[int64]int{}
	free := map[int]bool{}
	for len(free) < 18 {
		free[freePort(t)] = true
	}
	next := slices.Sorted(maps.Keys(free))
	for id := int64(1); id <= 6; id++ {
		lines[id] = fmt.Sprintf("127.0.0.1:%d:%d:participant;127.0.0.1:%d", next[0], next[1], next[2])
		ports[id], next = next[2], next[3:]
	}
	some := func(ids ...int64) apachetest.Ensemble {
		e := apachetest.Ensemble{}
		for _, id := range ids {
			e[id] = lines[id]
		}
		return e
	}
	properties := map[string]string{"reconfigEnabled": "true", "skipACL": "yes"}
	m := &mixed{t: t, servers: map[int64]mixedServer{}, written: map[string]string{}, log: &sharedio.Buffer{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("our log:\n%s", m.log.Tail(200))
		}
		for _, s := range m.servers {
			s.kill()
		}
	})
	var addrs []string
	for id := int64(1); id <= 6; id++ {
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", ports[id]))
		if id <= 3 {
			s := &ourServer{t: t, lines: some(1, 2, 3), id: id, data: t.TempDir(), port: ports[id], log: m.log, reconfig: true}
			m.servers[id] = s
			s.start()
		}
	}
	m.leader()
	c, err := client.Open(client.Config{Servers: strings.Join(addrs, ","), SessionTimeout: 20 * time.Second, Wait: true, RequestTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m.client = c
	reconfig := func(joining, leaving string) {
		t.Helper()
		var err error
		if !await.Within(time.Minute, func() bool {
			var config []byte
			if config, _, err = c.Reconfig(context.Background(), joining, leaving, "", -1); err == nil {
				t.Logf("join %q, leave %q: %q", joining, leaving, config)
				return true
			}
			config, _, e := c.GetConfig(context.Background(), false)
			return e == nil && leaving != "" && !strings.Contains(string(config), "server."+leaving+"=") // the answer was lost with its connection
		}) {
			t.Fatalf("join %q, leave %q: %v", joining, leaving, err)
		}
	}
	n := 0
	write := func() {
		for range 5 {
			n++
			m.write(fmt.Sprintf("/n-%d", n), "x")
		}
	}
	write()
	for _, id := range []int64{4, 5, 6} {
		s := &javaServer{t: t, in: in, lines: some(append([]int64{1, 2, 3}, id)...), id: id, data: t.TempDir(), port: ports[id], properties: properties}
		m.servers[id] = s
		s.start()
		m.await("the new server follows", func() bool { return s.mode() != "" })
		write()
		reconfig(fmt.Sprintf("server.%d=%s", id, lines[id]), "")
		write()
		old := id - 3
		reconfig("", fmt.Sprint(old))
		m.await("the old server stops leading", func() bool { return m.servers[old].mode() != "leader" })
		m.servers[old].kill()
		delete(m.servers, old)
		write()
	}
	m.leader()
	m.check()

	// One of ours observes Apache's ensemble.
	observer := strings.Replace(lines[1], ":participant", ":observer", 1)
	s := &ourServer{t: t, lines: some(4, 5, 6), id: 1, data: t.TempDir(), port: ports[1], log: m.log, reconfig: true}
	s.lines[1] = observer
	m.servers[1] = s
	s.start()
	// Until it is a member, it follows without a vote.
	m.await("it follows", func() bool { return s.mode() != "" })
	reconfig("server.1="+observer, "")
	m.await("it observes", func() bool { return s.mode() == "observer" })
	write()
	m.check()
}
