package zab

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// aLearner returns the frames that a learner sends to the leader.
func aLearner(id, epoch int64) [][]byte {
	info := proto.LearnerInfo{ServerID: id, ProtocolVersion: protocolVersion}
	return [][]byte{
		frame(proto.PacketFollowerInfo, Zxid(epoch-1, 0), jute.Marshal(&info)),
		frame(proto.PacketAckEpoch, 0, []byte{0, 0, 0, 0}),
		frame(proto.PacketAck, Zxid(epoch, 0)),
		frame(proto.PacketPing, 0, []byte("12345678abcd")),
		requestFrame(&Request{Session: 1, Cxid: 1, Type: proto.OpSetData, Body: []byte("a stranger's")}),
	}
}

// Whatever arrives on the quorum port, the leader drops the connection and continues.
func TestHostileLearner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 3, 0)
		defer c.stop()
		c.start()
		leader := c.awaitAll()
		epoch := leader.peer.Status().CurrentEpoch
		r := rand.New(rand.NewPCG(1, 1))
		attempt := func(name string, bytes []byte) {
			conn, err := c.net.Host("stranger").Dial(context.Background(), host(leader.id)+":2888")
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = conn.Write(bytes)
			buf := make([]byte, 4096)
			for {
				if _, err := conn.Read(buf); err != nil {
					if e, ok := err.(net.Error); ok && e.Timeout() {
						t.Errorf("%s: the leader keeps the connection", name)
					}
					return
				}
			}
		}
		good := aLearner(9, epoch)
		for n := range good {
			prefix := bytes.Join(good[:n], nil)
			with := func(more ...byte) []byte { return append(bytes.Clone(prefix), more...) }
			attempt(fmt.Sprintf("silence after %d packets", n), prefix)
			attempt(fmt.Sprintf("half a packet after %d", n), with(good[n][:len(good[n])/2]...))
			attempt(fmt.Sprintf("a huge length after %d", n), with(append(binary.BigEndian.AppendUint64([]byte{0, 0, 0, 3}, 1), 0x7f, 0xff, 0xff, 0xff)...))
			attempt(fmt.Sprintf("a negative length after %d", n), with(append(binary.BigEndian.AppendUint64([]byte{0, 0, 0, 3}, 1), 0x80, 0, 0, 0)...))
			attempt(fmt.Sprintf("another packet after %d", n), with(frame(proto.PacketSnap, 1)...))
			attempt(fmt.Sprintf("an unknown packet after %d", n), with(frame(77, 1)...))
			attempt(fmt.Sprintf("the first packet again after %d", n), with(append(bytes.Clone(good[0]), good[0]...)...))
			noise := make([]byte, 500)
			for i := range noise {
				noise[i] = byte(r.Uint32())
			}
			attempt(fmt.Sprintf("noise after %d", n), with(noise...))
		}
		all := bytes.Join(good, nil)
		attempt("an ACK of what was never proposed", append(bytes.Clone(all), frame(proto.PacketAck, Zxid(epoch, 99999))...))
		attempt("half a REVALIDATE", append(bytes.Clone(all), frame(proto.PacketRevalidate, 1, []byte("1234"))...))
		attempt("half a session in a PING", append(bytes.Clone(all), frame(proto.PacketPing, 1, []byte("1234"))...))
		attempt("a REQUEST without a head", append(bytes.Clone(all), frame(proto.PacketRequest, 1, []byte("1234"))...))
		attempt("an epoch beyond all", frame(proto.PacketFollowerInfo, -1, jute.Marshal(&proto.LearnerInfo{ServerID: 9, ProtocolVersion: protocolVersion})))
		attempt("the leader's own id", frame(proto.PacketFollowerInfo, 0, jute.Marshal(&proto.LearnerInfo{ServerID: leader.id, ProtocolVersion: protocolVersion})))
		attempt("an old version", frame(proto.PacketFollowerInfo, 0, jute.Marshal(&proto.LearnerInfo{ServerID: 9, ProtocolVersion: 1})))
		attempt("a later configuration", frame(proto.PacketFollowerInfo, 0, jute.Marshal(&proto.LearnerInfo{ServerID: 9, ProtocolVersion: protocolVersion, ConfigVersion: 1 << 60})))

		if l := c.leader(); l != leader || leader.peer.Status().CurrentEpoch != epoch {
			t.Error("the leader has lost its place")
		}
		c.write(leader, "all is well")
		c.awaitAll()
		if n := len(leader.peer.Status().Learners); n != 2 {
			t.Errorf("%d learners are left", n)
		}
	})
}

// Whatever a leader sends, a follower drops the connection and rejoins the ensemble.
func TestHostileLeader(t *testing.T) {
	raw := proposal(Zxid(1, 1)).Raw
	begin := [][]byte{
		frame(proto.PacketLeaderInfo, Zxid(1, 0), []byte{0, 1, 0, 0}),
		frame(proto.PacketDiff, 0),
		frame(proto.PacketNewLeader, Zxid(1, 0)),
		frame(proto.PacketUpToDate, -1),
	}
	cases := map[string][][]byte{
		"nothing":                       {},
		"another first packet":          {frame(proto.PacketNewLeader, Zxid(1, 0))},
		"an epoch beyond all":           {frame(proto.PacketLeaderInfo, -1, []byte{0, 1, 0, 0})},
		"no way to synchronise":         {begin[0], frame(proto.PacketCommit, 5)},
		"a snapshot cut off":            {begin[0], frame(proto.PacketSnap, 5), aSnapshot(3)[:50]},
		"a snapshot without signature":  {begin[0], frame(proto.PacketSnap, 5), aSnapshot(3), []byte("\x00\x00\x00\x04Nope")},
		"a snapshot of nonsense":        {begin[0], frame(proto.PacketSnap, 5), bytes.Repeat([]byte{0x7f}, 100)},
		"TRUNC to what never was":       {begin[0], frame(proto.PacketTrunc, 77)},
		"UPTODATE before NEWLEADER":     {begin[0], begin[1], begin[3]},
		"NEWLEADER of another epoch":    {begin[0], begin[1], frame(proto.PacketNewLeader, Zxid(2, 0))},
		"NEWLEADER twice":               {begin[0], begin[1], begin[2], begin[2]},
		"NEWLEADER with nonsense":       {begin[0], begin[1], frame(proto.PacketNewLeader, Zxid(1, 0), []byte("server.x=y"))},
		"COMMIT without PROPOSAL":       {begin[0], begin[1], frame(proto.PacketCommit, Zxid(1, 1))},
		"COMMIT of another":             {begin[0], begin[1], frame(proto.PacketProposal, Zxid(1, 1), raw), frame(proto.PacketCommit, Zxid(1, 2))},
		"PROPOSAL of another":           {begin[0], begin[1], frame(proto.PacketProposal, Zxid(1, 2), raw)},
		"PROPOSAL twice":                {begin[0], begin[1], frame(proto.PacketProposal, Zxid(1, 1), raw), frame(proto.PacketProposal, Zxid(1, 1), raw)},
		"PROPOSAL with a gap":           {begin[0], begin[1], frame(proto.PacketProposal, Zxid(1, 5), proposal(Zxid(1, 5)).Raw)},
		"PROPOSAL of a later epoch":     {begin[0], begin[1], frame(proto.PacketProposal, Zxid(9, 1), proposal(Zxid(9, 1)).Raw)},
		"PROPOSAL of nonsense":          {begin[0], begin[1], frame(proto.PacketProposal, Zxid(1, 1), []byte("nonsense"))},
		"COMMITANDACTIVATE of no such":  {begin[0], begin[1], frame(proto.PacketProposal, Zxid(1, 1), raw), frame(proto.PacketCommitAndActivate, Zxid(1, 1), []byte("12345678"))},
		"INFORM to a follower":          {begin[0], begin[1], frame(proto.PacketInform, Zxid(1, 1), raw)},
		"serving, half a REVALIDATE":    {begin[0], begin[1], begin[2], begin[3], frame(proto.PacketRevalidate, 0, []byte("1"))},
		"serving, a learner's packet":   {begin[0], begin[1], begin[2], begin[3], frame(proto.PacketFollowerInfo, 0)},
		"serving, nothing":              {begin[0], begin[1], begin[2], begin[3]},
		"serving, COMMIT without any":   {begin[0], begin[1], begin[2], begin[3], frame(proto.PacketCommit, Zxid(1, 1))},
		"serving, half INFORMANDACTIVE": {begin[0], begin[1], begin[2], begin[3], frame(proto.PacketInformAndActivate, Zxid(1, 1), []byte("1"))},
	}
	for name, packets := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 2, 3, 0)
				defer c.stop()
				victim := c.nodes[1]
				l, err := c.net.Host(host(3)).Listen(host(3) + ":2888")
				if err != nil {
					t.Fatal(err)
				}
				dropped := make(chan bool, 1)
				go func() {
					conn, err := l.Accept()
					if err != nil {
						dropped <- false
						return
					}
					defer conn.Close()
					_, _ = conn.Write(bytes.Join(packets, nil))
					_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
					buf := make([]byte, 4096)
					for err == nil {
						_, err = conn.Read(buf)
					}
					e, ok := err.(net.Error)
					dropped <- !ok || !e.Timeout()
				}()
				victim.load()
				if err := victim.peer.follow(context.Background(), 3, false, 0); err == nil {
					t.Error("it follows such a leader")
				} else {
					t.Log(err)
				}
				if !<-dropped {
					t.Error("the follower keeps the connection")
				}
				_ = l.Close()
				victim.run()
				c.nodes[2].start()
				c.nodes[3].start()
				c.write(c.awaitAll(), "all is well")
				c.awaitAll()
				c.check()
			})
		})
	}
}
