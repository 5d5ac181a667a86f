package zab

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Apache's learners may acknowledge a proposal before NEWLEADER: the connection stays, and UPTODATE
// is sent.
func TestProposalAcknowledgedBeforeNewLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 3, 0)
		defer c.stop()
		c.start()
		leader := c.awaitAll()
		epoch := leader.peer.Status().CurrentEpoch
		c.write(leader, "something to acknowledge")
		last := leader.peer.Status().Proposed

		conn, err := c.net.Host("stranger").Dial(context.Background(), host(leader.id)+":2888")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		good := aLearner(9, epoch)
		for _, frame := range [][]byte{good[0], frame(proto.PacketAckEpoch, last, []byte{0, 0, 0, byte(epoch)}), frame(proto.PacketAck, last), good[2]} {
			if _, err := conn.Write(frame); err != nil {
				t.Fatal(err)
			}
		}
		in := newPacketReader(conn, 0)
		for {
			qp, err := in.read()
			if err != nil {
				t.Fatalf("the leader hung up before UPTODATE: %v", err)
			}
			if qp.Type == proto.PacketSnap {
				t.Fatal("the learner was to get what is in memory")
			}
			if qp.Type == proto.PacketUpToDate {
				return
			}
		}
	})
}

// They may even do so before there is a quorum: the proposal is then of an earlier epoch.
func TestProposalAcknowledgedBeforeAQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 3, 0)
		defer c.stop()
		c.start()
		c.write(c.awaitAll(), "both have this")
		c.awaitAll()
		c.nodes[2].crash()
		c.write(c.leader(), "server 2 lacks this")
		last := c.leader().replica.lastTxn()
		c.nodes[1].crash()
		c.nodes[3].crash()
		c.nodes[2].disk.delay = func() time.Duration { return 500 * time.Millisecond } // of its ACK
		c.nodes[3].start()
		c.nodes[2].start()
		leader := c.nodes[3]
		c.await("the leader synchronises", func() bool {
			s := leader.peer.Status()
			return s.State == Leading && s.Zab == Synchronization
		})

		conn, err := c.net.Host(host(1)).Dial(context.Background(), host(leader.id)+":2888")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(400 * time.Millisecond))
		info := proto.LearnerInfo{ServerID: 1, ProtocolVersion: protocolVersion}
		for _, frame := range [][]byte{frame(proto.PacketFollowerInfo, Zxid(1, 0), jute.Marshal(&info)),
			frame(proto.PacketAckEpoch, last, []byte{0, 0, 0, 1}), frame(proto.PacketAck, last), frame(proto.PacketAck, Zxid(2, 0))} {
			if _, err := conn.Write(frame); err != nil {
				t.Fatal(err)
			}
		}
		in := newPacketReader(conn, 0)
		for {
			qp, err := in.read()
			if err != nil {
				t.Fatalf("the leader hung up before UPTODATE: %v", err)
			}
			if qp.Type == proto.PacketUpToDate {
				return
			}
		}
	})
}
