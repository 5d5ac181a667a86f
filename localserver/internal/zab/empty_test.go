package zab

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/await"
)

// A member that knows that it has lost its data (db.autocreate=false) does not help to elect a
// leader that lacks what it had acknowledged, and receives all of it from one that has it.
func TestEmptyMemberHasNoVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 30, 3, 0)
		defer c.stop()
		c.start()
		c.write(c.awaitAll(), "of all")
		c.nodes[2].crash()
		c.write(c.awaitAll(), "of 1 and 3")
		c.awaitAll()
		c.nodes[1].crash()
		c.nodes[3].crash()
		lost := c.nodes[3]
		lost.disk, lost.empty = newMemDisk(), true
		c.nodes[2].start()
		lost.start()
		if await.Within(10*time.Second, func() bool { return c.leader() != nil }) {
			t.Fatal("one leads without what was acknowledged")
		}
		c.nodes[1].start()
		if leader := c.awaitAll(); leader.id != 1 {
			t.Errorf("server %d leads", leader.id)
		}
		if lost.replica.restored != 1 {
			t.Errorf("the empty server was restored %d times", lost.replica.restored)
		}
		c.write(lost, "of all again")
		c.awaitAll()
		c.check()
	})
}

// Members without any data elect nobody.
func TestEmptyMembersElectNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 31, 3, 0)
		defer c.stop()
		c.each(func(n *node) { n.empty = true })
		c.start()
		time.Sleep(20 * time.Second)
		if leader := c.leader(); leader != nil {
			t.Errorf("server %d leads", leader.id)
		}
		c.each(func(n *node) {
			if s := n.peer.Status().State; s != Looking {
				t.Errorf("server %d is %v", n.id, s)
			}
		})
	})
}
