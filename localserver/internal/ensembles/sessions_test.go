package ensembles

import (
	"errors"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver"
)

// eachPair calls f with every two members, in either order.
func eachPair(t *testing.T, s *subject, f func(t *testing.T, from, to *localserver.Member)) {
	for _, from := range s.Members() {
		for _, to := range s.Members() {
			if from != to {
				f(t, from, to)
			}
		}
	}
}

// A session that a client takes to another member keeps its ephemerals and can set its
// watches again; what still comes on the old connection is refused.
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
				if err := old.create(path, proto.Ephemeral); err != nil {
					t.Fatal(err)
				}
				moved := mustDial(t, to.Addr(), 20*time.Second, old)
				if moved.id != old.id {
					t.Fatalf("session 0x%x became 0x%x", old.id, moved.id)
				}
				if err := moved.exists(path); err != nil {
					t.Errorf("from %d to %d: the ephemeral: %v", from.ID(), to.ID(), err)
				}
				// The client, back again, has its watches told of what it missed.
				watch := proto.SetWatches{RelativeZxid: moved.seen, ExistWatches: []string{path + "-new"}, DataWatches: []string{path}}
				if err := moved.call(proto.OpSetWatches, &watch, nil); err != nil {
					t.Error(err)
				}
				// The old connection either is closed, or learns that the session has moved; never by
				// the results of a multi (FinalRequestProcessor).
				late := func() error { return old.create(path+"-late", proto.Persistent) }
				if n%2 == 0 {
					late = func() error {
						request := &proto.MultiRequest{Ops: []proto.MultiOp{{Type: proto.OpCreate, Request: &proto.CreateRequest{Path: path + "-late", ACL: proto.OpenACL}}}}
						return old.call(proto.OpMulti, request, nil)
					}
				}
				err := late()
				if err == nil {
					t.Errorf("from %d to %d: the old connection still writes", from.ID(), to.ID())
				}
				if code := proto.Error(0); errors.As(err, &code) && code != proto.ErrSessionMoved {
					t.Errorf("from %d to %d: the old connection is told %v", from.ID(), to.ID(), err)
				}
				if err := moved.create(path+"-new", proto.Ephemeral); err != nil {
					t.Errorf("from %d to %d: create: %v", from.ID(), to.ID(), err)
				}
				if err := moved.exists(path + "-late"); err != proto.ErrNoNode {
					t.Errorf("what the old connection asked for: %v", err)
				}
				if err := moved.call(proto.OpDelete, &proto.PathVersionRequest{Path: path, Version: -1}, nil); err != nil {
					t.Error(err)
				}
				want := map[string]proto.EventType{path: proto.EventNodeDeleted, path + "-new": proto.EventNodeCreated}
				if err := moved.sync(); err != nil {
					t.Error(err)
				}
				for _, e := range moved.events {
					if want[e.Path] != e.Type {
						t.Errorf("event %v of %s", e.Type, e.Path)
					}
					delete(want, e.Path)
				}
				if len(want) > 0 {
					t.Errorf("from %d to %d: watches were not told of %v", from.ID(), to.ID(), want)
				}
				if err := moved.call(proto.OpCloseSession, nil, nil); err != nil {
					t.Error(err)
				}
				if _, err := resume(from.Addr(), time.Second, moved); !errors.Is(err, errOver) {
					t.Errorf("who resumes a closed session is told %v", err)
				}
			})
			s.compareTrees()
		})
	}
}

// When a client's member dies the session goes on until its timeout, and no longer; then,
// and not before, its ephemerals vanish from all members. A client that comes back in time
// keeps them.
func TestSessionsOutliveTheirMember(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 3})
	leader := s.awaitAll()
	for _, m := range []*localserver.Member{s.others(leader)[0], leader} {
		other := s.others(leader, m)[0]
		const timeout = 6 * time.Second
		lost := mustDial(t, m.Addr(), timeout, nil)
		kept := mustDial(t, m.Addr(), timeout, nil)
		if err := lost.create("/lost", proto.Ephemeral); err != nil {
			t.Fatal(err)
		}
		if err := kept.create("/kept", proto.Ephemeral); err != nil {
			t.Fatal(err)
		}
		last := time.Now()
		s.kill(m)
		s.await("another serves", func() bool { return serves(s.role(other)) })
		kept = mustDial(t, other.Addr(), timeout, kept)
		watcher := mustDial(t, other.Addr(), 30*time.Second, nil)
		if err := watcher.sync(); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/lost", "/kept"} {
			if err := watcher.exists(path); err != nil {
				t.Errorf("%s %v after its member's death: %v", path, time.Since(last), err)
			}
		}
		s.await("the session expires", func() bool {
			if err := kept.call(proto.OpPing, nil, nil); err != nil {
				t.Fatal(err)
			}
			err := watcher.exists("/lost")
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
		if _, err := resume(other.Addr(), timeout, lost); !errors.Is(err, errOver) {
			t.Errorf("who resumes the expired session is told %v", err)
		}
		if err := watcher.exists("/kept"); err != nil {
			t.Errorf("the other session's ephemeral: %v", err)
		}
		if err := kept.call(proto.OpCloseSession, nil, nil); err != nil {
			t.Error(err)
		}
		s.start(m)
		leader = s.awaitAll()
	}
	s.compareTrees()
}

// Sync makes a member show what another has acknowledged, an observer too.
func TestSync(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 3, Observers: 1})
	leader := s.awaitAll()
	writer := mustDial(t, leader.Addr(), 20*time.Second, nil)
	for _, m := range s.others(leader) {
		reader := mustDial(t, m.Addr(), 20*time.Second, nil)
		for i := range 50 {
			path := "/sync-" + string(rune('a'+m.ID())) + "-" + time.Duration(i).String()
			if err := writer.create(path, proto.Persistent); err != nil {
				t.Fatal(err)
			}
			if err := reader.sync(); err != nil {
				t.Fatal(err)
			}
			if err := reader.exists(path); err != nil {
				t.Fatalf("member %d (%s) after a sync: %s: %v", m.ID(), s.role(m), path, err)
			}
		}
	}
}
