package zab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// maxUnlogged is how many bytes of proposals may wait for the disk before reading stops.
const maxUnlogged = 16 << 20

// history handles a packet that extends the history, in any phase.
func (l *learner) history(qp *proto.QuorumPacket) error {
	switch qp.Type {
	case proto.PacketProposal:
		return l.proposal(qp)
	case proto.PacketInform:
		return l.inform(qp, qp.Data)
	case proto.PacketInformAndActivate:
		if len(qp.Data) < 8 {
			return fmt.Errorf("%w: %s: %d bytes", errPacket, packetName(qp), len(qp.Data))
		}
		return l.inform(qp, qp.Data[8:])
	}
	return l.commit(qp)
}

func (l *learner) proposal(qp *proto.QuorumPacket) error {
	if qp.Zxid <= l.skip {
		return nil // in the snapshot
	}
	if l.observer && l.acked {
		l.p.opt.Log.Warnf("Ignoring proposal")
		return nil
	}
	p, err := proposalOf(qp, qp.Data)
	if err != nil {
		return err
	}
	return l.log(p)
}

// log adds a proposal to the history.
func (l *learner) log(p *Proposal) error {
	zxid := p.Zxid()
	if !follows(l.last, zxid) || Epoch(zxid) > l.epoch {
		return fmt.Errorf("%w: Got zxid 0x%x expected 0x%x", errPacket, uint64(zxid), uint64(l.last+1))
	}
	if p.Config != nil {
		q, err := zoocfg.ParseVerifier(p.Config)
		if err != nil {
			return fmt.Errorf("%w: transaction %#x: %w", errPacket, uint64(zxid), err)
		}
		if err := l.p.views.propose(q); err != nil {
			return err
		}
	}
	l.last = zxid
	l.pending = append(l.pending, p)
	if !l.observer {
		l.mu.Lock()
		l.toAck = append(l.toAck, zxid)
		l.mu.Unlock()
	}
	j := l.p.log()
	j.Append(p)
	if j.queued() > maxUnlogged && !j.Flush() {
		return errors.New("the log could not be written")
	}
	return nil
}

// synced acknowledges everything up to zxid, which is on disk. The journal calls it.
func (l *learner) synced(zxid int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.acking {
		return
	}
	n := 0
	for n < len(l.toAck) && l.toAck[n] <= zxid {
		// Apache's leader expects one for each.
		l.queue.put(frame(proto.PacketAck, l.toAck[n]))
		n++
	}
	l.toAck = l.toAck[n:]
}

// commit applies the oldest proposal.
func (l *learner) commit(qp *proto.QuorumPacket) error {
	if qp.Zxid <= l.skip {
		return nil
	}
	if l.observer && len(l.pending) == 0 && l.acked {
		l.p.opt.Log.Warnf("Ignoring commit")
		return nil
	}
	if len(l.pending) == 0 {
		return fmt.Errorf("%w: Committing %x without seeing txn", errPacket, uint64(qp.Zxid))
	}
	p := l.pending[0]
	if p.Zxid() != qp.Zxid {
		return fmt.Errorf("%w: Committing zxid 0x%x but next pending txn 0x%x", errPacket, uint64(qp.Zxid), uint64(p.Zxid()))
	}
	l.pending[0] = nil
	if l.pending = l.pending[1:]; len(l.pending) == 0 {
		l.pending = nil
	}
	l.p.past.add(p)
	l.p.replica.Apply(p)
	if qp.Type == proto.PacketCommitAndActivate {
		if err := l.activate(p, qp.Data); err != nil {
			return err
		}
	}
	if l.lacks != 0 && qp.Zxid >= l.lacks {
		l.serve()
	}
	return nil
}

// inform handles a transaction that is already committed.
func (l *learner) inform(qp *proto.QuorumPacket, raw []byte) error {
	if !l.observer {
		return fmt.Errorf("%w: %s to a follower", errPacket, packetName(qp))
	}
	if qp.Zxid <= l.skip {
		return nil
	}
	if len(l.pending) > 0 {
		return fmt.Errorf("%w: %s while 0x%x is not committed", errPacket, packetName(qp), uint64(l.pending[0].Zxid()))
	}
	p, err := proposalOf(qp, raw)
	if err != nil {
		return err
	}
	if err := l.log(p); err != nil {
		return err
	}
	l.pending = nil
	l.p.past.add(p)
	l.p.replica.Apply(p)
	if qp.Type == proto.PacketInformAndActivate {
		return l.activate(p, qp.Data)
	}
	return nil
}

// activate puts a committed configuration into force; head starts with its leader.
func (l *learner) activate(p *Proposal, head []byte) error {
	if p.Config == nil || len(head) < 8 {
		return fmt.Errorf("%w: transaction %#x contains no configuration", errPacket, uint64(p.Zxid()))
	}
	q, err := zoocfg.ParseVerifier(p.Config)
	if err != nil {
		return err
	}
	leader := int64(binary.BigEndian.Uint64(head))
	major := l.p.activate(q, &leader, p.Zxid())
	l.p.replica.Reconfigured(l.p.views.inForce().Bytes())
	if major {
		return errRoleChange
	}
	return nil
}

// truncate removes every transaction after zxid, which the leader does not have.
func (p *Peer) truncate(zxid int64) error {
	return p.withoutLog(func() (int64, error) {
		err := p.disk.truncate(zxid)
		if errors.Is(err, storage.ErrCannotTruncate) {
			p.needSnap = true
			return p.replica.LastZxid(), fmt.Errorf("%w: %w", errNeedSnap, err)
		}
		if err != nil {
			return 0, err
		}
		if err := p.replica.Reload(); err != nil {
			return 0, err
		}
		p.recall()
		if last := p.replica.LastZxid(); last > zxid {
			return 0, fmt.Errorf("the log was truncated to %#x, but the data goes up to %#x", uint64(zxid), uint64(last))
		}
		return zxid, nil
	})
}

// restore replaces everything with the leader's snapshot.
func (p *Peer) restore(r *deadlineReader, zxid int64) error {
	return p.withoutLog(func() (int64, error) {
		if err := p.replica.Restore(r, zxid); err != nil {
			return p.replica.LastZxid(), err
		}
		// Restore may have stopped before the signature.
		var rest [1]byte
		switch n, err := r.Read(rest[:]); {
		case n > 0 || err == nil:
			return 0, errors.New("the leader's snapshot was not read to its end")
		case err != io.EOF:
			return 0, err
		}
		p.past.clear()
		p.needSnap = false
		if err := p.disk.keepOnly(zxid); err != nil {
			return 0, err
		}
		return zxid, nil
	})
}
