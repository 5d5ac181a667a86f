package zab

import (
	"sync"

	"github.com/zkctl/zkctl/internal/proto"
)

// Broadcast is the third phase of ZAB on the leader: proposals wait, in the order of their
// zxids, until a quorum has them on disk, and are then applied.
//
// An acknowledgement stands for everything before it too: journals and connections keep the
// order.
type Broadcast struct {
	replica Replica
	journal *Journal
	self    int64
	quorum  func(acked map[int64]int64, zxid int64) bool

	mu          sync.Mutex
	outstanding []*Proposal
	acked       map[int64]int64 // by member: the last zxid that it has on disk
	committed   int64
}

// NewSolo is the broadcast of a standalone server: a quorum of one. Its journal's Synced must
// call Ack with the same self.
func NewSolo(replica Replica, journal *Journal, self int64) *Broadcast {
	return &Broadcast{replica: replica, journal: journal, self: self, acked: map[int64]int64{},
		quorum: func(acked map[int64]int64, zxid int64) bool { return acked[self] >= zxid }}
}

// Propose implements Leader.
func (b *Broadcast) Propose(p *Proposal) {
	b.mu.Lock()
	b.outstanding = append(b.outstanding, p)
	b.mu.Unlock()
	b.journal.Append(p)
}

// Ack tells that a member has everything up to zxid on disk.
func (b *Broadcast) Ack(member, zxid int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if zxid <= b.acked[member] {
		return
	}
	b.acked[member] = zxid
	n := 0
	for n < len(b.outstanding) && b.quorum(b.acked, b.outstanding[n].Zxid()) {
		b.committed = b.outstanding[n].Zxid()
		b.replica.Apply(b.outstanding[n])
		n++
	}
	clear(b.outstanding[:n])
	if b.outstanding = b.outstanding[n:]; len(b.outstanding) == 0 {
		b.outstanding = nil
	}
}

// SyncAfter implements Leader; a standalone server has no learners.
func (b *Broadcast) SyncAfter(Origin) {}

// Reconfig implements Leader; a standalone server has no configuration to change.
func (b *Broadcast) Reconfig(*proto.ReconfigRequest, int64) ([]byte, error) {
	return nil, proto.ErrUnimplemented
}
