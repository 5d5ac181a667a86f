package zab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// Peer is a member of an ensemble: it looks for a leader, then leads or follows, and looks
// again when that ends (QuorumPeer). Run is called once; other methods may be called from
// any goroutine.
type Peer struct {
	opt      PeerOptions
	replica  Replica
	disk     disk
	views    *ensembleViews
	past     *history
	election *Election
	needSnap bool // Run's goroutine's: this member's history cannot be reconciled

	done chan struct{}

	mu                sync.Mutex
	cancel            context.CancelCauseFunc // of Run
	endCurrent        context.CancelCauseFunc // of the current role; nil while looking
	humble            bool                    // this member votes for anyone else until it has a role again
	stopped           error                   // why Run must end before it starts
	crashed           bool
	journal           *Journal
	accepted, current int64
	leader            *leader
	learner           *learner
	state             ServerState
	zab               ZabState
	mode              string
	following         int64 // the leader's id; -1 while looking
	electionTook      time.Duration
}

var (
	errStopped = errors.New("the member is stopped")
	errCrashed = errors.New("the member has crashed")
)

// NewPeer creates a member. Until Run it only listens for elections, so that the others can reach
// it.
func NewPeer(opt PeerOptions) (*Peer, error) {
	opt.setDefaults()
	p := &Peer{opt: opt, replica: opt.Replica, disk: opt.disk, past: &history{limit: opt.History}, done: make(chan struct{}), following: -1}
	p.views = &ensembleViews{id: opt.ID, enabled: opt.ReconfigEnabled, log: opt.Log, save: opt.SaveConfig,
		current: opt.Config, next: opt.Next, observer: opt.Observer, leader: -1}
	if m, ok := opt.Config.Member(opt.ID); ok {
		p.views.observer = m.Role == zoocfg.Observer
	}
	if p.views.next != nil && p.views.next.Version() <= opt.Config.Version() {
		p.views.next = nil
	}
	if err := p.loadEpochs(); err != nil {
		return nil, err
	}
	p.recall()
	if opt.Auth != nil {
		p.opt.Auth = &Auth{Accept: opt.Auth.Accept, Required: opt.Auth.Required, Connect: opt.Auth.Connect, hosts: p.views.hosts}
	}
	var err error
	p.election, err = NewElection(ElectionOptions{
		ID: opt.ID, Network: opt.Network, Log: opt.Log, ListenAll: opt.ListenAll, MultiAddress: opt.MultiAddress,
		Views:        p.electionViews,
		Auth:         p.opt.Auth,
		Observer:     p.views.isObserver,
		NewerConfig:  p.newerConfig,
		FinalizeWait: opt.ElectionWait, MaxNotificationInterval: opt.ElectionMaxWait, ConnectTimeout: opt.ConnectTimeout,
	})
	if err != nil {
		return nil, err
	}
	p.openLog(p.replica.LastZxid())
	return p, nil
}

func (p *Peer) electionViews() (current, next View) {
	c, n := p.views.both()
	if n == nil {
		return c, nil
	}
	return c, n
}

// activate puts a configuration into force, as ensembleViews does.
func (p *Peer) activate(q zoocfg.QuorumVerifier, leader *int64, zxid int64) bool {
	major := p.views.activate(q, leader, zxid)
	p.election.Rebind()
	return major
}

// newerConfig adopts another member's configuration while this one is looking.
func (p *Peer) newerConfig(q zoocfg.QuorumVerifier) bool {
	before := p.views.inForce()
	p.views.activate(q, nil, 0) // the election rebinds its ports itself: it may not be in p yet
	after := p.views.inForce()
	return before.Version() != after.Version() && !before.Equal(after)
}

// loadEpochs reads the epochs, or derives them from the data of a server that has never been in an
// ensemble (QuorumPeer.loadDataBase).
func (p *Peer) loadEpochs() (err error) {
	last := p.replica.LastZxid()
	if p.accepted, p.current, err = p.disk.epochs(); err != nil {
		return err
	}
	for _, e := range []struct {
		name  string
		value *int64
	}{{storage.CurrentEpochFile, &p.current}, {storage.AcceptedEpochFile, &p.accepted}} {
		if *e.value >= 0 {
			continue
		}
		if *e.value = Epoch(last); e.name == storage.AcceptedEpochFile {
			*e.value = max(*e.value, p.current)
		}
		p.opt.Log.Infof("%s not found! Creating with a reasonable default of %d. "+
			"This should only happen when you are upgrading your installation", e.name, *e.value)
		if err := p.disk.setEpoch(e.name, *e.value); err != nil {
			return err
		}
	}
	if p.accepted < p.current {
		return fmt.Errorf("The accepted epoch, %x is less than the current epoch, %x", p.accepted, p.current)
	}
	if Epoch(last) > p.current {
		// Differs(current-epoch-behind): Apache does not start (QuorumPeer.loadDataBase). The member was
		// killed after it had logged its leader's history, but before it had recorded that leader's
		// epoch. Its history is part of what a quorum agreed on; it has only not promised to follow that
		// leader yet. In elections the recorded epoch counts, so nothing uncommitted can win.
		p.opt.Log.Infof("The current epoch, %x, is older than the last zxid, %x", p.current, uint64(last))
	}
	if Epoch(last) > p.accepted {
		return fmt.Errorf("The accepted epoch, %x is less than that of the last zxid, %x", p.accepted, uint64(last))
	}
	return nil
}

func (p *Peer) epochs() (accepted, current int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted, p.current
}

// setEpoch writes an epoch to disk.
func (p *Peer) setEpoch(name string, epoch int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.crashed {
		return errCrashed
	}
	if err := p.disk.setEpoch(name, epoch); err != nil {
		return err
	}
	if name == storage.AcceptedEpochFile {
		p.accepted = epoch
	} else {
		p.current = epoch
	}
	return nil
}

// recall fills the history in memory from the end of the log on disk.
func (p *Peer) recall() {
	p.past.clear()
	last := p.replica.LastZxid()
	from := Zxid(Epoch(last), max(0, Counter(last)-int64(p.opt.History)))
	list, err := tail(p.disk, from, last, p.opt.History)
	if err != nil {
		p.opt.Log.Warnf("Cannot read the last transactions: %v", err)
		return
	}
	for i, e := range list {
		if i > 0 && !follows(list[i-1].Zxid(), e.Zxid()) {
			p.past.clear()
		}
		p.past.add(e)
	}
	if len(list) > 0 && list[len(list)-1].Zxid() != last && Counter(last) != 0 {
		p.past.clear() // a snapshot is newer than the log
	}
}

// openLog starts a journal after last.
func (p *Peer) openLog(last int64) {
	opt := p.opt.Journal
	opt.Synced = p.synced
	opt.Failed = func(err error) {
		p.opt.Log.Warnf("Severe unrecoverable error, exiting: %v", err)
		p.stop(err)
	}
	j := openJournal(opt, p.disk.newLog(opt.Log), last)
	p.mu.Lock()
	p.journal = j
	crashed := p.crashed
	p.mu.Unlock()
	if crashed {
		j.Crash()
	}
}

func (p *Peer) log() *Journal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.journal
}

// withoutLog runs f while no log is open; f returns the last zxid, after which the next log starts.
func (p *Peer) withoutLog(f func() (int64, error)) error {
	j := p.log()
	if !j.Flush() {
		return errors.New("the log could not be written")
	}
	j.Close()
	p.mu.Lock()
	crashed := p.crashed
	p.mu.Unlock()
	if crashed {
		return errCrashed
	}
	p.replica.Retire() // a snapshot may be due since the role ended
	last, err := f()
	p.openLog(last)
	return err
}

// synced is called by the journal with what is on disk.
func (p *Peer) synced(zxid int64) {
	p.mu.Lock()
	leader, learner := p.leader, p.learner
	p.mu.Unlock()
	switch {
	case leader != nil:
		leader.b.Ack(p.opt.ID, zxid)
	case learner != nil:
		learner.synced(zxid)
	}
}

// endRole stops the replica's service and brings it up to date with the journal: rest was logged,
// but its fate is unknown. The next leader decides whether it is committed.
func (p *Peer) endRole(rest []*Proposal) {
	p.replica.Retire()
	if !p.log().Flush() {
		return // stopped or crashed
	}
	for _, r := range rest {
		p.past.add(r)
		p.replica.Apply(r)
	}
	p.replica.Applied()
	p.setSyncMode("")
}

// Run runs the member. It returns nil after Stop and Crash, and an error if the member cannot
// continue, for example because its disk failed.
func (p *Peer) Run(ctx context.Context) error {
	defer close(p.done)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errStopped)
	p.mu.Lock()
	p.cancel = cancel
	if p.stopped != nil {
		cancel(p.stopped)
	}
	p.mu.Unlock()
	p.loop(ctx)
	p.election.Close()
	p.log().Close()
	p.opt.Log.Warnf("QuorumPeer main thread exited")
	cause := context.Cause(ctx)
	if errors.Is(cause, errStopped) || errors.Is(cause, errCrashed) || errors.Is(cause, context.Canceled) {
		return nil
	}
	return cause
}

// loop looks for a leader, and then leads or follows.
func (p *Peer) loop(ctx context.Context) {
	state, leader := Looking, int64(-1)
	for ctx.Err() == nil {
		began := time.Now()
		if state == Looking {
			var err error
			if leader, state, err = p.look(ctx); err != nil {
				continue
			}
		}
		took := time.Since(began)
		p.setState(state, leader, took)
		p.views.setLeader(leader)
		role, end := context.WithCancelCause(ctx)
		p.mu.Lock()
		p.endCurrent, p.humble = end, false
		p.mu.Unlock()
		var err error
		if state == Leading {
			err = p.lead(role, took)
		} else {
			err = p.follow(role, leader, state == Observing, took)
		}
		end(errOver)
		p.mu.Lock()
		p.endCurrent = nil
		p.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		p.opt.Log.Warnf("%s ended: %v", state, err)
		state, leader = p.after()
	}
}

// after returns what to do after a role: look for a leader, unless a reconfiguration has named one
// (updateServerState).
func (p *Peer) after() (ServerState, int64) {
	leader, named := p.views.takeChange()
	state := Following
	// Others compare the round of the last election, so it stays.
	vote := p.vote()
	vote.ElectionEpoch = p.election.Vote().ElectionEpoch
	switch {
	case !named || leader < 0:
		p.setState(Looking, -1, 0)
		p.election.SetState(Looking, vote)
		p.opt.Log.Warnf("PeerState set to LOOKING")
		return Looking, -1
	case leader == p.opt.ID:
		state = Leading
	case p.views.isObserver():
		state = Observing
	}
	vote.ID = leader
	p.election.SetState(state, vote)
	return state, leader
}

// vote returns this member's own vote.
func (p *Peer) vote() Vote {
	_, current := p.epochs()
	return Vote{ID: p.opt.ID, Zxid: p.replica.LastZxid(), PeerEpoch: current}
}

func (p *Peer) look(ctx context.Context) (int64, ServerState, error) {
	p.setState(Looking, -1, 0)
	p.views.setLeader(-1)
	p.replica.Looking(true)
	defer p.replica.Looking(false)
	own := p.vote()
	p.mu.Lock()
	if p.humble {
		own.Zxid, own.PeerEpoch = math.MinInt64, math.MinInt64
	}
	p.mu.Unlock()
	vote, state, err := p.election.Look(ctx, own)
	if err != nil {
		return -1, Looking, err
	}
	return vote.ID, state, nil
}

// Stop ends the member gracefully and waits for it.
func (p *Peer) Stop() {
	p.stop(errStopped)
	<-p.done
}

// Crash ends the member as a kill of its process would: what is not on disk is lost. It waits for
// all goroutines; the replica cannot be used afterwards.
func (p *Peer) Crash() {
	p.mu.Lock()
	p.crashed = true
	j := p.journal
	p.mu.Unlock()
	j.Crash()
	p.stop(errCrashed)
	<-p.done
}

func (p *Peer) stop(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped == nil {
		p.stopped = cause
	}
	if p.cancel != nil {
		p.cancel(cause)
	}
}
