package zab

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
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
