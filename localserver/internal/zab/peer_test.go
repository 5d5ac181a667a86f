package zab

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
)

func TestElectAndBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 3, 1)
		defer c.stop()
		began := time.Now()
		c.start()
		leader := c.awaitAll()
		t.Logf("a leader after %v", time.Since(began))
		if leader.id != 3 {
			t.Errorf("server %d leads, not the one with the largest id", leader.id)
		}
		for i := range 20 {
			c.each(func(n *node) { c.write(n, fmt.Sprint(i)) })
		}
		c.awaitAll()
		if got := leader.replica.LastZxid(); got != Zxid(1, 80) {
			t.Errorf("the last transaction is %#x", got)
		}
		c.check()
	})
}

func TestLeaderDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 3, 0)
		defer c.stop()
		c.start()
		for round := range 5 {
			leader := c.awaitAll()
			c.write(leader, fmt.Sprint("before ", round))
			leader.crash()
			c.write(c.awaitAll(), fmt.Sprint("after ", round))
			leader.start()
		}
		c.awaitAll()
		c.check()
	})
}

// A member that was down is synchronised with DIFF, TRUNC and SNAP.
func TestCatchUp(t *testing.T) {
	mode := func(leader *node, id int64) string {
		for _, l := range leader.peer.Status().Learners {
			if l.ID == id {
				return l.Mode
			}
		}
		return "nothing"
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 3, 0)
		defer c.stop()
		c.start()
		leader := c.awaitAll()
		c.write(leader, "first")
		c.nodes[1].crash()
		for i := range 100 {
			c.write(leader, fmt.Sprint(i))
		}
		c.nodes[1].start()
		c.awaitAll()
		if got := mode(leader, 1); got != "DIFF" {
			t.Errorf("from memory by %s", got)
		}
		c.nodes[1].crash()
		for i := range 2 * historyCount {
			leader.replica.write([]byte(fmt.Sprint(i)))
		}
		c.awaitAll()
		c.nodes[1].start()
		c.awaitAll()
		if got := mode(leader, 1); got != "DIFF" {
			t.Errorf("from the log by %s", got)
		}
		c.nodes[1].crash()
		for i := range 2 * historyCount {
			leader.replica.write([]byte(fmt.Sprint(i)))
		}
		c.awaitAll()
		leader.disk.save(leader.replica.list, leader.replica.LastZxid(), true)
		leader.replica.beforeSnapshot = func() { c.write(leader, "in the last moment") }
		c.nodes[1].start()
		c.awaitAll()
		if got := mode(leader, 1); got != "SNAP" || c.nodes[1].replica.restored != 1 {
			t.Errorf("with no log by %s", got)
		}

		// An isolated leader logs a transaction that no other member receives.
		for id := range c.nodes {
			c.net.Cut(host(leader.id), host(id))
		}
		for range 5 {
			leader.replica.write([]byte("in vain"))
		}
		c.await("it is deposed", func() bool { return !leader.replica.leads() })
		last := leader.replica.lastTxn()
		leader.crash()
		c.net.HealAll()
		next := c.awaitAll()
		c.write(next, "instead")
		leader.start()
		c.awaitAll()
		if got := mode(next, leader.id); got != "SNAP" && got != "TRUNC" {
			t.Errorf("what was never committed, up to %#x, is removed by %s", last, got)
		}
		c.check()
	})
}

// A deposed leader truncates what only it has of the past epoch.
func TestTruncate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4, 3, 0)
		defer c.stop()
		c.tweak = func(o *PeerOptions) {
			r := o.Replica.(*fakeReplica)
			o.Journal.SnapCount = 1
			o.Journal.Due = func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.saving = true
			}
		}
		c.start()
		old := c.awaitAll()
		c.write(old, "first")
		old.disk.delay = func() time.Duration { return 2 * time.Second } // its last snapshot becomes due after its term
		c.each(func(n *node) {
			if n != old {
				c.net.Cut(host(old.id), host(n.id))
			}
		})
		for range 5 {
			old.replica.write([]byte("in vain"))
		}
		c.await("another leads", func() bool { l := c.leader(); return l != nil && l != old && !old.replica.leads() })
		c.net.HealAll()
		c.awaitAll()
		if old.replica.reloaded != 1 || old.replica.lastTxn() != Zxid(1, 1) {
			t.Errorf("reloaded %d times, %#x is the last", old.replica.reloaded, old.replica.lastTxn())
		}
		c.check()
	})
}

// Losing the quorum stops all service; regaining it restarts the service.
func TestQuorumLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5, 3, 1)
		defer c.stop()
		c.start()
		leader := c.awaitAll()
		began := time.Now()
		c.nodes[1].crash()
		c.nodes[2].crash()
		c.await("nobody serves", func() bool { return !leader.replica.serving() && !c.nodes[4].replica.serving() })
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v, with a syncLimit of 500 ms", took)
		}
		if s := leader.peer.Status(); s.State != Looking || s.Zab != Electing || s.Leader != -1 {
			t.Errorf("%+v", s)
		}
		c.nodes[2].start()
		c.awaitAll()
		c.check()
	})
}

// A silent link is noticed from both ends within syncLimit.
func TestSilentLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 6, 3, 0)
		defer c.stop()
		c.start()
		leader := c.awaitAll()
		began := time.Now()
		c.net.Cut(host(leader.id), host(1))
		c.await("the follower gives up", func() bool { return !c.nodes[1].replica.serving() })
		if took := time.Since(began); took > 700*time.Millisecond {
			t.Errorf("the follower takes %v, with a syncLimit of 500 ms", took)
		}
		c.await("the leader gives up", func() bool { return len(leader.peer.Status().Learners) == 1 })
		if took := time.Since(began); took > time.Second {
			t.Errorf("the leader takes %v, with a syncLimit of 500 ms", took)
		}
		c.write(leader, "two are enough")
		c.net.HealAll()
		c.awaitAll()
		c.check()
	})
}

func TestForcedLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 7, 3, 1)
		defer c.stop()
		c.start()
		for _, id := range []int64{1, 2, 1, 3} {
			old := c.awaitAll()
			c.write(old, "before")
			c.awaitAll()
			began := time.Now()
			c.each(func(n *node) { n.peer.Designate(id) })
			c.await("it leads", func() bool { l := c.leader(); return l != nil && l.id == id })
			c.awaitAll()
			t.Logf("server %d leads after %v", id, time.Since(began))
		}
		// A member that resigned may be elected again; a quorum must have formed anew.
		old := c.awaitAll()
		epoch := old.peer.Status().CurrentEpoch
		old.peer.Resign()
		c.await("a new epoch", func() bool { l := c.leader(); return l != nil && l.peer.Status().CurrentEpoch > epoch })
		c.awaitAll()
		c.check()
	})
}

// The last counter of an epoch is unused; a new epoch starts instead.
func TestRollover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 8, 3, 0)
		defer c.stop()
		c.start()
		leader := c.awaitAll()
		leader.replica.proposing.Lock()
		leader.replica.next = Zxid(1, lastCounter-1)
		leader.replica.proposing.Unlock()
		// The learners do not accept what does not follow; only the leader's part is checked.
		c.nodes[1].crash()
		c.nodes[2].crash()
		leader.replica.write([]byte("the last but one"))
		leader.replica.write([]byte("the last"))
		c.await("its term ends", func() bool { return !leader.replica.leads() })
		if got := leader.replica.lastTxn(); got != Zxid(1, lastCounter-1) {
			t.Errorf("the last transaction is %#x", got)
		}
	})
}

// Syncs, pings with sessions, and moving sessions on a learner's connection.
func TestSessionsAndSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 9, 3, 1)
		defer c.stop()
		c.each(func(n *node) { n.disk.delay = func() time.Duration { return 20 * time.Millisecond } })
		c.start()
		leader := c.awaitAll()
		for _, id := range []int64{1, 4} {
			r := c.nodes[id].replica
			l := r.learner
			for range 10 {
				r.write([]byte("before the sync"))
			}
			l.Forward(&Request{Session: 5, Cxid: 1, Type: proto.OpSync, Body: []byte("/")})
			c.await("the sync waits for a proposal", func() bool { return leader.peer.Status().PendingSyncs == 1 })
			l.Revalidate(6, 4000)
			l.Revalidate(7, 4000)
			r.mu.Lock()
			r.touched = map[int64]int32{100 + id: 4000, 200 + id: 5000}
			r.mu.Unlock()
			c.await("answers", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				if r.synced > 0 && len(r.list)%10 != 0 {
					t.Fatalf("the sync is answered after %d transactions", len(r.list))
				}
				return r.synced == 1 && len(r.valid) == 2
			})
			if !r.valid[6] || r.valid[7] {
				t.Errorf("%v", r.valid)
			}
			c.await("touches", func() bool {
				leader.replica.mu.Lock()
				defer leader.replica.mu.Unlock()
				return leader.replica.touches[100+id] == 4000 && leader.replica.touches[200+id] == 5000
			})
		}
	})
}

// Members in memory cannot truncate; they receive the leader's snapshot.
func TestInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 10, 3, 1)
		c.tweak = func(o *PeerOptions) { o.disk = &noDisk{accepted: -1, current: -1} }
		c.start()
		old := c.awaitAll()
		c.write(old, "first")
		c.each(func(n *node) {
			if n != old {
				c.net.Cut(host(old.id), host(n.id))
			}
		})
		for range 5 {
			old.replica.write([]byte("in vain"))
		}
		c.await("another leads", func() bool { l := c.leader(); return l != nil && l != old && !old.replica.leads() })
		c.net.HealAll()
		c.awaitAll()
		if old.replica.restored == 0 || old.replica.lastTxn() != Zxid(1, 1) {
			t.Errorf("restored %d times, %#x is the last", old.replica.restored, old.replica.lastTxn())
		}
		c.check()
		c.stop()
		if n := c.net.Open(); n != 0 {
			t.Errorf("%d connections and listeners are left open", n)
		}
	})
}

// A learner has connectToLearnerMasterLimit ticks to reach its leader.
func TestConnectLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 11, 3, 0)
		defer c.stop()
		c.tweak = func(o *PeerOptions) { o.ConnectLimit = 2 }
		c.start()
		leader := c.awaitAll()
		c.net.Cut(host(leader.id), host(1))
		began := time.Now()
		if _, err := c.nodes[1].peer.connectToLeader(t.Context(), leader.id); err == nil {
			t.Error("the link is cut")
		}
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("it tried for %v", took)
		}
	})
}
