package zab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// leader is one term of leadership (Leader).
type leader struct {
	p      *Peer
	b      *Broadcast
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	badLog atomic.Bool // the log on disk is incomplete: learners get snapshots

	mu    sync.Mutex
	conns map[*learnerConn]struct{}

	// Discovery. epoch is final once epochSet is closed.
	epoch      int64
	connecting zoocfg.IDs
	epochSet   chan struct{}
	summary    Vote // this server's current epoch and last zxid
	electing   zoocfg.IDs
	elected    chan struct{} // closed when a quorum has acknowledged the epoch

	// Synchronisation.
	quorums []zoocfg.QuorumVerifier // that must acknowledge NEWLEADER
	acks    zoocfg.IDs
	formed  chan struct{} // closed when they have
	started chan struct{} // closed when the replica leads
}

// lead leads until it no longer can. The error is the reason.
func (p *Peer) lead(ctx context.Context, took time.Duration) error {
	p.opt.Log.Infof("LEADING - LEADER ELECTION TOOK - %d MS", took.Milliseconds())
	l := &leader{
		p: p, conns: map[*learnerConn]struct{}{}, connecting: zoocfg.IDs{}, electing: zoocfg.IDs{}, acks: zoocfg.IDs{},
		epochSet: make(chan struct{}), elected: make(chan struct{}), formed: make(chan struct{}), started: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.b = newBroadcast(p.replica, p.log(), p.opt.ID, &leaderEnsemble{l}, p.past)
	l.b.begin(p.replica.LastZxid()) // until the epoch begins
	p.setZabState(Discovery)
	listeners, err := p.listenQuorum()
	if err != nil {
		return err
	}
	for _, listener := range listeners {
		l.wg.Go(func() { l.accept(listener) })
	}
	p.setLeader(l)
	err = l.run()
	p.opt.Log.Infof("Shutting down")
	if err != nil && ctx.Err() == nil {
		p.opt.Log.Infof("Shutdown called. For the reason %v", err)
	}
	p.setLeader(nil)
	rest := l.b.end()
	l.cancel(errOver)
	for _, listener := range listeners {
		_ = listener.Close()
	}
	l.closeAll()
	l.wg.Wait()
	p.endRole(rest)
	return err
}

// listenQuorum listens for learners. The previous term may still hold the port.
func (p *Peer) listenQuorum() (list []net.Listener, err error) {
	addrs := listenAddrs(p.views.quorumAddrs(p.opt.ID), p.opt.ListenAll)
	if len(addrs) == 0 {
		return nil, fmt.Errorf("lead: server %d is not in the configuration, its quorum address is not known", p.opt.ID)
	}
	for _, addr := range addrs {
		l, err := p.opt.Network.Listen(addr)
		if err != nil {
			for _, l := range list {
				_ = l.Close()
			}
			return nil, fmt.Errorf("Couldn't bind to %s: %w", addr, err)
		}
		list = append(list, l)
	}
	return list, nil
}

// maxLearners bounds the connections that strangers can make.
const maxLearners = 1024

func (l *leader) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			if l.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			l.p.opt.Log.Warnf("Exception while accepting follower: %v", err)
			select {
			case <-l.ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		c := newLearnerConn(l, conn)
		l.mu.Lock()
		full := l.ctx.Err() != nil || len(l.conns) >= maxLearners
		if !full {
			l.conns[c] = struct{}{}
		}
		l.mu.Unlock()
		if full {
			_ = conn.Close()
			continue
		}
		l.wg.Go(func() {
			c.run()
			l.mu.Lock()
			delete(l.conns, c)
			l.mu.Unlock()
		})
	}
}

func (l *leader) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.queue.close(errOver)
	}
}

// learners returns the current connections.
func (l *leader) learners() []*learnerConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*learnerConn, 0, len(l.conns))
	for c := range l.conns {
		list = append(list, c)
	}
	return list
}

// run is the term: discovery, synchronisation, broadcast.
func (l *leader) run() error {
	p := l.p
	accepted, current := p.epochs()
	l.mu.Lock()
	l.summary = Vote{PeerEpoch: current, Zxid: p.replica.LastZxid()}
	l.mu.Unlock()
	epoch, err := l.proposeEpoch(p.opt.ID, accepted)
	if err != nil {
		return err
	}
	begin := Zxid(epoch, 0)
	// A configuration that has not been agreed on yet gets a version above those of servers that
	// know only a part of the ensemble (ZOOKEEPER-1783).
	config, next := p.views.both()
	if config.Version() == 0 && next == nil {
		if err := p.views.propose(config.WithVersion(begin)); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.quorums = p.views.quorums()
	l.mu.Unlock()
	if err := l.ackEpoch(p.opt.ID, current, l.summary.Zxid); err != nil {
		return err
	}
	if err := p.setEpoch(storage.CurrentEpochFile, epoch); err != nil {
		return err
	}
	p.setZabState(Synchronization)
	if err := l.awaitNewLeaderAcks(begin); err != nil {
		return err
	}
	p.opt.Log.Infof("Have quorum of supporters, sids: [%s]; starting up and setting last processed zxid: 0x%x", l.ackSets(), uint64(begin))
	l.b.begin(begin)
	// A configuration proposed earlier, committed or not, is now in force.
	config = p.views.lastSeen()
	leads := (&leaderEnsemble{l}).designate(config.Bytes(), []zoocfg.IDs{l.acks})
	p.activate(config, &leads, begin)
	p.replica.Reconfigured(p.views.inForce().Bytes())
	if leads != p.opt.ID {
		p.opt.Log.Warnf("This leader is not the designated leader, it will be initialized with allowedToCommit = false")
		l.b.deposed = true
	}
	p.election.SetEpoch(epoch)
	p.replica.Lead(l.b, begin)
	p.setZabState(Broadcasting)
	close(l.started)
	return l.tick()
}

// tick pings, and checks that a quorum still follows.
func (l *leader) tick() error {
	half := time.NewTicker(max(l.p.opt.Tick/2, time.Millisecond))
	defer half.Stop()
	for skip := true; ; skip = !skip {
		select {
		case <-half.C:
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		}
		learners := l.learners()
		if !skip {
			ids := zoocfg.NewIDs(l.p.opt.ID)
			for _, c := range learners {
				if id, alive := c.follows(); alive {
					ids.Add(id)
				}
			}
			for _, q := range l.p.views.quorums() {
				if !q.ContainsQuorum(ids) {
					return fmt.Errorf("Not sufficient followers synced, only synced with sids: [ %s ]", setString(q, ids))
				}
			}
		}
		last := l.b.lastProposed()
		for _, c := range learners {
			c.ping(last)
		}
	}
}

// participates reports whether a member votes in the configuration in force.
func (l *leader) participates(id int64) bool {
	m, ok := l.p.views.inForce().Member(id)
	return ok && m.Role == zoocfg.Participant
}

// maxEpoch is the last epoch that fits into a zxid.
const maxEpoch = 1<<31 - 2

// proposeEpoch waits until a quorum has reported the epochs that it has accepted, and returns one
// above all of them (getEpochToPropose). accepted is -1 for a member that has lost its data.
func (l *leader) proposeEpoch(id, accepted int64) (int64, error) {
	if accepted < -1 || accepted > maxEpoch {
		return 0, fmt.Errorf("%w: server %d has accepted epoch %#x", errPacket, id, accepted)
	}
	l.mu.Lock()
	if !isClosed(l.epochSet) {
		l.epoch = max(l.epoch, accepted+1)
		if l.participates(id) {
			l.connecting.Add(id)
		}
		if l.connecting.Has(l.p.opt.ID) && l.p.views.inForce().ContainsQuorum(l.connecting) {
			if err := l.p.setEpoch(storage.AcceptedEpochFile, l.epoch); err != nil {
				l.mu.Unlock()
				return 0, err
			}
			close(l.epochSet)
		}
	}
	l.mu.Unlock()
	if err := l.await(l.epochSet, "Timeout while waiting for epoch from quorum"); err != nil {
		return 0, err
	}
	return l.epoch, nil
}

// ackEpoch takes a server's state, and waits until a quorum has acknowledged the epoch
// (waitForEpochAck). its is the server's current epoch, or -1 if it had already accepted this
// epoch, which does not count; nor does a server without data (zxid -1).
func (l *leader) ackEpoch(id, its, zxid int64) error {
	l.mu.Lock()
	if !isClosed(l.elected) && its != -1 {
		if mine := l.summary; its > mine.PeerEpoch || its == mine.PeerEpoch && zxid > mine.Zxid {
			l.mu.Unlock()
			return fmt.Errorf("Follower is ahead of the leader, leader summary: %d (current epoch), %#x (last zxid)", mine.PeerEpoch, uint64(mine.Zxid))
		}
		if l.participates(id) && zxid != -1 {
			l.electing.Add(id)
		}
		if l.electing.Has(l.p.opt.ID) && l.p.views.inForce().ContainsQuorum(l.electing) {
			close(l.elected)
		}
	}
	l.mu.Unlock()
	return l.await(l.elected, "Timeout while waiting for epoch to be acked by quorum")
}

// newLeaderAck takes a learner's acknowledgement of NEWLEADER, and waits until the leader leads
// (waitForNewLeaderAck). An observer's counts if the next configuration gives it a vote: like a
// follower, it has promised to follow this epoch and has everything before it on disk.
func (l *leader) newLeaderAck(c *learnerConn) error {
	l.countAck(c.id)
	// The queue keeps the learner waiting with PINGs.
	return l.await(l.started, "Timeout while waiting for NEWLEADER to be acked by quorum")
}

func (l *leader) countAck(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isClosed(l.formed) {
		return
	}
	l.acks.Add(id)
	for _, q := range l.quorums {
		if !q.ContainsQuorum(l.acks) {
			return
		}
	}
	close(l.formed)
}

func (l *leader) awaitNewLeaderAcks(zxid int64) error {
	l.countAck(l.p.opt.ID)
	err := l.await(l.formed, "Timeout while waiting for NEWLEADER to be acked by quorum")
	if err != nil && l.ctx.Err() == nil {
		return fmt.Errorf("Waiting for a quorum of followers, only synced with sids: [ %s ]: %w", l.ackSets(), err)
	}
	return err
}

// await waits for a phase to end, at most initLimit.
func (l *leader) await(done chan struct{}, timeout string) error {
	timer := time.NewTimer(l.p.opt.initTimeout())
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	case <-timer.C:
		return errors.New(timeout)
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// ackSets lists the acknowledgements of NEWLEADER, a set for each configuration.
func (l *leader) ackSets() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sets []string
	for _, q := range l.quorums {
		sets = append(sets, setString(q, l.acks))
	}
	return strings.Join(sets, ",")
}

// setString formats the ids that vote in q, as Java prints a set.
func setString(q zoocfg.QuorumVerifier, ids zoocfg.IDs) string {
	var list []int64
	for _, m := range q.Voting() {
		if ids.Has(m.ID) {
			list = append(list, m.ID)
		}
	}
	slices.Sort(list)
	return strings.ReplaceAll(fmt.Sprint(list), " ", ", ")
}
