package replica

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// TestLeaderIsApaches compares what a leader reports with the leader of an Apache ensemble of one.
func TestLeaderIsApaches(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "myid"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, quorum, _ := net.SplitHostPort(freeAddr(t))
	_, election, _ := net.SplitHostPort(freeAddr(t))
	_, admin, _ := net.SplitHostPort(freeAddr(t))
	line := "127.0.0.1:" + quorum + ":" + election
	theirs, err := withJetty(t).Start(context.Background(), apache.Options{TickTime: 2 * time.Second, Dir: dir, Properties: map[string]string{
		"admin.enableServer": "true", "admin.serverAddress": "127.0.0.1", "admin.serverPort": admin,
		"server.1": line, "standaloneEnabled": "false", "initLimit": "5", "syncLimit": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Stop()

	m, err := zoocfg.ParseMember(1, line+":participant")
	if err != nil {
		t.Fatal(err)
	}
	m.Client, m.ClientFromStatic = zoocfg.HostPort{Host: "127.0.0.1", Port: 2181}, true
	var learners atomic.Pointer[[]zab.LearnerStatus]
	learners.Store(new([]zab.LearnerStatus))
	ensemble := Ensemble{Status: zab.Status{State: zab.Leading, Zab: zab.Broadcasting, Leader: 1, Config: zoocfg.NewMajority(0, m)},
		PeerState: "leading - broadcast", InitLimit: 5, SyncLimit: 2, Self: 1, ClientAddress: "127.0.0.1:2181"}
	ours := serveAlone(t, Options{Release: likeApache, DataDir: t.TempDir(), Tick: 2 * time.Second, MaxClientCnxns: -1, Words: []string{"*"},
		Ensemble: func() Ensemble {
			e := ensemble
			e.Learners = *learners.Load()
			return e
		}})
	urls := []string{"http://127.0.0.1:" + admin, serveAdmin(t, ours.Replica, AdminOptions{InitialConfig: "x"})}
	for _, addr := range []string{theirs.Addr(), ours.addr} {
		furnish(t, addr)
	}
	compareWords(t, theirs.Addr(), ours.addr, []string{"conf", "srvr", "stat", "dump", "isro", "cons"})
	want, got := compareMntr(t, theirs.Addr(), ours.addr)
	for _, key := range []string{"zk_server_state", "zk_peer_state", "zk_quorum_size", "zk_learners", "zk_synced_followers"} {
		if got[key] != want[key] {
			t.Errorf("%s is %s, Apache's is %s", key, got[key], want[key])
		}
	}
	for _, command := range []string{"conf", "srvr", "stat", "leader", "observers", "voting_view", "zabstate", "isro"} {
		_, want := fetch(t, "GET", urls[0]+"/commands/"+command, nil)
		_, got := fetch(t, "GET", urls[1]+"/commands/"+command, nil)
		compareForm(t, command, want, got)
	}
	if got := ask(t, ours.addr, "srst"); got != "Server stats reset.\n" {
		t.Error(got)
	}
	if got := ask(t, ours.addr, "srvr"); !strings.Contains(got, "Proposal sizes last/min/max: -1/-1/-1\n") {
		t.Errorf("after srst: %s", got)
	}

	// With learners, which the real one does not have here.
	learners.Store(&[]zab.LearnerStatus{{ID: 2, Synced: true}, {ID: 3, Observer: true, Synced: true, Addr: "127.0.0.1:5"}, {ID: 4, Observer: true}})
	figures := mntrKeys(ask(t, ours.addr, "mntr"))
	for key, want := range map[string]string{"zk_learners": "3", "zk_synced_followers": "1", "zk_synced_non_voting_followers": "1", "zk_synced_observers": "1"} {
		if figures[key] != want {
			t.Errorf("%s is %s, want %s", key, figures[key], want)
		}
	}
	_, text := fetch(t, "GET", urls[1]+"/commands/obsr", nil)
	if !strings.Contains(text, `"synced_observers" : 1,`) || !strings.Contains(text, fmt.Sprintf("%q : %d", "sid", 3)) {
		t.Errorf("observers: %s", text)
	}
}
