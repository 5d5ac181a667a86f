package ensembles

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/localserver"
)

// figure returns a number from a member's mntr.
func (s *subject) figure(m *localserver.Member, name string) (value string) {
	s.t.Helper()
	text, err := localserver.FourLetterWord(s.t.Context(), m.Addr(), "mntr", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if key, v, _ := strings.Cut(strings.TrimSpace(line), "\t"); key == name {
			value = v
		}
	}
	return value
}

// ended reports whether a session cannot be resumed on a member.
func ended(t *testing.T, m *localserver.Member, w *wiretest.Client) bool {
	t.Helper()
	again, err := resume(m.Addr(), time.Minute, w)
	switch {
	case errors.Is(err, wiretest.ErrOver):
		return true
	case err != nil:
		t.Fatalf("resume session 0x%x at member %d: %v", w.ID, m.ID(), err)
	}
	again.Close()
	return false
}

// withLocalSessions runs f on ensembles of every mixture, with leaders of either kind.
func withLocalSessions(t *testing.T, upgrade bool, f func(t *testing.T, s *subject, leader *localserver.Member)) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		opt     localserver.Options
		unseats bool // the initial leader must not lead
	}{
		{"embedded", localserver.Options{Size: 3, Observers: 1}, false},
		{"an Apache's leads", localserver.Options{Size: 3, Observers: 1, Apache: 2}, false},
		{"an embedded leads an Apache's", localserver.Options{Size: 3, Apache: 1}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t, c.opt, "localSessionsEnabled=true", fmt.Sprintf("localSessionsUpgradingEnabled=%t", upgrade))
			leader := s.awaitAll()
			if c.unseats {
				s.kill(leader)
				s.awaitLeader(leader)
				s.start(leader)
				if now := s.awaitAll(); now == leader {
					t.Fatalf("member %d leads again", now.ID())
				} else {
					leader = now
				}
			}
			f(t, s, leader)
			s.compareTrees()
		})
	}
}

func describe(m, leader *localserver.Member) string {
	role := "a learner"
	if m == leader {
		role = "the leader"
	}
	return fmt.Sprintf("member %d, %s, %s", m.ID(), m.Engine(), role)
}

// A local session takes no transaction, belongs to its member, and can still write; it has no
// ephemerals (LocalSessionRequestTest, LocalSessionsOnlyTest, SessionUpgradeTest).
func TestLocalSessions(t *testing.T) {
	withLocalSessions(t, false, func(t *testing.T, s *subject, leader *localserver.Member) {
		for _, m := range s.Members() {
			t.Run(describe(m, leader), func(t *testing.T) {
				s.awaitAll()
				before := s.newestZxid()
				w := mustDial(t, m.Addr(), time.Minute, nil)
				short := mustDial(t, m.Addr(), time.Second, nil)
				if local, global := s.figure(m, "zk_local_sessions"), s.figure(m, "zk_global_sessions"); local != "2" || global != "0" {
					t.Errorf("mntr tells of %s local sessions and %s global ones", local, global)
				}
				if n := m.Status(t.Context()).Sessions; n != 2 {
					t.Errorf("the status tells of %d sessions", n)
				}
				dump, err := localserver.FourLetterWord(t.Context(), m.Addr(), "dump", nil)
				global := "\nGlobal Sessions(0):\n"
				if m == leader {
					global = "\nGlobal Session Sets (0)/(0):\n"
				}
				if err != nil || !strings.Contains(dump, "Local Session Sets (2)/(2):\n") || !strings.Contains(dump, fmt.Sprintf("\t0x%x\n", uint64(w.ID))) ||
					!strings.Contains(dump, global) {
					t.Errorf("dump: %v\n%s", err, dump)
				}
				if uint64(w.ID)>>56 != uint64(m.ID()) {
					t.Errorf("session 0x%x is not of member %d", uint64(w.ID), m.ID())
				}
				// Its client can reconnect, but not to another member.
				w.Close()
				w = mustDial(t, m.Addr(), time.Minute, w)
				for _, other := range s.others(m) {
					if !ended(t, other, w) {
						t.Errorf("the session is known to member %d", other.ID())
					}
				}
				// A silent one ends.
				short.Close()
				s.await("the silent session ends", func() bool { return s.figure(m, "zk_local_sessions") == "1" })
				if !ended(t, m, short) {
					t.Error("the silent session has not ended")
				}
				if m.Engine() == localserver.Embedded {
					expired := mustDial(t, m.Addr(), time.Minute, nil)
					if err := s.ExpireSession(t.Context(), expired.ID); err != nil || !ended(t, m, expired) {
						t.Errorf("expire: %v", err)
					}
				}
				if err := w.Exists("/"); err != nil {
					t.Errorf("read: %v", err)
				}
				if now := s.newestZxid(); now != before {
					t.Errorf("the zxid was 0x%x and is 0x%x without a write", before, now)
				}

				path := fmt.Sprintf("/local-%d", m.ID())
				if err := w.Create(path, proto.Persistent); err != nil {
					t.Errorf("create: %v", err)
				}
				if err := w.Create(path+"/e", proto.Ephemeral); err != proto.ErrEphemeralOnLocal {
					t.Errorf("create an ephemeral: %v", err)
				}
				if err := w.Call(proto.OpCreate2, &proto.CreateRequest{Path: path + "/e-", ACL: proto.OpenACL, Flags: proto.EphemeralSequential}, nil); err != proto.ErrEphemeralOnLocal {
					t.Errorf("create an ephemeral with a number: %v", err)
				}
				// Within a multi, Apache's learner gives another reason.
				code := proto.ErrSessionExpired
				if m == leader {
					code = proto.ErrEphemeralOnLocal
				}
				var multi proto.MultiResponse
				err = w.Call(proto.OpMulti, &proto.MultiRequest{Ops: []proto.MultiOp{
					{Type: proto.OpCreate, Request: &proto.CreateRequest{Path: path + "/m", ACL: proto.OpenACL}},
					{Type: proto.OpCreate, Request: &proto.CreateRequest{Path: path + "/m/e", ACL: proto.OpenACL, Flags: proto.Ephemeral}},
				}}, &multi)
				if err != nil || len(multi.Results) != 2 || multi.Results[0].Err != 0 || multi.Results[1].Err != code {
					t.Errorf("multi: %v, %+v", err, multi.Results)
				}
				if err := w.Exists(path + "/e"); err != proto.ErrNoNode {
					t.Errorf("the ephemeral: %v", err)
				}

				before = s.newestZxid()
				if err := w.Call(proto.OpCloseSession, nil, nil); err != nil {
					t.Errorf("close: %v", err)
				}
				if !ended(t, m, w) {
					t.Error("the session goes on after its client has closed it")
				}
				if now := s.newestZxid(); now != before {
					t.Errorf("the zxid was 0x%x and is 0x%x after the session was closed", before, now)
				}
			})
		}
	})
}

// A local session becomes a global one, once, for its first ephemeral (SessionUpgradeTest,
// DuplicateLocalSessionUpgradeTest, MultiOpSessionUpgradeTest, SessionUpgradeQuorumTest).
func TestLocalSessionsUpgrade(t *testing.T) {
	withLocalSessions(t, true, func(t *testing.T, s *subject, leader *localserver.Member) {
		create := map[string]func(w *wiretest.Client, path string) error{
			"create": func(w *wiretest.Client, path string) error { return w.Create(path, proto.Ephemeral) },
			"multi": func(w *wiretest.Client, path string) error {
				var response proto.MultiResponse
				return w.Call(proto.OpMulti, &proto.MultiRequest{Ops: []proto.MultiOp{
					{Type: proto.OpCreate2, Request: &proto.CreateRequest{Path: path, ACL: proto.OpenACL, Flags: proto.Ephemeral}},
					{Type: proto.OpCreate, Request: &proto.CreateRequest{Path: path + "-second", ACL: proto.OpenACL, Flags: proto.Ephemeral}},
				}}, &response)
			},
		}
		for _, m := range s.Members() {
			for name, ephemeral := range create {
				t.Run(describe(m, leader)+", "+name, func(t *testing.T) {
					path := fmt.Sprintf("/%s-%d", name, m.ID())
					w := mustDial(t, m.Addr(), time.Minute, nil)
					if err := w.Create(path+"-first", proto.Persistent); err != nil {
						t.Fatal(err)
					}
					before := w.Zxid
					if err := ephemeral(w, path); err != nil {
						t.Fatalf("create an ephemeral: %v", err)
					}
					if w.Zxid != before+2 {
						t.Errorf("the session and its ephemeral took the zxid from 0x%x to 0x%x", before, w.Zxid)
					}
					if err := w.Create(path+"-third", proto.Ephemeral); err != nil || w.Zxid != before+3 {
						t.Errorf("another ephemeral: %v, zxid 0x%x", err, w.Zxid)
					}
					for _, other := range s.others(m) {
						w.Close()
						w = mustDial(t, other.Addr(), time.Minute, w)
						if err := w.Exists(path); err != nil {
							t.Errorf("the ephemeral at member %d: %v", other.ID(), err)
						}
					}
					if err := w.Call(proto.OpCloseSession, nil, nil); err != nil {
						t.Errorf("close: %v", err)
					}
					reader := mustDial(t, m.Addr(), time.Minute, nil)
					if err := reader.Sync(); err != nil {
						t.Fatal(err)
					}
					if err := reader.Exists(path); err != proto.ErrNoNode {
						t.Errorf("the ephemeral after its session: %v", err)
					}
					if !ended(t, m, w) {
						t.Error("the session goes on after its client has closed it")
					}
				})
			}
			t.Run(describe(m, leader)+", closed meanwhile", func(t *testing.T) {
				path := fmt.Sprintf("/hasty-%d", m.ID())
				w := mustDial(t, m.Addr(), time.Minute, nil)
				created := w.Queue(proto.OpCreate, wiretest.Create(path, nil, proto.Ephemeral))
				closed := w.Queue(proto.OpCloseSession, nil)
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
				for _, xid := range []int32{created, closed} {
					if p, err := w.Receive(); err != nil || p.Xid != xid || p.Err != 0 {
						t.Fatalf("the reply of xid %d: %+v, %v", xid, p.ReplyHeader, err)
					}
				}
				reader := mustDial(t, m.Addr(), time.Minute, nil)
				if err := reader.Sync(); err != nil {
					t.Fatal(err)
				}
				if err := reader.Exists(path); err != proto.ErrNoNode {
					t.Errorf("the ephemeral after its session: %v", err)
				}
			})
		}
	})
}
