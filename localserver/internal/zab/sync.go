package zab

import (
	"fmt"

	"github.com/zkctl/zkctl/internal/proto"
)

// syncKind is how a learner is brought up to date.
type syncKind int

const (
	syncSnap syncKind = iota // send a snapshot
	syncPast                 // send the missing transactions from memory
	syncDisk                 // read the log
)

// syncPlan is what synchronises a learner: first op, then the proposals, each with its commit.
type syncPlan struct {
	kind syncKind
	op   proto.PacketType // PacketDiff or PacketTrunc
	zxid int64            // op's
	list []*Proposal
}

// planSync chooses how to bring a learner whose last transaction is peer to the leader's state
// (LearnerHandler.syncFollower). past are the last committed proposals, processed is the zxid of
// the leader's tree.
//
// A zxid with counter 0 means that the member has only started an epoch. It is in no history, but
// everything before it was committed, or the epoch would not have started.
func planSync(past []*Proposal, processed, peer int64) syncPlan {
	first, last := processed, processed
	if n := len(past); n > 0 {
		first, last = past[0].Zxid(), past[n-1].Zxid()
	}
	switch {
	case peer == processed:
		return syncPlan{kind: syncPast, op: proto.PacketDiff, zxid: peer}
	case peer > last && Counter(peer) == 0:
		return syncPlan{kind: syncPast, op: proto.PacketDiff, zxid: last}
	case peer > last:
		return syncPlan{kind: syncPast, op: proto.PacketTrunc, zxid: last}
	case peer < first:
		return syncPlan{kind: syncDisk}
	}
	w := syncWalk{peer: peer, last: last}
	for _, p := range past {
		if !w.step(p) {
			return syncPlan{kind: syncSnap}
		}
	}
	return syncPlan{kind: syncPast, op: w.op, zxid: w.zxid, list: w.list}
}

// syncWalk walks through a history and finds what follows the learner's last transaction
// (LearnerHandler.queueCommittedProposals).
type syncWalk struct {
	peer, last int64
	op         proto.PacketType // 0 until known
	zxid       int64
	list       []*Proposal // to send
	before     int64       // the last one that is not after peer
}

// step takes the next proposal; it returns false if neither DIFF nor TRUNC is possible.
func (w *syncWalk) step(p *Proposal) bool {
	zxid := p.Zxid()
	if zxid < w.peer {
		w.before = zxid
		return true
	}
	if w.op == 0 {
		switch {
		case zxid == w.peer, Counter(w.peer) == 0:
			w.op, w.zxid = proto.PacketDiff, w.last
		case Epoch(zxid) != Epoch(w.peer) || w.before == 0:
			return false // a learner cannot truncate across epochs
		default:
			w.op, w.zxid = proto.PacketTrunc, w.before
		}
	}
	if zxid > w.peer {
		w.list = append(w.list, p)
	}
	return true
}

// done ends the walk and reports whether it succeeded: a history that ends before peer is of no
// use.
func (w *syncWalk) done() bool { return w.op != 0 }

// committed returns the frames that send committed proposals.
func committed(list []*Proposal) (frames [][]byte) {
	for _, p := range list {
		frames = append(frames, frame(proto.PacketProposal, p.Zxid(), p.Raw), frame(proto.PacketCommit, p.Zxid()))
	}
	return frames
}

// sync brings the learner up to date and adds it to the broadcast. It returns when everything that
// must precede NEWLEADER has been sent or queued.
func (c *learnerConn) sync(peer int64) error {
	l, b := c.l, c.l.b
	b.mu.Lock()
	past := b.past.all()
	processed := b.committed
	l.p.opt.Log.Infof("Synchronizing with Learner sid: %d maxCommittedLog=0x%x minCommittedLog=0x%x lastProcessedZxid=0x%x peerLastZxid=0x%x",
		c.id, uint64(lastOf(past)), uint64(firstOf(past)), uint64(processed), uint64(peer))
	plan := planSync(past, processed, peer)
	if l.p.opt.ForceSnapshotSync {
		plan = syncPlan{kind: syncSnap}
	}
	if plan.kind == syncPast {
		name := "DIFF"
		if plan.op == proto.PacketTrunc {
			name = "TRUNC"
		}
		l.p.opt.Log.Infof("Sending %s zxid=0x%x for peer sid: %d", name, uint64(plan.zxid), c.id)
		c.setMode(name)
		c.queue.put(frame(plan.op, plan.zxid))
		c.queue.put(committed(plan.list)...)
		b.forward(c)
		b.mu.Unlock()
		return nil
	}
	last := b.committedLast(past, processed)
	b.mu.Unlock()
	if plan.kind == syncDisk && !l.p.opt.ForceSnapshotSync {
		done, err := c.syncFromLog(peer, last)
		if done || err != nil {
			return err
		}
	}
	return c.syncSnapshot(peer)
}

// committedLast returns the zxid up to which the log on disk is known to be committed.
func (b *Broadcast) committedLast(past []*Proposal, processed int64) int64 {
	if n := len(past); n > 0 {
		return past[n-1].Zxid()
	}
	return processed
}

func firstOf(past []*Proposal) int64 {
	if len(past) == 0 {
		return 0
	}
	return past[0].Zxid()
}

func lastOf(past []*Proposal) int64 {
	if len(past) == 0 {
		return 0
	}
	return past[len(past)-1].Zxid()
}

// syncFromLog sends the learner's missing transactions from the log on disk, and those committed
// meanwhile from memory. It returns false, and sends nothing, if the log is of no use.
func (c *learnerConn) syncFromLog(peer, last int64) (bool, error) {
	l := c.l
	limit := l.p.disk.diffLimit(l.p.opt.SnapshotSizeFactor)
	if limit < 0 || l.p.opt.SnapshotSizeFactor < 0 || l.badLog.Load() {
		return false, nil
	}
	w := syncWalk{peer: peer, last: last}
	begun, sentTo, before := false, peer, int64(0)
	var broken error // the connection's error
	write := func(f []byte) error {
		_, broken = c.out.Write(f)
		return broken
	}
	send := func(list []*Proposal) error {
		for _, f := range committed(list) {
			if err := write(f); err != nil {
				return err
			}
		}
		if n := len(list); n > 0 {
			sentTo = list[n-1].Zxid()
		}
		return nil
	}
	helps, met := true, false
	err := l.p.disk.since(peer, limit, func(p *Proposal) (bool, error) {
		if p.Zxid() > last {
			return false, nil
		}
		if !met && p.Zxid() > peer {
			helps = false // the log does not go back that far
			return false, nil
		}
		if met && !follows(before, p.Zxid()) {
			return false, fmt.Errorf("the log on disk has no transactions between %#x and %#x", uint64(before), uint64(p.Zxid()))
		}
		met, before = true, p.Zxid()
		if helps = w.step(p); !helps {
			return false, nil
		}
		if w.done() && !begun {
			begun = true
			name := "DIFF"
			if w.op == proto.PacketTrunc {
				name = "TRUNC"
			}
			l.p.opt.Log.Infof("Use txnlog and committedLog for peer sid: %d", c.id)
			l.p.opt.Log.Infof("Sending %s zxid=0x%x for peer sid: %d", name, uint64(w.zxid), c.id)
			c.setMode(name)
			if err := write(frame(w.op, w.zxid)); err != nil {
				return false, err
			}
		}
		list := w.list
		w.list = nil
		return true, send(list)
	})
	if err != nil && begun {
		if broken == nil {
			l.badLog.Store(true) // the learner will reconnect
		}
		return false, fmt.Errorf("read the log to bring learner %d up to date: %w", c.id, err)
	}
	if err != nil {
		l.p.opt.Log.Infof("Unable to find proposals from txnlog for zxid: 0x%x: %v", uint64(peer), err)
	}
	if err != nil || !helps || !begun {
		return false, nil
	}
	b := l.b
	b.mu.Lock()
	defer b.mu.Unlock()
	var rest []*Proposal
	for _, p := range b.past.all() {
		if p.Zxid() > sentTo {
			rest = append(rest, p)
		}
	}
	if len(rest) > 0 && !follows(sentTo, rest[0].Zxid()) {
		l.badLog.Store(true)
		return false, fmt.Errorf("bring learner %d up to date: detected gap between end of txnlog: 0x%x and start of committedLog: 0x%x",
			c.id, uint64(sentTo), uint64(rest[0].Zxid()))
	}
	c.queue.put(committed(rest)...)
	b.forward(c)
	return true, nil
}

// follows reports whether zxid can come right after last.
func follows(last, zxid int64) bool {
	return zxid == last+1 || Epoch(zxid) > Epoch(last) && Counter(zxid) == 1
}

// syncSnapshot sends a snapshot.
func (c *learnerConn) syncSnapshot(peer int64) error {
	l, b := c.l, c.l.b
	var snapshot Snapshot
	var zxid int64
	for attempt := 0; ; attempt++ {
		b.replica.Applied()
		var err error
		if snapshot, err = b.replica.Snapshot(); err != nil {
			return fmt.Errorf("send a snapshot to learner %d: %w", c.id, err)
		}
		zxid = snapshot.Zxid()
		b.mu.Lock()
		past := b.past.all()
		var rest []*Proposal
		for _, p := range past {
			if p.Zxid() > zxid {
				rest = append(rest, p)
			}
		}
		if last := lastOf(past); last <= zxid || len(rest) > 0 && (len(rest) < len(past) || follows(zxid, rest[0].Zxid())) {
			c.queue.put(committed(rest)...)
			b.forward(c)
			b.mu.Unlock()
			break
		}
		b.mu.Unlock()
		snapshot.Abandon()
		if attempt == 100 {
			return fmt.Errorf("send a snapshot to learner %d: its zxid %#x is too far behind what is committed", c.id, uint64(zxid))
		}
	}
	c.setMode("SNAP")
	if _, err := c.out.Write(frame(proto.PacketSnap, zxid)); err != nil {
		snapshot.Abandon()
		return err
	}
	l.p.opt.Log.Infof("Sending snapshot last zxid of peer is 0x%x, zxid of leader is 0x%x, send zxid of db as 0x%x",
		uint64(peer), uint64(l.b.lastProposed()), uint64(zxid))
	if err := snapshot.Send(c.out); err != nil {
		return fmt.Errorf("send a snapshot to learner %d: %w", c.id, err)
	}
	_, err := c.out.Write(snapshotSignature)
	return err
}

// snapshotSignature follows a snapshot in the stream: the string BenWasHere.
var snapshotSignature = append([]byte{0, 0, 0, 10}, "BenWasHere"...)

func (b *Broadcast) lastProposed() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.proposed
}
