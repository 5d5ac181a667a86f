package zab

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// learner is a member while it follows or observes a leader (Learner, Follower, Observer).
type learner struct {
	p        *Peer
	conn     net.Conn
	in       *packetReader
	queue    *sendQueue
	observer bool
	leader   int64
	epoch    int64

	// Only the reading goroutine's.
	pending []*Proposal // logged, or about to be, but not committed
	last    int64       // zxid of the last transaction received, or the initial one
	skip    int64       // transactions up to here are in the snapshot
	config  zoocfg.QuorumVerifier
	acked   bool  // NEWLEADER has been acknowledged
	lacks   int64 // the tree must not be served until this transaction is committed; 0 for none

	mu       sync.Mutex
	toAck    []int64 // logged, or about to be, but not acknowledged
	acking   bool
	received int64
}

// Reasons to leave a leader.
var (
	errRoleChange = errors.New("changes proposed in reconfig")
	errNeedSnap   = errors.New("the log cannot be truncated; a snapshot is needed")
)

// connectAttempts and connectPause are how often a learner tries to connect, and how long it waits
// in between: the leader may not be listening yet (Learner.connectToLeader).
const (
	connectAttempts = 5
	connectPause    = 100 * time.Millisecond
)

// follow follows or observes a leader until it no longer can. The error is the reason.
func (p *Peer) follow(ctx context.Context, leader int64, observer bool, took time.Duration) error {
	if !observer {
		p.opt.Log.Infof("FOLLOWING - LEADER ELECTION TOOK - %d MS", took.Milliseconds())
	}
	p.setZabState(Discovery)
	conn, err := p.connectToLeader(ctx, leader)
	if err != nil {
		p.replica.Retire()
		return err
	}
	defer conn.Close()
	l := &learner{p: p, conn: conn, in: newPacketReader(conn, p.opt.MaxBuffer), queue: newSendQueue(conn, p.opt.LearnerQueue),
		observer: observer, leader: leader}
	var wg sync.WaitGroup
	wg.Go(l.queue.run)
	stop := context.AfterFunc(ctx, func() { l.queue.close(context.Cause(ctx)) })
	p.setLearner(l)
	began := time.Now()
	err = l.run()
	stop()
	if cause := l.queue.cause(); cause != nil {
		err = cause
	}
	l.queue.close(errOver)
	wg.Wait()
	p.setLearner(nil)
	if ctx.Err() == nil {
		p.opt.Log.Warnf("Exception when %s the leader: %v", map[bool]string{true: "observing", false: "following"}[observer], err)
		p.opt.Log.Infof("Disconnected from leader (with address: %s). Was connected for %dms. Sync state: %t",
			conn.RemoteAddr(), time.Since(began).Milliseconds(), l.acked)
	}
	p.opt.Log.Infof("shutdown %s", map[bool]string{true: "Observer", false: "Follower"}[observer])
	p.endRole(l.pending)
	return err
}

func (p *Peer) connectToLeader(ctx context.Context, leader int64) (net.Conn, error) {
	addrs := p.views.quorumAddrs(leader)
	if len(addrs) == 0 {
		return nil, fmt.Errorf("Couldn't find the leader with id = %d", leader)
	}
	ctx, cancel := context.WithTimeout(ctx, p.opt.Tick*time.Duration(p.opt.ConnectLimit))
	defer cancel()
	var err error
	for try := range connectAttempts {
		for _, addr := range addrs {
			var conn net.Conn
			if conn, err = p.opt.Network.Dial(ctx, addr); err == nil {
				return conn, p.authenticate(ctx, conn, addr)
			}
		}
		if try == connectAttempts-1 {
			break
		}
		p.opt.Log.Warnf("Unexpected exception, tries=%d, connecting to %v: %v", try, addrs, err)
		select {
		case <-time.After(connectPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return nil, fmt.Errorf("Failed connect to %v: %w", addrs, err)
}

// authenticate authenticates this member to a leader, who speaks only when spoken to.
func (p *Peer) authenticate(ctx context.Context, conn net.Conn, addr string) error {
	err := within(conn, p.opt.initTimeout(), func() error { return p.opt.Auth.connect(ctx, conn, bufio.NewReader(conn), addr) })
	if err != nil {
		_ = conn.Close()
	}
	return err
}

func (l *learner) read(timeout time.Duration) (*proto.QuorumPacket, error) {
	if !l.in.buffered() {
		if err := l.conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return nil, err
		}
	}
	return l.in.read()
}

func (l *learner) run() error {
	p := l.p
	if err := l.register(); err != nil {
		return err
	}
	if p.views.changed() {
		return errors.New("learned about role change")
	}
	p.setZabState(Synchronization)
	if err := l.begin(); err != nil {
		return err
	}
	for serving := false; ; {
		limit := p.opt.initTimeout()
		if l.acked {
			limit = p.opt.syncTimeout()
		}
		qp, err := l.read(limit)
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.received++
		l.mu.Unlock()
		switch {
		case qp.Type == proto.PacketUpToDate && !serving:
			if err := l.upToDate(); err != nil {
				return err
			}
			serving = true
		case serving:
			err = l.process(qp)
		default:
			err = l.synchronise(qp)
		}
		if err != nil {
			return err
		}
	}
}

// register is the first phase: the learner reports the epoch it has accepted, receives the new one,
// and reports its state (registerWithLeader).
func (l *learner) register() error {
	p := l.p
	accepted, current := p.epochs()
	kind := proto.PacketFollowerInfo
	if l.observer {
		kind = proto.PacketObserverInfo
	}
	info := proto.LearnerInfo{ServerID: p.opt.ID, ProtocolVersion: protocolVersion, ConfigVersion: p.views.inForce().Version()}
	l.queue.put(frame(kind, Zxid(accepted, 0), jute.Marshal(&info)))
	qp, err := l.read(p.opt.initTimeout())
	if err != nil {
		return err
	}
	if qp.Type != proto.PacketLeaderInfo {
		return fmt.Errorf("%w: First packet should have been LEADERINFO, not %s", errPacket, packetName(qp))
	}
	l.epoch = Epoch(qp.Zxid)
	ack := int32(current)
	switch {
	case l.epoch > maxEpoch || l.epoch < 0:
		return fmt.Errorf("%w: epoch %#x", errPacket, l.epoch)
	case l.epoch > accepted:
		if err := p.setEpoch(storage.AcceptedEpochFile, l.epoch); err != nil {
			return err
		}
	case l.epoch == accepted:
		ack = -1 // it was acknowledged before, perhaps to another leader
	default:
		return fmt.Errorf("Leaders epoch, %d is less than accepted epoch, %d", l.epoch, accepted)
	}
	l.last = p.replica.LastZxid()
	if p.needSnap {
		// This member's data is of no use, so the leader must not count it either.
		l.last, ack = 0, -1
	}
	l.queue.put(frame(proto.PacketAckEpoch, l.last, binary.BigEndian.AppendUint32(nil, uint32(ack))))
	return nil
}

// begin handles DIFF, TRUNC or SNAP.
func (l *learner) begin() error {
	p := l.p
	qp, err := l.read(p.opt.initTimeout())
	if err != nil {
		return err
	}
	switch {
	case qp.Type == proto.PacketDiff && !p.needSnap:
		p.opt.Log.Infof("Getting a diff from the leader 0x%x", uint64(qp.Zxid))
		p.setSyncMode("DIFF")
		return nil
	case qp.Type == proto.PacketTrunc && !p.needSnap:
		p.opt.Log.Warnf("Truncating log to get in sync with the leader 0x%x", uint64(qp.Zxid))
		p.setSyncMode("TRUNC")
		l.last = qp.Zxid
		return p.truncate(qp.Zxid)
	case qp.Type == proto.PacketSnap:
		p.opt.Log.Infof("Getting a snapshot from leader 0x%x", uint64(qp.Zxid))
		p.setSyncMode("SNAP")
		l.last, l.skip = qp.Zxid, qp.Zxid
		if err := l.conn.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
		return p.restore(&deadlineReader{l, &signedStream{newSnapshotStream(l.in.r, l.in.max), l.in, false}}, qp.Zxid)
	}
	return fmt.Errorf("%w: Got unexpected packet from leader: %s", errPacket, packetName(qp))
}

// deadlineReader gives the leader initLimit for each piece of a snapshot.
type deadlineReader struct {
	l *learner
	r io.Reader
}

func (d *deadlineReader) Read(b []byte) (int, error) {
	if err := d.l.conn.SetReadDeadline(time.Now().Add(d.l.p.opt.initTimeout())); err != nil {
		return 0, err
	}
	return d.r.Read(b)
}

// signedStream is a snapshot that is complete only if the signature follows it.
type signedStream struct {
	s    *snapshotStream
	in   *packetReader
	seen bool
}

func (s *signedStream) Read(b []byte) (int, error) {
	n, err := s.s.Read(b)
	if err != io.EOF || s.seen {
		return n, err
	}
	sign, err := s.in.string()
	if err != nil {
		return n, err
	}
	if string(sign) != "BenWasHere" {
		return n, fmt.Errorf("%w: Missing signature. Got %.20q", errPacket, sign)
	}
	s.seen = true
	return n, io.EOF
}

// synchronise handles a packet of the second phase.
func (l *learner) synchronise(qp *proto.QuorumPacket) error {
	switch qp.Type {
	case proto.PacketProposal, proto.PacketCommit, proto.PacketCommitAndActivate, proto.PacketInform, proto.PacketInformAndActivate:
		return l.history(qp)
	case proto.PacketNewLeader:
		return l.newLeader(qp)
	case proto.PacketPing:
		return nil // the leader is waiting for others
	}
	return fmt.Errorf("%w: %s before UPTODATE", errPacket, packetName(qp))
}

// newLeader promises to follow the leader's epoch: everything that the leader has sent is on disk,
// and so is its epoch.
func (l *learner) newLeader(qp *proto.QuorumPacket) error {
	p := l.p
	if qp.Zxid != Zxid(l.epoch, 0) || l.acked {
		return fmt.Errorf("%w: %s", errPacket, packetName(qp))
	}
	p.opt.Log.Infof("Learner received NEWLEADER message")
	if len(qp.Data) > 1 {
		q, err := zoocfg.ParseVerifier(qp.Data)
		if err != nil {
			return fmt.Errorf("%w: NEWLEADER: %w", errPacket, err)
		}
		if err := p.views.propose(q); err != nil {
			return err
		}
		l.config = q
	}
	if !p.log().Flush() {
		return errors.New("the log could not be written")
	}
	if err := p.setEpoch(storage.CurrentEpochFile, l.epoch); err != nil {
		return err
	}
	p.setSyncMode("")
	l.acked = true
	l.queue.put(frame(proto.PacketAck, qp.Zxid))
	if !l.observer {
		l.mu.Lock()
		l.acking = true
		l.toAck = nil
		// Committed transactions need no acknowledgement.
		for _, p := range l.pending {
			l.queue.put(frame(proto.PacketAck, p.Zxid()))
		}
		l.mu.Unlock()
	}
	return nil
}

// upToDate starts to serve clients.
func (l *learner) upToDate() error {
	p := l.p
	if !l.acked {
		return fmt.Errorf("%w: UPTODATE before NEWLEADER", errPacket)
	}
	p.opt.Log.Infof("Learner received UPTODATE message")
	if l.config != nil && !l.awaits(l.config) && p.activate(l.config, nil, 0) {
		return errRoleChange
	}
	p.replica.Reconfigured(p.views.inForce().Bytes())
	l.queue.put(frame(proto.PacketAck, Zxid(l.epoch, 0)))
	p.election.SetEpoch(l.epoch)
	if l.skip != 0 && len(l.pending) > 0 {
		// The snapshot may contain the effects of these before those of earlier transactions.
		l.lacks = l.last
		return nil
	}
	l.serve()
	return nil
}

// awaits reports whether a configuration is proposed but not committed.
func (l *learner) awaits(q zoocfg.QuorumVerifier) bool {
	return slices.ContainsFunc(l.pending, func(p *Proposal) bool { return p.Config != nil && p.Zxid() == q.Version() })
}

// serve admits clients.
func (l *learner) serve() {
	l.lacks = 0
	l.p.replica.Follow(l, l.observer)
	l.p.setZabState(Broadcasting)
}

// process handles a packet of the third phase.
func (l *learner) process(qp *proto.QuorumPacket) error {
	p := l.p
	switch qp.Type {
	case proto.PacketPing:
		e := jute.NewEncoder([]byte{})
		for session, timeout := range p.replica.Touched() {
			e.Long(&session)
			e.Int(&timeout)
		}
		l.queue.put(frame(proto.PacketPing, qp.Zxid, e.Bytes()))
		return nil
	case proto.PacketRevalidate:
		var session int64
		var valid bool
		d := jute.NewDecoder(qp.Data)
		d.Long(&session)
		if d.Bool(&valid); d.Err() != nil {
			return fmt.Errorf("%w: REVALIDATE: %w", errPacket, d.Err())
		}
		p.replica.Revalidated(session, valid)
		return nil
	case proto.PacketSync:
		p.replica.Synced()
		return nil
	case proto.PacketProposal, proto.PacketCommit, proto.PacketCommitAndActivate, proto.PacketInform, proto.PacketInformAndActivate:
		return l.history(qp)
	case proto.PacketUpToDate:
		p.opt.Log.Warnf("Received an UPTODATE message after Follower started")
		return nil
	}
	return fmt.Errorf("%w: Unknown packet type: %s", errPacket, packetName(qp))
}

// Forward implements Learner.
func (l *learner) Forward(r *Request) { l.queue.put(requestFrame(r)) }

// Revalidate implements Learner.
func (l *learner) Revalidate(session int64, timeout int32) {
	l.p.opt.Log.Infof("Revalidating client: 0x%x", uint64(session))
	b := binary.BigEndian.AppendUint64(nil, uint64(session))
	l.queue.put(frame(proto.PacketRevalidate, -1, binary.BigEndian.AppendUint32(b, uint32(timeout))))
}
