package ensembles

import (
	"errors"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/localserver"
)

// eachPair calls f with every pair of members, in either order.
func eachPair(t *testing.T, s *subject, f func(t *testing.T, from, to *localserver.Member)) {
	for _, from := range s.Members() {
		for _, to := range s.Members() {
			if from != to {
				f(t, from, to)
			}
		}
	}
}

// A session that moves to another member keeps its ephemerals and can set its watches again; late
// requests on the old connection are refused.
func TestSessionMoves(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]localserver.Options{
		"embedded": {Size: 3, Observers: 1},
		"mixed":    {Size: 3, Apache: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, opt)
			s.awaitAll()
			n := 0
			eachPair(t, s, func(t *testing.T, from, to *localserver.Member) {
				n++
				path := "/moves-" + string(rune('a'+n))
				old := mustDial(t, from.Addr(), 20*time.Second, nil)
				if err := old.Create(path, proto.Ephemeral); err != nil {
					t.Fatal(err)
				}
				moved := mustDial(t, to.Addr(), 20*time.Second, old)
				if moved.ID != old.ID {
					t.Fatalf("session 0x%x became 0x%x", old.ID, moved.ID)
				}
				if err := moved.Exists(path); err != nil {
					t.Errorf("from %d to %d: the ephemeral: %v", from.ID(), to.ID(), err)
				}
				// When the client is back, its watches report what it missed.
				var events []proto.WatcherEvent
				moved.Event = func(e *proto.WatcherEvent) { events = append(events, *e) }
				watch := proto.SetWatches{RelativeZxid: moved.Zxid, ExistWatches: []string{path + "-new"}, DataWatches: []string{path}}
				if err := moved.Call(proto.OpSetWatches, &watch, nil); err != nil {
					t.Error(err)
				}
				// The old connection either is closed, or learns that the session has moved; never by
				// the results of a multi (FinalRequestProcessor).
				late := func() error { return old.Create(path+"-late", proto.Persistent) }
				if n%2 == 0 {
					late = func() error {
						request := &proto.MultiRequest{Ops: []proto.MultiOp{{Type: proto.OpCreate, Request: &proto.CreateRequest{Path: path + "-late", ACL: proto.OpenACL}}}}
						return old.Call(proto.OpMulti, request, nil)
					}
				}
				err := late()
				if err == nil {
					t.Errorf("from %d to %d: the old connection still writes", from.ID(), to.ID())
				}
				if code := proto.Error(0); errors.As(err, &code) && code != proto.ErrSessionMoved {
					t.Errorf("from %d to %d: the old connection is told %v", from.ID(), to.ID(), err)
				}
				if err := moved.Create(path+"-new", proto.Ephemeral); err != nil {
					t.Errorf("from %d to %d: create: %v", from.ID(), to.ID(), err)
				}
				if err := moved.Exists(path + "-late"); err != proto.ErrNoNode {
					t.Errorf("what the old connection asked for: %v", err)
				}
				if err := moved.Call(proto.OpDelete, &proto.PathVersionRequest{Path: path, Version: -1}, nil); err != nil {
					t.Error(err)
				}
				want := map[string]proto.EventType{path: proto.EventNodeDeleted, path + "-new": proto.EventNodeCreated}
				if err := moved.Sync(); err != nil {
					t.Error(err)
				}
				for _, e := range events {
					if want[e.Path] != e.Type {
						t.Errorf("event %v of %s", e.Type, e.Path)
					}
					delete(want, e.Path)
				}
				if len(want) > 0 {
					t.Errorf("from %d to %d: watches were not told of %v", from.ID(), to.ID(), want)
				}
				if err := moved.Call(proto.OpCloseSession, nil, nil); err != nil {
					t.Error(err)
				}
				if _, err := resume(from.Addr(), time.Second, moved); !errors.Is(err, wiretest.ErrOver) {
					t.Errorf("who resumes a closed session is told %v", err)
				}
			})
			s.compareTrees()
		})
	}
}

// When a client's member dies, the session lasts until its timeout, and no longer; only then do its
// ephemerals vanish from all members. A client that reconnects in time keeps them.
func TestSessionsOutliveTheirMember(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 3})
	leader := s.awaitAll()
	for _, m := range []*localserver.Member{s.others(leader)[0], leader} {
		other := s.others(leader, m)[0]
		const timeout = 6 * time.Second
		lost := mustDial(t, m.Addr(), timeout, nil)
		kept := mustDial(t, m.Addr(), timeout, nil)
		if err := lost.Create("/lost", proto.Ephemeral); err != nil {
			t.Fatal(err)
		}
		if err := kept.Create("/kept", proto.Ephemeral); err != nil {
			t.Fatal(err)
		}
		last := time.Now()
		s.kill(m)
		s.await("another serves", func() bool { return serves(s.role(other)) })
		kept = mustDial(t, other.Addr(), timeout, kept)
		watcher := mustDial(t, other.Addr(), 30*time.Second, nil)
		if err := watcher.Sync(); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/lost", "/kept"} {
			if err := watcher.Exists(path); err != nil {
				t.Errorf("%s %v after its member's death: %v", path, time.Since(last), err)
			}
		}
		s.await("the session expires", func() bool {
			if err := kept.Call(proto.OpPing, nil, nil); err != nil {
				t.Fatal(err)
			}
			err := watcher.Exists("/lost")
			if err != nil && err != proto.ErrNoNode {
				t.Fatal(err)
			}
			return err == proto.ErrNoNode
		})
		if took := time.Since(last); took < timeout {
			t.Errorf("a session of %v was over after %v", timeout, took)
		} else {
			t.Logf("a session of %v was over after %v", timeout, took)
		}
		if _, err := resume(other.Addr(), timeout, lost); !errors.Is(err, wiretest.ErrOver) {
			t.Errorf("who resumes the expired session is told %v", err)
		}
		if err := watcher.Exists("/kept"); err != nil {
			t.Errorf("the other session's ephemeral: %v", err)
		}
		if err := kept.Call(proto.OpCloseSession, nil, nil); err != nil {
			t.Error(err)
		}
		s.start(m)
		leader = s.awaitAll()
	}
	s.compareTrees()
}

// Sync makes a member, even an observer, show what another has acknowledged.
func TestSync(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 3, Observers: 1})
	leader := s.awaitAll()
	writer := mustDial(t, leader.Addr(), 20*time.Second, nil)
	for _, m := range s.others(leader) {
		reader := mustDial(t, m.Addr(), 20*time.Second, nil)
		for i := range 50 {
			path := "/sync-" + string(rune('a'+m.ID())) + "-" + time.Duration(i).String()
			if err := writer.Create(path, proto.Persistent); err != nil {
				t.Fatal(err)
			}
			if err := reader.Sync(); err != nil {
				t.Fatal(err)
			}
			if err := reader.Exists(path); err != nil {
				t.Fatalf("member %d (%s) after a sync: %s: %v", m.ID(), s.role(m), path, err)
			}
		}
	}
}

// resume is wiretest's Dial, repeated until the member has what the session has seen; until then, the
// member refuses.
func resume(addr string, timeout time.Duration, old *wiretest.Client) (w *wiretest.Client, err error) {
	await.Within(patience, func() bool {
		w, err = wiretest.Dialer{Wait: patience}.Dial(addr, timeout, old)
		return err == nil || errors.Is(err, wiretest.ErrOver)
	})
	return w, err
}

func mustDial(t *testing.T, addr string, timeout time.Duration, old *wiretest.Client) *wiretest.Client {
	t.Helper()
	w, err := resume(addr, timeout, old)
	if err != nil {
		t.Fatalf("connect to %s: %v", addr, err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}
