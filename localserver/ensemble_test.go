package localserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// quick makes failover quick.
var quick = map[string]string{"tickTime": "500", "forceSync": "no"}

// write creates a znode in a session with one of servers, and retries until the test's time limit.
func write(t *testing.T, e *Ensemble, path string) {
	t.Helper()
	c := open(t, e.ConnectString())
	if _, _, err := c.Create(t.Context(), path, nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatalf("create %s: %v", path, err)
	}
}

// has checks that every running member has a znode once it has caught up.
func has(t *testing.T, e *Ensemble, paths ...string) {
	t.Helper()
	for _, m := range e.Members() {
		if !m.Running() || m.Paused() {
			continue
		}
		serve(t, e, m)
		c := open(t, m.Addr())
		if err := c.Sync(t.Context(), "/"); err != nil {
			t.Errorf("member %d: %v", m.ID(), err)
		}
		for _, path := range paths {
			if _, _, err := c.Get(t.Context(), path, false); err != nil {
				t.Errorf("member %d: get %s: %v", m.ID(), path, err)
			}
		}
	}
}

// newLeader waits until a member other than old leads. leading returns the current leader, or nil.
func leading(t *testing.T, e *Ensemble) *Member {
	t.Helper()
	m, err := e.Leader(t.Context())
	if err != nil && !errors.Is(err, ErrNoLeader) {
		t.Fatal(err)
	}
	return m
}

func newLeader(t *testing.T, e *Ensemble, old *Member) *Member {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var m *Member
	err := await.Until(ctx, func() bool {
		m = leading(t, e)
		return m != nil && m != old
	})
	if err != nil {
		t.Fatalf("no new leader: %v", err)
	}
	return m
}

func serve(t *testing.T, e *Ensemble, members ...*Member) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := e.waitServing(ctx, members); err != nil {
		t.Fatal(err)
	}
}

func TestEnsembleFailsOver(t *testing.T) {
	t.Parallel()
	e := New(t, Options{Size: 3, Observers: 1, Properties: quick})
	write(t, e, "/a")
	has(t, e, "/a")

	leader := leading(t, e)
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	second := newLeader(t, e, leader)
	write(t, e, "/b")
	if err := leader.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	has(t, e, "/a", "/b")

	if err := second.Pause(); err != nil {
		t.Fatal(err)
	}
	newLeader(t, e, second)
	write(t, e, "/c")
	if err := second.Resume(); err != nil {
		t.Fatal(err)
	}
	// The paused one believes for a moment that it still leads.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var roles map[Role]int
	err := await.Until(ctx, func() bool {
		roles = map[Role]int{}
		for _, s := range e.Status(ctx) {
			roles[s.Role]++
		}
		return fmt.Sprint(roles) == "map[follower:2 leader:1 observer:1]"
	})
	if err != nil {
		t.Fatalf("roles are %v: %v", roles, err)
	}
	has(t, e, "/a", "/b", "/c")
}

// replaced waits until a leader that is cut off has stepped down, and another one accepts writes.
func replaced(t *testing.T, e *Ensemble, leader *Member, path string) *Member {
	t.Helper()
	second := newLeader(t, e, leader)
	if err := await.Until(t.Context(), func() bool { return leader.mode(t.Context()) == "" }); err != nil {
		t.Fatalf("the leader without a quorum goes on serving: %v", err)
	}
	c := open(t, second.Addr())
	if _, _, err := c.Create(t.Context(), path, nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	return second
}

func TestPartition(t *testing.T) {
	t.Parallel()
	e := New(t, Options{Size: 3, Properties: quick})
	leader := leading(t, e)
	if err := e.Partition([]int64{leader.ID()}); err != nil {
		t.Fatal(err)
	}
	if cut := e.CutLinks(); len(cut) != 2 {
		t.Errorf("links that are cut: %v", cut)
	}
	replaced(t, e, leader, "/a")
	e.HealAll()
	serve(t, e, leader)
	has(t, e, "/a")
}

func TestAddAndRemove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := Options{Size: 3, DataDir: dir, Properties: quick}
	e := New(t, opt)
	write(t, e, "/a")
	m, err := e.Add(t.Context(), AddOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Add(t.Context(), AddOptions{Observer: true, Engine: Embedded}); err != nil {
		t.Fatal(err)
	}
	if m.ID() != 4 || len(e.Members()) != 5 {
		t.Errorf("member %d was added, there are %d", m.ID(), len(e.Members()))
	}
	write(t, e, "/b")
	has(t, e, "/a", "/b")
	if err := e.Remove(t.Context(), leading(t, e).ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.WaitLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	serve(t, e, e.Members()...)
	has(t, e, "/a", "/b")
	was := e.ConnectString()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	again := New(t, opt)
	if now := again.ConnectString(); now != was {
		t.Errorf("the ensemble was on %s, now it is on %s", was, now)
	}
	has(t, again, "/a", "/b")
}

// A single member that is not standalone becomes an ensemble of several.
func TestGrow(t *testing.T) {
	t.Parallel()
	e := New(t, Options{Properties: map[string]string{"standaloneEnabled": "false", "tickTime": "500"},
		System: map[string]string{superDigestProperty: digestOf(t, "super:mine")}}) // in addition to the ensemble's own
	write(t, e, "/a")
	for range 2 {
		if _, err := e.Add(t.Context(), AddOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Member(1).Kill(); err != nil {
		t.Fatal(err)
	}
	newLeader(t, e, e.Member(1))
	write(t, e, "/b")
	has(t, e, "/a", "/b")

	alone := New(t)
	if _, err := alone.Add(t.Context(), AddOptions{}); !errors.Is(err, ErrStandalone) {
		t.Errorf("a standalone server grows: %v", err)
	}
}

func TestMixedEnsemble(t *testing.T) {
	apachetest.Require(t)
	e := New(t, Options{Size: 3, Apache: 1, Properties: map[string]string{"tickTime": "1000", "forceSync": "no"}})
	write(t, e, "/a")
	has(t, e, "/a")
	java := e.Member(3)
	if java.Engine() != Apache || java.LogFile() == "" || e.Member(2).Engine() != Embedded {
		t.Errorf("member 3 is %s, member 2 %s", java.Engine(), e.Member(2).Engine())
	}
	if err := java.Kill(); err != nil {
		t.Fatal(err)
	}
	newLeader(t, e, java)
	write(t, e, "/b")
	if err := java.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	has(t, e, "/a", "/b")

	// It restarts where a reconfiguration has moved it.
	to := java.at()
	var err error
	if to.client.Port, err = port.Free(); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("server.3=%s:%d:%d:participant;%s", to.members.Host, to.members.QuorumPort, to.members.ElectionPort, to.client)
	if err := e.reconfigure(t.Context(), line, "", func(v zoocfg.QuorumVerifier) bool {
		now, _ := v.Member(3)
		return now.Client == to.client
	}); err != nil {
		t.Fatal(err)
	}
	if err := await.Until(t.Context(), func() bool { return java.at() == to }); err != nil {
		t.Fatal(err)
	}
	if err := java.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	has(t, e, "/a", "/b")

	if _, err := e.Add(t.Context(), AddOptions{Engine: Embedded}); err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(t.Context(), java.ID()); err != nil {
		t.Fatal(err)
	}
	write(t, e, "/c")
	has(t, e, "/a", "/b", "/c")
}

// Links can be cut between any members: a leader without the others steps down and accepts no
// write; a follower without the leader finds nobody to follow it.
func TestPartitionOfApache(t *testing.T) {
	apachetest.Require(t)
	t.Parallel()
	e := New(t, Options{Size: 3, Apache: 2, Properties: map[string]string{"tickTime": "500", "forceSync": "no"}})
	write(t, e, "/a")
	leader, err := e.WaitLeader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if leader.Engine() != Apache {
		t.Fatalf("member %d leads, one of Apache's was to", leader.ID())
	}
	if err := e.Partition([]int64{leader.ID()}); err != nil {
		t.Fatal(err)
	}
	second := replaced(t, e, leader, "/b")
	e.HealAll()
	serve(t, e, e.Members()...)
	has(t, e, "/a", "/b")

	follower := e.Member(5 - second.ID()) // Apache's are 2 and 3
	if second.Engine() != Apache {
		follower = leader
	}
	if err := e.Cut(second.ID(), follower.ID()); err != nil {
		t.Fatal(err)
	}
	if err := await.Until(t.Context(), func() bool { return follower.mode(t.Context()) == "" }); err != nil {
		t.Fatalf("a follower without its leader goes on serving: %v", err)
	}
	write(t, e, "/c")
	e.Heal(second.ID(), follower.ID())
	serve(t, e, e.Members()...)
	has(t, e, "/a", "/b", "/c")
}

// An embedded ensemble moves to Apache ZooKeeper while clients write: writes fail only through lost
// connections, and no acknowledged one is lost.
func TestMoveToApache(t *testing.T) {
	apachetest.Require(t)
	opt := Options{Size: 3, DataDir: t.TempDir(), Properties: map[string]string{"tickTime": "1000", "forceSync": "no"}}
	e := New(t, opt)
	servers := func() string { return e.ConnectString() }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	acked := make(chan []string, 1)
	go func() {
		var list []string
		defer func() { acked <- list }()
		for i := 0; ctx.Err() == nil; {
			c, err := client.Open(client.Config{Servers: servers(), Wait: true})
			if err != nil {
				t.Error(err)
				return
			}
			for ; ctx.Err() == nil; i++ {
				path := fmt.Sprint("/", i)
				_, _, err := c.Create(ctx, path, nil, proto.OpenACL, proto.Persistent, 0)
				switch {
				case err == nil:
					list = append(list, path)
				case ctx.Err() != nil:
				case errors.Is(err, proto.ErrConnectionLoss) || errors.Is(err, proto.ErrSessionExpired):
				case errors.Is(err, proto.ErrNodeExists): // it was done before the connection was lost
				default:
					t.Errorf("create %s: %v", path, err)
				}
				if errors.Is(err, proto.ErrConnectionLoss) || errors.Is(err, proto.ErrSessionExpired) {
					break // the servers may have changed by now
				}
			}
			c.Close()
		}
	}()
	for id := int64(1); id <= 3; id++ {
		if _, err := e.Add(t.Context(), AddOptions{Engine: Apache}); err != nil {
			t.Fatal(err)
		}
		if err := e.Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range e.Members() {
		if m.Engine() != Apache {
			t.Errorf("member %d is %s", m.ID(), m.Engine())
		}
	}
	if err := e.Member(4).Restart(t.Context()); err != nil { // it knows the others, all of them new
		t.Fatal(err)
	}
	cancel()
	list := <-acked
	t.Logf("%d writes", len(list))
	if len(list) == 0 {
		t.Fatal("nothing was written")
	}
	for _, m := range e.Members() {
		c := open(t, m.Addr())
		if err := c.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		names, _, err := c.Children(t.Context(), "/", false)
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]bool{}
		for _, name := range names {
			have["/"+name] = true
		}
		for _, path := range list {
			if !have[path] {
				t.Errorf("member %d has lost %s", m.ID(), path)
			}
		}
	}
	// A process that ends by itself is reported; those ended on purpose, above, were not.
	if err := e.Err(); err != nil {
		t.Errorf("before any process died: %v", err)
	}
	java, err := os.FindProcess(e.Member(5).java.Pid())
	if err == nil {
		err = java.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	<-e.Done()
	if err := e.Err(); err == nil || !strings.HasPrefix(err.Error(), "member 5: the server's process ended by itself (signal: killed)") {
		t.Errorf("the ensemble's error is %v", err)
	}
	if err := e.Member(5).Err(); err == nil {
		t.Error("the member has no error")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	// The current members come back after a restart.
	again := &Ensemble{opt: opt, dir: e.dir, links: newLinks()}
	if err := again.opt.check(); err != nil {
		t.Fatal(err)
	}
	if err := again.plan(false); err != nil {
		t.Fatal(err)
	}
	if was, now := e.ConnectString(), again.ConnectString(); now != was || again.Members()[0].Engine() != Apache {
		t.Errorf("the ensemble was on %s, it would be on %s and %s", was, now, again.Members()[0].Engine())
	}
}

// A reconfiguration moves a member to other ports: it serves there, and the others find it.
// TestMembersElsewhere: a server that joined by a reconfiguration does not belong to this
// ensemble's folder, so its number is taken, and the next start does not run it.
func TestMembersElsewhere(t *testing.T) {
	t.Parallel()
	opt := Options{Size: 3, DataDir: t.TempDir(), Properties: quick}
	e := New(t, opt)
	has := func(v zoocfg.QuorumVerifier) bool { _, in := v.Member(7); return in }
	if err := e.reconfigure(t.Context(), "server.7=127.0.0.1:1:2:observer;127.0.0.1:3", "", has); err != nil {
		t.Fatal(err)
	}
	if err := await.Until(t.Context(), func() bool { v, err := e.saved(); return err == nil && has(v) }); err != nil {
		t.Fatal(err)
	}
	m, err := e.Add(t.Context(), AddOptions{Engine: Embedded})
	if err != nil {
		t.Fatal(err)
	}
	if m.ID() != 8 {
		t.Errorf("member %d was added", m.ID())
	}
	was := e.ConnectString()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	again := New(t, opt)
	if now := again.ConnectString(); now != was || again.Member(7) != nil {
		t.Errorf("the ensemble was on %s, now it is on %s", was, now)
	}
	if v, err := again.saved(); err != nil || !has(v) {
		t.Errorf("the configuration is %v, %v", v, err)
	}
}

func TestMemberMoves(t *testing.T) {
	t.Parallel()
	e := New(t, Options{Size: 3, Properties: quick})
	write(t, e, "/a")
	move := func(m *Member, which ...func(*ports) *int) {
		t.Helper()
		was, to := m.at(), m.at()
		for _, of := range which {
			var err error
			if *of(&to), err = port.Free(); err != nil {
				t.Fatal(err)
			}
		}
		line := fmt.Sprintf("server.%d=%s:%d:%d:participant;%s", m.id, to.members.Host, to.members.QuorumPort, to.members.ElectionPort, to.client)
		if err := e.reconfigure(t.Context(), line, "", func(v zoocfg.QuorumVerifier) bool {
			now, _ := v.Member(m.id)
			return now.Client == to.client
		}); err != nil {
			t.Fatal(err)
		}
		if err := await.Until(t.Context(), func() bool { return m.at() == to }); err != nil {
			t.Fatalf("member %d is said to be at %v, it is to be at %v", m.id, m.at(), to)
		}
		settle(t, e)
		has(t, e, "/a")
		s := m.embedded()
		if got := watchPeer(s.cfg, &s.quorum.(*peer).Peer, m.id)().ClientAddress; got != m.Addr() {
			t.Errorf("member %d says that it serves clients on %s, not on %s", m.id, got, m.Addr())
		}
		if nc, err := net.Dial("tcp", was.client.String()); err == nil {
			nc.Close()
			t.Errorf("member %d still serves clients on %s", m.id, was.client)
		}
	}
	client := func(p *ports) *int { return &p.client.Port }
	quorum := func(p *ports) *int { return &p.members.QuorumPort }
	election := func(p *ports) *int { return &p.members.ElectionPort }

	m := leading(t, e)
	stays, err := net.Dial("tcp", m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	if _, err := FourLetterWord(t.Context(), m.Addr(), "ruok", nil); err != nil { // so stays has been accepted, too
		t.Fatal(err)
	}
	move(m, client)
	_, _ = stays.Write([]byte("ruok"))
	if answer, err := io.ReadAll(stays); string(answer) != "imok" {
		t.Errorf("who was connected gets %q, %v", answer, err)
	}

	for range 2 {
		m := leading(t, e)
		move(m, client, quorum, election)
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
		newLeader(t, e, m)
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		settle(t, e)
		has(t, e, "/a")
	}
}

// settle waits until all members, which are embedded, serve under one leader and one configuration.
func settle(t *testing.T, e *Ensemble) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := await.Until(ctx, func() bool {
		leader := leading(t, e)
		if leader == nil || !e.agree(leader.id) {
			return false
		}
		version := leader.embedded().quorum.(*peer).Status().Config.Version()
		for _, p := range e.peers() {
			if p.Status().Config.Version() != version {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Fatalf("the members do not agree: %v", err)
	}
}

// Members report configurations as they learn of them. Whatever the order, the newest wins.
func TestLearnTheNewest(t *testing.T) {
	e := &Ensemble{links: newLinks()}
	for id := range int64(300) { // so that one report can overtake another
		e.members = append(e.members, &Member{e: e, id: id + 1})
	}
	config := func(version int) zoocfg.QuorumVerifier {
		var members []zoocfg.Member
		for _, m := range e.members {
			members = append(members, zoocfg.Member{ID: m.id, Client: zoocfg.HostPort{Host: "127.0.0.1", Port: version},
				Addrs: []zoocfg.QuorumAddr{{Host: "127.0.0.1", QuorumPort: 10_000 + version, ElectionPort: 20_000 + version}}})
		}
		return zoocfg.NewMajority(int64(version), members...)
	}
	for newest := 2; newest <= 200; newest += 2 {
		var wg sync.WaitGroup
		for version := newest - 1; version <= newest; version++ {
			v := config(version)
			wg.Go(func() { e.learn(v) })
		}
		wg.Wait()
		for _, m := range e.members {
			if m.Port() != newest {
				t.Fatalf("member %d is said to be where version %d has it, there is version %d", m.id, m.Port(), newest)
			}
		}
	}
}

// With db.autocreate=false, an ensemble starts and restarts, and a member that has lost its data in
// between has no vote until it has received the others' data.
func TestAutoCreateOff(t *testing.T) {
	opt := Options{Size: 3, DataDir: t.TempDir(), Properties: map[string]string{"db.autocreate": "false", "tickTime": "200"}}
	e, err := Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	write(t, e, "/kept")
	lose := func(id string) {
		t.Helper()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(opt.DataDir, id, "version-2")); err != nil {
			t.Fatal(err)
		}
	}
	lose("3")
	if e, err = Start(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	has(t, e, "/kept")
	lose("1")
	lose("3")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if e, err = Start(ctx, opt); err == nil {
		defer e.Close()
		t.Fatal("two of three members have lost their data, and it starts")
	}
}
