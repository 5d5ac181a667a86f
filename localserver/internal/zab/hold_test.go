package zab

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// Commits between NEWLEADER and UPTODATE are sent after UPTODATE: Apache's follower fails on a
// COMMIT there (ZOOKEEPER-4394).
func TestCommitsWaitForUpToDate(t *testing.T) {
	b := &Broadcast{acked: map[int64]int64{}, learners: map[int64]*learnerConn{}}
	c := &learnerConn{id: 2, queue: newSendQueue(nil, 1<<20)}
	b.outstanding = []*outstanding{{Proposal: &Proposal{Txn: proto.TxnEntry{Header: proto.TxnHeader{Zxid: Zxid(1, 5)}}}}}
	b.forward(c)
	c.queue.put(frame(proto.PacketNewLeader, Zxid(1, 0)))
	c.commit([][]byte{frame(proto.PacketCommit, Zxid(1, 5))})
	b.release(c, frame(proto.PacketUpToDate, -1))
	c.commit([][]byte{frame(proto.PacketCommit, Zxid(1, 6))})
	var got []proto.PacketType
	for _, f := range c.queue.frames {
		got = append(got, proto.PacketType(binary.BigEndian.Uint32(f)))
	}
	want := []proto.PacketType{proto.PacketProposal, proto.PacketNewLeader, proto.PacketUpToDate, proto.PacketCommit, proto.PacketCommit}
	if !slices.Equal(got, want) {
		t.Errorf("the learner is sent %v, not %v", got, want)
	}
}
