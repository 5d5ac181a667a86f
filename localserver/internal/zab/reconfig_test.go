package zab

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// reconfigure changes the ensemble through its leader, and waits for the answer.
func (c *cluster) reconfigure(joining, leaving string) {
	c.t.Helper()
	err := errors.New("no leader")
	if !await.Within(20*time.Second, func() bool {
		leader := c.leader()
		if leader == nil {
			return false
		}
		var done <-chan bool
		done, err = leader.replica.reconfigure(&proto.ReconfigRequest{JoiningServers: joining, LeavingServers: leaving, CurConfigID: -1})
		if err == nil && !<-done {
			err = errors.New("no answer")
		}
		return err == nil
	}) {
		c.t.Fatalf("reconfigure (join %q, leave %q): %v", joining, leaving, err)
	}
}

func line(id int64, role zoocfg.Role) string {
	return fmt.Sprintf("server.%d=%s", id, clusterMember(id, role))
}

// join starts a server that knows the ensemble and itself, and follows without a vote yet.
func (c *cluster) join(id int64, role zoocfg.Role) *node {
	c.t.Helper()
	n := c.add(id)
	n.config = zoocfg.NewMajority(0, append(c.config.Members(), clusterMember(id, role))...)
	n.start()
	c.await("it follows without a vote", n.replica.serving)
	return n
}

// memberIDs returns the members in a server's configuration, with a + for each participant.
func (n *node) memberIDs() (text string) {
	for _, m := range n.peer.Status().Config.Members() {
		text += fmt.Sprintf("%d%s ", m.ID, map[zoocfg.Role]string{zoocfg.Participant: "+"}[m.Role])
	}
	return strings.TrimSpace(text)
}

func (c *cluster) awaitConfig(want string) {
	c.t.Helper()
	c.await("all have the configuration "+want, func() bool {
		for _, n := range c.nodes {
			if n.peer != nil && n.memberIDs() != want {
				return false
			}
		}
		return true
	})
	leader := c.awaitAll()
	c.await("all say the same", func() bool {
		for _, n := range c.nodes {
			if n.peer != nil && string(n.replica.config) != string(leader.replica.config) {
				return false
			}
		}
		return true
	})
}

// A configuration gets its first version when the first leader starts.
func TestFirstConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 3, 1)
		defer c.stop()
		c.start()
		c.awaitAll()
		c.awaitConfig("1+ 2+ 3+ 4")
		for id, n := range c.nodes {
			if v := n.peer.Status().Config.Version(); v != Zxid(1, 0) || n.config.Version() != v {
				t.Errorf("server %d has version %x, saved %x", id, v, n.config.Version())
			}
		}
	})
}

// Servers, including the leader, join, leave, and change roles while clients write.
func TestReconfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 3, 0)
		defer c.stop()
		c.start()
		c.awaitAll()
		c.join(4, zoocfg.Observer)
		c.reconfigure(line(4, zoocfg.Participant), "")
		c.awaitConfig("1+ 2+ 3+ 4+")
		c.join(5, zoocfg.Observer)
		c.reconfigure(line(5, zoocfg.Observer), "")
		c.awaitConfig("1+ 2+ 3+ 4+ 5")
		c.write(c.nodes[5], "through an observer")

		// An observer gets a vote, and a participant loses its own.
		c.reconfigure(line(5, zoocfg.Participant)+","+line(1, zoocfg.Observer), "")
		c.awaitConfig("1 2+ 3+ 4+ 5+")
		if !c.nodes[1].peer.Status().Observer || c.nodes[5].peer.Status().Observer {
			t.Error("roles have not changed")
		}

		// The leader leaves: another takes over without an election.
		old := c.awaitAll()
		began := time.Now()
		c.reconfigure("", fmt.Sprint(old.id))
		c.await("another leads", func() bool { l := c.leader(); return l != nil && l != old })
		t.Logf("another leads after %v", time.Since(began))
		old.stop()
		delete(c.nodes, old.id)
		c.write(c.awaitAll(), "without the old one")

		// The leader becomes an observer.
		old = c.awaitAll()
		c.reconfigure(line(old.id, zoocfg.Observer), "")
		c.await("another leads", func() bool { l := c.leader(); return l != nil && l != old })
		c.awaitAll()
		c.write(old, "through one that led")

		// All know it after a restart.
		want := old.memberIDs()
		c.each((*node).crash)
		c.start()
		c.awaitConfig(want)
		c.check()
	})
}

func TestReconfigRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 3, 0)
		defer c.stop()
		c.tweak = func(o *PeerOptions) { o.Reconfig.StandaloneEnabled = true }
		c.start()
		leader := c.awaitAll()
		try := func(want proto.Error, r proto.ReconfigRequest) {
			t.Helper()
			if _, err := leader.replica.reconfigure(&r); !errors.Is(err, want) {
				t.Errorf("%+v: %v, not %v", r, err, want)
			}
		}
		try(proto.ErrBadVersion, proto.ReconfigRequest{CurConfigID: 5})
		try(proto.ErrBadArguments, proto.ReconfigRequest{JoiningServers: "server.9=nonsense", CurConfigID: -1})
		try(proto.ErrBadArguments, proto.ReconfigRequest{LeavingServers: "1,2", CurConfigID: -1})
		try(proto.ErrNewConfigNoQuorum, proto.ReconfigRequest{CurConfigID: -1,
			JoiningServers: strings.Join([]string{line(7, zoocfg.Participant), line(8, zoocfg.Participant), line(9, zoocfg.Participant)}, ",")})
		for id := range c.nodes {
			if id != leader.id {
				c.net.Cut(host(leader.id), host(id))
			}
		}
		if _, err := leader.replica.reconfigure(&proto.ReconfigRequest{LeavingServers: "1", CurConfigID: -1}); err != nil {
			t.Error(err)
		}
		try(proto.ErrReconfigInProgress, proto.ReconfigRequest{LeavingServers: "2", CurConfigID: -1})
		c.net.HealAll()
		c.awaitAll()
	})
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4, 3, 0)
		defer c.stop()
		c.tweak = func(o *PeerOptions) { o.ReconfigEnabled = false }
		c.start()
		leader := c.awaitAll()
		if _, err := leader.replica.reconfigure(&proto.ReconfigRequest{LeavingServers: "1", CurConfigID: -1}); !errors.Is(err, proto.ErrReconfigDisabled) {
			t.Error(err)
		}
		if v := leader.peer.Status().Config.Version(); v != 0 {
			t.Errorf("the configuration has version %x", v)
		}
	})
}

// With groups, a majority of the votes in a majority of the groups is a quorum.
func TestHierarchicalQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5, 5, 0)
		defer c.stop()
		text := "group.1=1\ngroup.2=2:3:4:5\nweight.1=1\nweight.2=1\nweight.3=1\nweight.4=0\nweight.5=0\n" + c.config.String()
		q, err := zoocfg.ParseVerifier([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		c.each(func(n *node) { n.config = q })
		c.start()
		leader := c.awaitAll()
		if leader.id != 3 {
			t.Errorf("server %d leads, without weight", leader.id)
		}
		c.nodes[4].crash()
		c.nodes[5].crash()
		c.write(leader, "they have no weight")
		c.nodes[1].crash()
		c.await("no quorum without the first group", func() bool { return !leader.replica.serving() })
		c.nodes[1].start()
		c.write(c.awaitAll(), "with it")
		c.awaitAll()
		c.check()
	})
}

// A follower, and then the leader, moves to other ports, and is found there.
func TestMemberMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 6, 3, 0)
		defer c.stop()
		c.start()
		leader := c.awaitAll().id
		for _, id := range []int64{leader%3 + 1, leader} {
			m := clusterMember(id, zoocfg.Participant)
			m.Addrs[0].QuorumPort, m.Addrs[0].ElectionPort = 2999, 3999
			c.reconfigure(fmt.Sprintf("server.%d=%s", id, m), "")
			c.awaitConfig("1+ 2+ 3+")
			for port, open := range map[int]bool{3888: false, 3999: true} {
				conn, err := c.net.Host("somebody").Dial(t.Context(), fmt.Sprintf("%s:%d", host(id), port))
				if (err == nil) != open {
					t.Errorf("port %d of server %d, which has moved: %v", port, id, err)
				}
				if err == nil {
					conn.Close()
				}
			}
		}
		// All members drop their earlier connections.
		c.each((*node).stop)
		c.start()
		c.awaitAll()
		c.write(c.nodes[1], "after the move")
		c.awaitAll()
		c.check()
	})
}

// newLeaderConfig returns the configuration in a leader's NEWLEADER.
func (c *cluster) newLeaderConfig(leader *node) zoocfg.QuorumVerifier {
	c.t.Helper()
	conn, err := c.net.Host("stranger").Dial(c.t.Context(), host(leader.id)+":2888")
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	hello := aLearner(9, leader.peer.Status().CurrentEpoch)
	for _, frame := range [][]byte{hello[0], frame(proto.PacketAckEpoch, leader.peer.Status().Committed, []byte{0, 0, 0, 0})} {
		if _, err := conn.Write(frame); err != nil {
			c.t.Fatal(err)
		}
	}
	in := newPacketReader(conn, 1<<20)
	for {
		qp, err := in.read()
		if err != nil {
			c.t.Fatal(err)
		}
		if qp.Type != proto.PacketNewLeader {
			continue
		}
		q, err := zoocfg.ParseVerifier(qp.Data)
		if err != nil {
			c.t.Fatal(err)
		}
		return q
	}
}

// A proposed configuration is not in force. A member that joins meanwhile must not treat it so: its
// members could form a second quorum beside the old one's.
func TestJoinDuringReconfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 6, 3, 0)
		defer c.stop()
		c.start()
		leader := c.awaitAll()
		for id := range int64(2) {
			c.join(4+id, zoocfg.Participant)
		}
		for id := range int64(2) {
			c.net.Cut(host(leader.id), host(1+id))
		}
		began := time.Now()
		joining := line(4, zoocfg.Participant) + "," + line(5, zoocfg.Participant)
		if _, err := leader.replica.reconfigure(&proto.ReconfigRequest{JoiningServers: joining, LeavingServers: "1,2", CurConfigID: -1}); err != nil {
			t.Fatal(err)
		}
		if got := c.newLeaderConfig(leader); got.Version() != leader.config.Version() {
			t.Errorf("the leader tells learners that this is in force:\n%s", got)
		}
		rejoined := func(n *node) bool {
			for _, l := range leader.peer.Status().Learners {
				if l.ID == n.id && l.Synced && l.Since.After(began) {
					return true
				}
			}
			return false
		}
		c.nodes[4].peer.Designate(leader.id)
		c.nodes[5].peer.Designate(leader.id)
		c.await("they have come again", func() bool { return rejoined(c.nodes[4]) && rejoined(c.nodes[5]) })
		c.await("another leads", func() bool { l := c.leader(); return l != nil && l != leader && !leader.replica.leads() })
		for id := range int64(2) {
			if got := c.nodes[4+id].config; got.Version() != c.nodes[1].config.Version() {
				t.Errorf("server %d has taken on what was only proposed:\n%s", 4+id, got)
			}
		}
		c.net.HealAll()
		c.awaitAll()
		c.check()
	})
}

// Not even if Apache's leader sends it as if it were.
func TestProposedConfigIsNotActivated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 7, 3, 0)
		defer c.stop()
		n := c.nodes[1]
		n.load()
		n.run()
		next := zoocfg.NewMajority(Zxid(1, 2), c.config.Members()[:2]...)
		proposed := &Proposal{Txn: proto.TxnEntry{Header: proto.TxnHeader{Zxid: Zxid(1, 2)}}, Config: next.Bytes()}
		for _, pending := range [][]*Proposal{{proposed}, nil} {
			l := &learner{p: n.peer, queue: newSendQueue(nil, 1<<20), acked: true, config: next, pending: pending}
			if err := l.upToDate(); err != nil {
				t.Fatal(err)
			}
			if in := n.peer.Status().Config.Version() == next.Version(); in == (len(pending) > 0) {
				t.Errorf("with %d proposals pending it is in force: %t", len(pending), in)
			}
		}
	})
}

// A member that follows without a vote finds the leader again after its connections break.
func TestStrangerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 8, 3, 0)
		defer c.stop()
		c.start()
		leader := c.awaitAll()
		n := c.join(4, zoocfg.Participant)
		c.net.Reset(host(leader.id), host(4))
		c.await("it notices", func() bool { return !n.replica.serving() })
		c.await("it follows again", n.replica.serving)
	})
}
