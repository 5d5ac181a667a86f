package zab

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// These are the cases of Apache's ReconfigRecoveryTest: members stop while a reconfiguration is in
// progress, or in force on some of them, and find each other again.

// moved returns a member on other ports than clusterMember's.
func moved(m zoocfg.Member) zoocfg.Member {
	m.Addrs = []zoocfg.QuorumAddr{{Host: m.Addrs[0].Host, QuorumPort: 2999, ElectionPort: 3999}}
	return m
}

// interrupted returns an ensemble that wrote something and was stopped while it changed to next.
func interrupted(t *testing.T, seed uint64, voters, observers int, next ...zoocfg.Member) *cluster {
	c := newCluster(t, seed, voters, observers)
	c.start()
	c.write(c.awaitAll(), "of the old ensemble")
	c.stop()
	c.each(func(n *node) { n.next = zoocfg.NewMajority(Zxid(2, 0), next...) })
	return c
}

// joiner adds a server that knows the members of the old configuration and itself.
func (c *cluster) joiner(id int64) *node {
	n := c.add(id)
	n.config = zoocfg.NewMajority(0, append(c.config.Members(), clusterMember(id, zoocfg.Participant))...)
	return n
}

// completed waits until the change is complete and all members work together.
func (c *cluster) completed(config string) {
	c.t.Helper()
	began := time.Now()
	c.awaitConfig(config)
	if took := time.Since(began); took > 10*time.Second {
		c.t.Errorf("it took %v", took)
	}
	c.each(func(n *node) {
		if n.peer != nil {
			c.write(n, "of the new ensemble")
		}
	})
	c.awaitAll()
	c.check()
}

// handover replaces 1 and 2, which become observers on other ports, with 3, 4 and 5.
func handover(t *testing.T, seed uint64) *cluster {
	c := interrupted(t, seed, 2, 0,
		moved(clusterMember(1, zoocfg.Observer)), moved(clusterMember(2, zoocfg.Observer)),
		clusterMember(3, zoocfg.Participant), clusterMember(4, zoocfg.Participant), clusterMember(5, zoocfg.Participant))
	for id := int64(3); id <= 5; id++ {
		c.joiner(id)
	}
	return c
}

// A joiner that learns of a newer configuration restarts its election. The others, whose next
// configuration includes it, count its vote (testCurrentServersAreObserversInNextConfig).
func TestJoinersElect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := handover(t, 20)
		defer c.stop()
		c.start()
		c.completed("1 2 3+ 4+ 5+")
	})
}

// A joiner that has elected a leader of the old configuration, and found that it does not lead
// without the others, is not permanently ahead of them.
func TestJoinerTriesInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := handover(t, 21)
		defer c.stop()
		for id := int64(1); id <= 3; id++ {
			c.nodes[id].start()
		}
		c.await("the joiner follows in vain", func() bool { return c.nodes[3].peer.Status().State == Following })
		c.await("the joiner looks again", func() bool { return c.nodes[3].peer.Status().State == Looking })
		for id := int64(1); id <= 2; id++ {
			c.nodes[id].crash()
			c.nodes[id].start()
		}
		c.nodes[4].start()
		c.completed("1 2 3+ 4+ 5+")
	})
}

// A quorum of the next configuration needs a member that is an observer in the current one
// (testCurrentObserverIsParticipantInNewConfig).
func TestObserverIsParticipantNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := interrupted(t, 22, 2, 1, clusterMember(3, zoocfg.Participant), clusterMember(4, zoocfg.Participant))
		defer c.stop()
		c.joiner(4)
		c.start()
		c.completed("3+ 4+")
	})
}

// An observer learns of the configuration in force, in which it votes, only from a member of that
// one; the servers that it knew are gone (testObserverConvertedToParticipantDuringFLE).
func TestObserverConvertedDuringElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 23, 2, 1)
		defer c.stop()
		c.config = c.config.WithVersion(Zxid(1, 0))
		delete(c.nodes, 1)
		delete(c.nodes, 2)
		c.nodes[3].config = c.config
		c.add(4).config = zoocfg.NewMajority(Zxid(2, 0), clusterMember(3, zoocfg.Participant), clusterMember(4, zoocfg.Participant))
		c.start()
		c.completed("3+ 4+")
	})
}

// All members of the old configuration have the next one; half of the joiners suffice
// (testNextConfigCompletion).
func TestNextConfigCompletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := interrupted(t, 24, 3, 0, clusterMember(2, zoocfg.Participant), clusterMember(3, zoocfg.Participant), clusterMember(4, zoocfg.Participant))
		defer c.stop()
		c.joiner(4)
		c.nodes[1].start()
		c.nodes[2].start()
		c.nodes[4].start()
		c.completed("2+ 3+ 4+")
	})
}

// Without a quorum of the next configuration, nothing is completed or decided
// (testNextConfigUnreachable).
func TestNextConfigUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := interrupted(t, 25, 2, 0, clusterMember(3, zoocfg.Participant), clusterMember(4, zoocfg.Participant))
		defer c.stop()
		c.start()
		time.Sleep(30 * time.Second)
		c.each(func(n *node) {
			if n.replica.serving() || n.memberIDs() != "1+ 2+" {
				t.Errorf("server %d serves in the configuration %s", n.id, n.memberIDs())
			}
		})
		c.joiner(3).start()
		c.joiner(4).start()
		c.completed("3+ 4+")
	})
}

// The next configuration is in force on its members; a member that has missed that learns of it
// (testNextConfigAlreadyActive).
func TestNextConfigAlreadyActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := interrupted(t, 26, 3, 0, clusterMember(2, zoocfg.Participant), clusterMember(3, zoocfg.Participant), clusterMember(4, zoocfg.Participant))
		defer c.stop()
		for id := int64(2); id <= 3; id++ {
			n := c.nodes[id]
			n.config, n.next = n.next, nil
		}
		c.joiner(4)
		c.nodes[1].start()
		c.nodes[4].start()
		c.nodes[3].start()
		c.completed("2+ 3+ 4+")
		c.nodes[2].start()
		c.completed("2+ 3+ 4+")
	})
}
