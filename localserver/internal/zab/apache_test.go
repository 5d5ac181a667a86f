package zab_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/replica"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// mixed is an ensemble of Apache's servers and ours on real sockets.
type mixed struct {
	t       *testing.T
	lines   apachetest.Ensemble
	servers map[int64]mixedServer
	client  *client.Conn
	written map[string]string
	log     *sharedio.Buffer
}

// mixedServer is a server of either kind. Start does not wait until it serves.
type mixedServer interface {
	addr() string
	dir() string // version-2
	start()
	kill()
	mode() string // "leader", "follower" or "observer"; "" while it does not serve
}

const mixedTick = 500 * time.Millisecond

// newMixed starts servers 1 to n; those in java are Apache's.
func newMixed(t *testing.T, n int, java ...int64) *mixed {
	in := apachetest.Require(t)
	lines, err := apachetest.NewEnsemble(n)
	if err != nil {
		t.Fatal(err)
	}
	m := &mixed{t: t, lines: lines, servers: map[int64]mixedServer{}, written: map[string]string{}, log: &sharedio.Buffer{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("our log:\n%s", m.log.Tail(200))
		}
	})
	var addrs []string
	for id := range lines {
		dir := t.TempDir()
		if slices.Contains(java, id) {
			m.servers[id] = &javaServer{t: t, in: in, lines: lines, id: id, data: dir, port: freePort(t)}
		} else {
			m.servers[id] = &ourServer{t: t, lines: lines, id: id, data: dir, port: freePort(t), log: m.log}
		}
		addrs = append(addrs, m.servers[id].addr())
	}
	for _, s := range m.servers {
		s.start()
	}
	t.Cleanup(func() {
		for _, s := range m.servers {
			s.kill()
		}
	})
	m.client, err = client.Open(client.Config{
		Servers: strings.Join(addrs, ","), SessionTimeout: 20 * time.Second, Wait: true, RequestTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.client.Close() })
	return m
}

func freePort(t *testing.T) int {
	p, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// write creates a znode; if its fate is unknown, it retries.
func (m *mixed) write(path, data string) {
	m.t.Helper()
	var err error
	if !await.Within(time.Minute, func() bool {
		_, _, err = m.client.Create(context.Background(), path, []byte(data), proto.OpenACL, proto.Persistent, 0)
		return err == nil || errors.Is(err, proto.ErrNodeExists)
	}) {
		m.t.Fatalf("create %s: %v", path, err)
	}
	m.written[path] = data
}

// await polls, because real servers do not report changes.
func (m *mixed) await(what string, cond func() bool) {
	m.t.Helper()
	const limit = 90 * time.Second
	if await.Within(limit, cond) {
		return
	}
	var modes []string
	for id, s := range m.servers {
		modes = append(modes, fmt.Sprintf("%d: %q", id, s.mode()))
	}
	m.t.Fatalf("not within %v: %s; %v", limit, what, modes)
}

// leader waits until all given servers serve, one of them as leader, and returns its id.
func (m *mixed) leader(ids ...int64) (leader int64) {
	m.t.Helper()
	if len(ids) == 0 {
		for id := range m.servers {
			ids = append(ids, id)
		}
	}
	m.await(fmt.Sprintf("%v serve under one leader", ids), func() bool {
		leader = 0
		for _, id := range ids {
			switch m.servers[id].mode() {
			case "":
				return false
			case "leader":
				leader = id
			}
		}
		return leader != 0
	})
	return leader
}

// check reads everything written from each server separately.
func (m *mixed) check() {
	m.t.Helper()
	for id, s := range m.servers {
		c, err := client.Open(client.Config{Servers: s.addr(), SessionTimeout: 20 * time.Second, Wait: true, RequestTimeout: 20 * time.Second})
		if err != nil {
			m.t.Fatal(err)
		}
		if err := c.Sync(context.Background(), "/"); err != nil {
			m.t.Errorf("sync on %d: %v", id, err)
		}
		for path, data := range m.written {
			if got, _, err := c.Get(context.Background(), path, false); err != nil || string(got) != data {
				m.t.Errorf("%s on %d is %q, %v", path, id, got, err)
			}
		}
		c.Close()
	}
	m.compareLogs()
}

// compareLogs checks that the servers' logs have the same transactions, byte for byte, and that
// each directory loads to the state recorded by its digests.
func (m *mixed) compareLogs() {
	m.t.Helper()
	type source struct {
		raw []byte
		id  int64
	}
	all := map[int64]source{}
	logged := map[int64]map[int64]bool{} // by server
	damaged := map[int64]string{}
	for id, s := range m.servers {
		logged[id] = map[int64]bool{}
		d, err := storage.ReadDir(s.dir())
		if err != nil {
			m.t.Fatal(err)
		}
		var digests storage.DigestCheck
		_, faults, err := d.Load(context.Background(), storage.LoadOptions{Digests: &digests,
			Visit: nil})
		if err != nil || digests.Failed > 0 {
			damaged[id] = fmt.Sprintf("load the directory of %d: %v, %v, digests %+v", id, err, faults, digests)
		}
		for _, f := range d.Logs {
			r, err := storage.OpenLog(f.Path)
			if err != nil {
				continue
			}
			for {
				e, err := r.Next()
				if err != nil || !e.Intact() {
					break
				}
				if other, ok := all[e.Header.Zxid]; ok && !slices.Equal(other.raw, e.Raw) {
					m.t.Errorf("servers %d and %d logged different transactions %#x", other.id, id, e.Header.Zxid)
				}
				all[e.Header.Zxid] = source{slices.Clone(e.Raw), id}
				logged[id][e.Header.Zxid] = true
			}
			r.Close()
		}
	}
	for id, text := range damaged {
		// Apache's learner loses transactions of a DIFF that was cut short before they reached its disk (ZOOKEEPER-4785,
		// ZOOKEEPER-5094), although it applies them.
		_, java := m.servers[id].(*javaServer)
		first := int64(math.MaxInt64)
		for zxid := range logged[id] {
			first = min(first, zxid)
		}
		lost := 0
		for zxid := range all {
			if zxid > first && !logged[id][zxid] {
				lost++
			}
		}
		if !java || lost == 0 {
			m.t.Error(text)
			continue
		}
		m.t.Logf("the files of server %d, Apache's, are NOT compared: they lack %d transactions that others have", id, lost)
	}
}

// javaServer is Apache's.
type javaServer struct {
	t     *testing.T
	in    *apache.Installation
	lines apachetest.Ensemble
	id    int64
	data  string
	port  int

	properties map[string]string

	mu      sync.Mutex
	s       *apache.Server
	cancel  context.CancelFunc
	started chan struct{}
}

func (s *javaServer) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }
func (s *javaServer) dir() string  { return filepath.Join(s.data, "version-2") }

func (s *javaServer) start() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	started := make(chan struct{})
	s.mu.Lock()
	s.cancel, s.started = cancel, started
	s.mu.Unlock()
	go func() {
		defer close(started)
		server, err := s.lines.StartMember(ctx, s.in, s.id, apache.Options{Dir: s.data, Port: s.port, TickTime: mixedTick, Properties: s.properties,
			JVM: []string{"-Dzookeeper.electionPortBindRetry=10"}})
		if err != nil {
			if ctx.Err() == nil {
				s.t.Errorf("start Apache's server %d: %v", s.id, err)
			}
			return
		}
		s.mu.Lock()
		s.s = server
		s.mu.Unlock()
	}()
}

func (s *javaServer) kill() {
	s.mu.Lock()
	cancel, started := s.cancel, s.started
	s.mu.Unlock()
	if cancel == nil {
		return
	}
	select {
	case <-started:
	case <-time.After(30 * time.Second):
		cancel()
		<-started
	}
	cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s != nil {
		_ = s.s.Kill()
		_ = s.s.Stop()
	}
	s.s, s.cancel = nil, nil
}

func (s *javaServer) mode() string { return modeOf(s.addr()) }

// modeOf asks for srvr.
func modeOf(addr string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	reply, _ := fourletter.Ask(ctx, nil, addr, "srvr")
	_, mode, _ := strings.Cut(string(reply), "Mode: ")
	mode, _, _ = strings.Cut(mode, "\n")
	return mode
}

// ourServer is a member of ours.
type ourServer struct {
	t     *testing.T
	lines apachetest.Ensemble
	id    int64
	data  string
	port  int
	log   *sharedio.Buffer

	reconfig bool // reconfigEnabled, and no ACLs

	server *replica.Replica
	peer   *zab.Peer
}

func (s *ourServer) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }
func (s *ourServer) dir() string  { return filepath.Join(s.data, "version-2") }

func (s *ourServer) start() {
	s.t.Helper()
	if err := os.MkdirAll(s.dir(), 0o700); err != nil {
		s.t.Fatal(err)
	}
	log := zklog.New(s.log, strconv.FormatInt(s.id, 10), zklog.Info)
	var text strings.Builder
	for id, line := range s.lines {
		fmt.Fprintf(&text, "server.%d=%s\n", id, line)
	}
	config, err := zoocfg.ParseVerifier([]byte(text.String()))
	if err != nil {
		s.t.Fatal(err)
	}
	opt := replica.Options{ID: s.id, DataDir: s.dir(), LogDir: s.dir(), Tick: mixedTick, Words: []string{"*"}, Log: log,
		ReconfigEnabled: s.reconfig, SkipACL: s.reconfig}
	var peer *zab.Peer
	opt.Ensemble = func() replica.Ensemble {
		return replica.Ensemble{Status: peer.Status(), PeerState: peer.DetailedState(), InitLimit: 10, SyncLimit: 5, Self: s.id}
	}
	server, err := replica.Open(opt)
	if err != nil {
		s.t.Fatal(err)
	}
	peer, err = zab.NewPeer(zab.PeerOptions{ID: s.id, Config: config, ReconfigEnabled: s.reconfig, Replica: server, Network: zab.TCP{}, Log: log,
		SnapDir: s.dir(), Journal: zab.JournalOptions{Dir: s.dir(), Due: server.SaveSoon}, Tick: mixedTick, InitLimit: 10, SyncLimit: 5})
	if err != nil {
		s.t.Fatal(err)
	}
	s.server, s.peer = server, peer
	l, err := net.Listen("tcp", s.addr())
	if err != nil {
		s.t.Fatal(err)
	}
	if err := server.Serve(l, replica.Plain); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		if err := peer.Run(context.Background()); err != nil && !strings.Contains(err.Error(), "crashed") {
			s.t.Errorf("server %d ended: %v", s.id, err)
		}
	}()
}

func (s *ourServer) kill() {
	if s.peer == nil {
		return
	}
	s.peer.Crash()
	s.server.Close()
	s.peer = nil
}

func (s *ourServer) mode() string {
	if s.peer == nil {
		return ""
	}
	return modeOf(s.addr())
}

// expect waits until our servers have logged text.
func (m *mixed) expect(text string) {
	m.t.Helper()
	m.await(fmt.Sprintf("%q in our log", text), func() bool { return strings.Contains(m.log.String(), text) })
}

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }
