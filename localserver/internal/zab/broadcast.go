package zab

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// Broadcast is the third phase of ZAB on the leader: proposals wait, in zxid order, until a quorum
// has them on disk, and are then applied by all members.
//
// An acknowledgement covers everything before it: journals and connections keep the order. One
// mutex orders all changes to the history. Of the replica's methods, only Apply, which does not
// block, is called with it held: the replica's goroutine may be in Propose.
type Broadcast struct {
	replica  State
	journal  *Journal
	self     int64
	past     *history
	ensemble ensemble // nil for a standalone server

	mu          sync.Mutex
	closed      bool // no more proposals or commits
	deposed     bool // a reconfiguration has made another member the leader: no more commits
	outstanding []*outstanding
	acked       map[int64]int64        // by member: the last zxid on its disk
	proposed    int64                  // last zxid, or the start of the epoch
	committed   int64                  // last zxid, or the start of the epoch
	learners    map[int64]*learnerConn // those that receive proposals and commits, by id
	proposals   int64                  // in this epoch
	activated   bool                   // the replica must be notified of a configuration
}

// ensemble is what the broadcast needs to know of the ensemble's configuration.
type ensemble interface {
	// quorums returns the configurations that each need a quorum now: the one in force, and the
	// proposed one.
	quorums() []zoocfg.QuorumVerifier

	// propose makes a configuration the proposed one.
	propose(config []byte) error

	// activate puts the proposed configuration into force, with its leader.
	activate(config []byte, leader, zxid int64)

	// config is the text of the configuration in force.
	config() []byte

	// reconfig computes the next configuration; synced reports whether enough members of it
	// are connected and up to date.
	reconfig(r *proto.ReconfigRequest, zxid int64, synced func(zoocfg.QuorumVerifier) bool) ([]byte, error)

	// designate chooses the leader for a configuration; acks are sets of members in order of
	// preference.
	designate(config []byte, acks []zoocfg.IDs) int64

	// over ends the leader's term.
	over(reason string)
}

// outstanding is a proposal that is not committed yet.
type outstanding struct {
	*Proposal
	quorums []zoocfg.QuorumVerifier
	syncs   []*learnerConn // to be notified once it is committed
}

// NewSolo returns the broadcast of a standalone server: a quorum of one. Its journal's Synced must
// call Ack with the same self.
func NewSolo(replica State, journal *Journal, self int64) *Broadcast {
	return newBroadcast(replica, journal, self, nil, &history{limit: historyCount})
}

func newBroadcast(replica State, journal *Journal, self int64, e ensemble, past *history) *Broadcast {
	return &Broadcast{replica: replica, journal: journal, self: self, ensemble: e, past: past,
		acked: map[int64]int64{}, learners: map[int64]*learnerConn{}}
}

// begin sets the zxid from which the history continues.
func (b *Broadcast) begin(zxid int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.proposed, b.committed = zxid, zxid
}

// end makes it ignore further proposals, and returns those not committed yet; the journal has all
// of them.
func (b *Broadcast) end() []*Proposal {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	var rest []*Proposal
	for _, o := range b.outstanding {
		rest = append(rest, o.Proposal)
	}
	b.outstanding = nil
	return rest
}

// lastCounter ends an epoch: the next zxid would be in the next one (ZOOKEEPER-1277).
const lastCounter = 0xffffffff

// Propose implements Leader.
func (b *Broadcast) Propose(p *Proposal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if b.ensemble != nil && Counter(p.Zxid()) == lastCounter {
		b.closed = true
		b.ensemble.over("zxid lower 32 bits have rolled over, forcing re-election, and therefore new epoch start")
		return
	}
	o := &outstanding{Proposal: p}
	if b.ensemble != nil {
		o.quorums = b.ensemble.quorums()
		if p.Config != nil {
			if err := b.ensemble.propose(p.Config); err != nil {
				b.closed = true
				b.ensemble.over(err.Error())
				return
			}
			o.quorums = b.ensemble.quorums()
		}
	}
	b.outstanding = append(b.outstanding, o)
	b.proposed = p.Zxid()
	b.proposals++
	b.journal.Append(p)
	var f []byte
	for _, c := range b.learners {
		if c.observer {
			continue
		}
		if f == nil {
			f = frame(proto.PacketProposal, p.Zxid(), p.Raw)
		}
		c.proposal(p.Zxid(), f)
	}
}

// Ack records that a member has everything up to zxid on disk.
func (b *Broadcast) Ack(member, zxid int64) {
	b.mu.Lock()
	b.ack(member, zxid)
	b.unlock()
}

// unlock releases the mutex after ack.
func (b *Broadcast) unlock() {
	activated := b.activated
	b.activated = false
	b.mu.Unlock()
	if activated {
		b.replica.Reconfigured(b.ensemble.config())
	}
}

func (b *Broadcast) ack(member, zxid int64) {
	if b.closed || zxid <= b.acked[member] {
		return
	}
	b.acked[member] = zxid
	for len(b.outstanding) > 0 && !b.deposed {
		head := b.outstanding[0].quorums
		upTo := b.agreed(head)
		n := 0
		for n < len(b.outstanding) && b.outstanding[n].Zxid() <= upTo && slices.Equal(b.outstanding[n].quorums, head) {
			if n++; b.outstanding[n-1].Config != nil {
				break // the rest may need another leader
			}
		}
		if n == 0 {
			return
		}
		b.commit(b.outstanding[:n])
		clear(b.outstanding[:n])
		if b.outstanding = b.outstanding[n:]; len(b.outstanding) == 0 {
			b.outstanding = nil
		}
	}
}

// agreed returns the last zxid that a quorum of each configuration has on disk.
func (b *Broadcast) agreed(quorums []zoocfg.QuorumVerifier) int64 {
	if len(quorums) == 0 {
		return b.acked[b.self]
	}
	least := int64(-1)
	for _, q := range quorums {
		best := int64(0)
		for _, zxid := range b.acked {
			if zxid > best && q.ContainsQuorum(b.haveAcked(zxid)) {
				best = zxid
			}
		}
		if least < 0 || best < least {
			least = best
		}
	}
	return least
}

func (b *Broadcast) haveAcked(zxid int64) zoocfg.IDs {
	ids := zoocfg.IDs{}
	for id, acked := range b.acked {
		if acked >= zxid {
			ids.Add(id)
		}
	}
	return ids
}

// commit makes the first outstanding proposals part of the history.
func (b *Broadcast) commit(list []*outstanding) {
	var commits, informs [][]byte
	followers, observers := b.audience()
	for _, o := range list {
		zxid := o.Zxid()
		b.committed = zxid
		b.past.add(o.Proposal)
		if o.Config != nil && b.ensemble != nil {
			leader := b.ensemble.designate(o.Config, b.votersFor(o))
			head := binary.BigEndian.AppendUint64(nil, uint64(leader))
			commits = append(commits, frame(proto.PacketCommitAndActivate, zxid, head))
			informs = append(informs, frame(proto.PacketInformAndActivate, zxid, head, o.Raw))
			b.deposed = leader != b.self
			b.ensemble.activate(o.Config, leader, zxid)
			b.activated = true
		} else {
			if followers {
				commits = append(commits, frame(proto.PacketCommit, zxid))
			}
			if observers {
				informs = append(informs, frame(proto.PacketInform, zxid, o.Raw))
			}
		}
		b.replica.Apply(o.Proposal)
	}
	for _, c := range b.learners {
		if c.observer {
			c.queue.put(informs...)
		} else {
			c.commit(commits)
		}
	}
	for _, o := range list {
		for _, c := range o.syncs {
			c.queue.put(frame(proto.PacketSync, 0))
		}
	}
}

// audience reports whether there are followers and observers to send commits to.
func (b *Broadcast) audience() (followers, observers bool) {
	for _, c := range b.learners {
		followers = followers || !c.observer
		observers = observers || c.observer
	}
	return followers, observers
}

// votersFor returns the members that have a reconfiguration, then those that also have the next
// proposal, and so on: the next leader should have as much as possible.
func (b *Broadcast) votersFor(o *outstanding) []zoocfg.IDs {
	sets := []zoocfg.IDs{b.haveAcked(o.Zxid())}
	for _, later := range b.outstanding {
		if later.Zxid() > o.Zxid() {
			sets = append(sets, b.haveAcked(later.Zxid()))
		}
	}
	return sets
}

// SyncAfter implements Leader.
func (b *Broadcast) SyncAfter(origin Origin) {
	c, ok := origin.(*learnerConn)
	if !ok || c == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.outstanding); n > 0 {
		b.outstanding[n-1].syncs = append(b.outstanding[n-1].syncs, c)
		return
	}
	c.queue.put(frame(proto.PacketSync, 0))
}

// Reconfig implements Leader; a standalone server has no configuration to change.
func (b *Broadcast) Reconfig(r *proto.ReconfigRequest, zxid int64) ([]byte, error) {
	if b.ensemble == nil {
		return nil, proto.ErrUnimplemented
	}
	return b.ensemble.reconfig(r, zxid, b.synced)
}

// synced reports whether a quorum of a configuration follows and is up to date.
func (b *Broadcast) synced(q zoocfg.QuorumVerifier) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := zoocfg.NewIDs(b.self)
	for id, c := range b.learners {
		if !c.observer && c.alive() {
			ids.Add(id)
		}
	}
	return q.ContainsQuorum(ids)
}

// forward sends c what is outstanding, and from now on everything that is proposed and committed.
// b.mu is held, and c has been sent everything committed. Acknowledgements on an earlier connection
// of the same member no longer count: the member may since have been told to truncate.
func (b *Broadcast) forward(c *learnerConn) {
	if old := b.learners[c.id]; old != nil && old != c {
		old.queue.close(errReplaced)
	}
	delete(b.acked, c.id)
	b.learners[c.id] = c
	if c.observer {
		return
	}
	c.holding = true
	for _, o := range b.outstanding {
		c.proposal(o.Zxid(), frame(proto.PacketProposal, o.Zxid(), o.Raw))
	}
}

// commit queues commits, or holds them until release: Apache's follower fails on a commit between
// NEWLEADER and UPTODATE whose proposal came before NEWLEADER (ZOOKEEPER-4394). b.mu is held.
func (c *learnerConn) commit(frames [][]byte) {
	if c.holding {
		c.held = append(c.held, frames...)
		return
	}
	c.queue.put(frames...)
}

// release queues UPTODATE and the commits held meanwhile.
func (b *Broadcast) release(c *learnerConn, upToDate []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.queue.put(upToDate)
	c.queue.put(c.held...)
	c.holding, c.held = false, nil
}

// forget ends forward.
func (b *Broadcast) forget(c *learnerConn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.learners[c.id] == c {
		delete(b.learners, c.id)
	}
	for _, o := range b.outstanding {
		o.syncs = slices.DeleteFunc(o.syncs, func(s *learnerConn) bool { return s == c })
	}
}

// ackFrom is Ack for a learner, as long as c is its connection; it returns false for a zxid that
// was never proposed.
func (b *Broadcast) ackFrom(c *learnerConn, zxid int64) bool {
	b.mu.Lock()
	defer b.unlock()
	if zxid > b.proposed {
		return false
	}
	if b.learners[c.id] == c && !c.observer {
		b.ack(c.id, zxid)
	}
	return true
}
