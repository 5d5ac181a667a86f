package ensembles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/localserver"
)

// history is how many transactions the members keep for a DIFF.
const history = 1500

// What learners of either kind log about their synchronisation.
const (
	byDiff  = "Getting a diff from the leader"
	byTrunc = "Truncating log to get in sync with the leader"
	bySnap  = "Getting a snapshot from leader"
)

// Two Apache members and an embedded one, and vice versa, lose any member while clients write; a
// leader of the other kind synchronises it with DIFF, SNAP and TRUNC.
func TestMixed(t *testing.T) {
	t.Parallel()
	for _, java := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d of 3 are Apache", java), func(t *testing.T) {
			t.Parallel()
			s := begin(t, localserver.Options{Size: 3, Apache: java}, fmt.Sprintf("commitLogCount=%d", history), "snapCount=400", "preAllocSize=64")
			leader := s.awaitAll()
			l := s.write(2)
			l.progress(50)
			rounds(t, 2, func(int) {
				t.Logf("member %d, %s, leads", leader.ID(), leader.Engine())
				follower := of(otherKind(leader.Engine()), s.others(leader))
				l.outage(follower, byDiff, func() { l.progress(50) })
				l.outage(follower, bySnap, func() { s.burst(leader, history+100) })
				if *long > 0 {
					l.outage(follower, bySnap, func() {
						if err := os.RemoveAll(filepath.Join(follower.DataDir(), "version-2")); err != nil {
							t.Fatal(err)
						}
						l.progress(20)
					})
				}
				l.divergedTail(leader, follower)
				leader = follower
			})
			s.kill(leader)
			l.progress(50)
			s.start(leader)
			s.awaitAll()
			l.progress(20)
			l.end()
			l.check(s.compareTrees())
			for _, w := range l.writers {
				w.conn.Close()
			}
			s.compareDisks()
		})
	}
}

func otherKind(e localserver.Engine) localserver.Engine {
	if e == localserver.Apache {
		return localserver.Embedded
	}
	return localserver.Apache
}

// outage kills a follower, runs something, and starts the follower again, which must be
// synchronised in the given way.
func (l *load) outage(m *localserver.Member, way string, meanwhile func()) {
	l.s.t.Helper()
	l.s.kill(m)
	meanwhile()
	before := len(l.s.logOf(m))
	l.s.start(m)
	l.s.awaitAll()
	if !strings.Contains(l.s.logOf(m)[before:], way) {
		l.s.t.Errorf("member %d (%s) was not brought up to date as expected: its log lacks %q", m.ID(), m.Engine(), way)
	}
	l.progress(20)
}

// burst makes n transactions through a member.
func (s *subject) burst(m *localserver.Member, n int) {
	s.t.Helper()
	c := s.open(m.Addr())
	defer c.Close()
	if _, _, err := c.Create(s.t.Context(), "/burst", nil, proto.OpenACL, proto.Persistent, 0); err != nil && !errors.Is(err, proto.ErrNodeExists) {
		s.t.Fatal(err)
	}
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for range 50 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := c.Set(s.t.Context(), "/burst", []byte(strings.Repeat("x", 100)), -1); err != nil {
					s.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// divergedTail makes the leader log what no other member receives, and next lead instead; then the
// old leader must truncate it. It leaves all members running.
func (l *load) divergedTail(leader, next *localserver.Member) {
	l.s.t.Helper()
	s, third := l.s, l.s.others(leader, next)[0]
	s.kill(third) // its history is shorter than that of next, which is therefore elected
	l.progress(20)
	// A transaction in the next epoch would rule TRUNC out.
	l.hold.Lock()
	defer l.progress(20)
	defer l.hold.Unlock()

	c, err := client.Open(client.Config{Servers: leader.Addr(), SessionTimeout: time.Minute, Wait: true})
	if err != nil {
		s.t.Fatal(err)
	}
	parent := fmt.Sprintf("/tail-%d-%d", leader.ID(), next.ID())
	if _, _, err := c.Create(s.t.Context(), parent, nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		s.t.Fatal(err)
	}
	acked := make(chan string, 1<<16)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := 0; ; n++ {
				path := fmt.Sprintf("%s/%d-%d", parent, i, n)
				if _, _, err := c.Create(s.t.Context(), path, nil, proto.OpenACL, proto.Persistent, 0); err != nil {
					return
				}
				acked <- path
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
	}
	s.kill(next)
	last := s.lastLogged(next)
	s.await("the leader logs what nobody else has", func() bool { return s.lastLogged(leader) > last })
	s.kill(leader)
	close(stop)
	c.Close()
	wg.Wait()
	close(acked)
	tail := s.lastLogged(leader)
	s.t.Logf("member %d has logged up to 0x%x, member %d up to 0x%x", leader.ID(), uint64(tail), next.ID(), uint64(last))

	s.start(next, third)
	if now := s.awaitAll(); now != next {
		s.t.Fatalf("member %d leads, not member %d", now.ID(), next.ID())
	}
	before := len(s.logOf(leader))
	s.start(leader)
	s.awaitAll()
	if !strings.Contains(s.logOf(leader)[before:], byTrunc) {
		s.t.Errorf("member %d (%s) was not told to truncate its log", leader.ID(), leader.Engine())
	}
	check := s.open(leader.Addr())
	defer check.Close()
	n := 0
	for path := range acked {
		if _, err := check.Exists(s.t.Context(), path, false); err != nil {
			s.t.Errorf("%s was acknowledged: %v", path, err)
		}
		n++
	}
	s.t.Logf("%d writes of the last moments were acknowledged and are there", n)
}

// lastLogged returns the last zxid in a member's files.
func (s *subject) lastLogged(m *localserver.Member) (last int64) {
	s.t.Helper()
	dir, err := storage.ReadDir(filepath.Join(m.DataDir(), "version-2"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range dir.Logs {
		r, err := storage.OpenLog(f.Path)
		if err != nil {
			continue // just created
		}
		for {
			e, err := r.Next()
			if err != nil || !e.Intact() {
				break
			}
			last = max(last, e.Header.Zxid)
		}
		r.Close()
	}
	return last
}

// lastSaved returns the zxid of a member's newest snapshot.
func (s *subject) lastSaved(m *localserver.Member) (last int64) {
	s.t.Helper()
	dir, err := storage.ReadDir(filepath.Join(m.DataDir(), "version-2"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range dir.Snapshots {
		last = max(last, f.Zxid)
	}
	return last
}
