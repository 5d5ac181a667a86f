package zab

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// Logger takes what a server logs.
type Logger interface {
	Infof(format string, args ...any)
	Warnf(format string, args ...any)
}

// ElectionOptions describe a server's part in elections. The functions are called from
// several goroutines and must not call the election back, except for Vote and State.
type ElectionOptions struct {
	ID      int64
	Network Network
	Log     Logger

	// ListenAll is for ports on all of this machine's addresses, in place of the server's own
	// addresses in Views.
	ListenAll bool

	// MultiAddress tells other servers all of this one's addresses, which servers before
	// 3.6 do not understand (multiAddress.enabled).
	MultiAddress bool

	// Views are the configuration in force and, while it is being changed, the last one
	// seen; next is nil otherwise.
	Views func() (current, next View)

	// Observer reports whether this server is to observe (QuorumPeer.getLearnerType).
	Observer func() bool

	// NewerConfig is told of a configuration with a version above that in force, which a
	// peer had while this server was looking. It returns true when Views and Observer have
	// changed, and the election starts anew. It may be nil.
	NewerConfig func(zoocfg.QuorumVerifier) bool

	// FinalizeWait is how long a quorum waits for a better vote of those that may be there,
	// and the first time after which a vote is sent again; 0 means 200 ms.
	// MaxNotificationInterval bounds that time, which doubles; 0 means 60 s. ConnectTimeout is
	// for a connection, and for each write on it; 0 means 5 s.
	FinalizeWait, MaxNotificationInterval, ConnectTimeout time.Duration
}

// Election elects leaders and tells other servers who leads (FastLeaderElection). It
// listens from NewElection to Close. Methods may be called from any goroutine, Look by one
// at a time.
type Election struct {
	opt   ElectionOptions
	conns *electionConns
	wake  chan struct{} // capacity 1: the queue is not empty, or restart is set

	mu       sync.Mutex
	state    ServerState
	current  Vote            // the outcome of the last election
	proposal Vote            // of the election that is going on
	round    int64           // the logical clock
	queue    []*notification // for Look
	restart  bool            // the configuration has changed
	addrs    []string        // see home
}

// maxElectionQueue bounds what peers can make Look remember; votes are sent again.
const maxElectionQueue = 1000

// NewElection listens, and answers other servers from now on.
func NewElection(opt ElectionOptions) (*Election, error) {
	if opt.FinalizeWait == 0 {
		opt.FinalizeWait = 200 * time.Millisecond
	}
	if opt.MaxNotificationInterval == 0 {
		opt.MaxNotificationInterval = time.Minute
	}
	if opt.ConnectTimeout == 0 {
		opt.ConnectTimeout = 5 * time.Second
	}
	e := &Election{opt: opt, wake: make(chan struct{}, 1)}
	e.conns = &electionConns{
		self: opt.ID, opt: &e.opt, address: e.address, members: e.electionAddrs, receive: e.receive, lost: e.signal,
		listeners: map[string]net.Listener{}, open: map[net.Conn]struct{}{}, peers: map[int64]*electionPeer{},
	}
	e.conns.ctx, e.conns.shutdown = context.WithCancel(context.Background())
	if err := e.conns.listen(e.listenAddrs()); err != nil {
		e.conns.close()
		return nil, err
	}
	return e, nil
}

func (e *Election) listenAddrs() []string { return listenAddrs(e.home(), e.opt.ListenAll) }

// home is where this server is, or was when the configuration last had it: who is not a member
// yet, or not any more, must be called back too.
func (e *Election) home() []string {
	addrs := e.electionAddrs(e.opt.ID)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(addrs) > 0 {
		e.addrs = addrs
	}
	return e.addrs
}

// listenAddrs are where to listen for those who connect to addrs.
func listenAddrs(addrs []string, all bool) []string {
	if !all {
		return addrs
	}
	var list []string
	for _, addr := range addrs {
		_, port, _ := net.SplitHostPort(addr)
		if any := net.JoinHostPort("0.0.0.0", port); !slices.Contains(list, any) {
			list = append(list, any)
		}
	}
	return list
}

// Rebind listens where Views now say that this server is, and no longer where they said so
// before. Connections stay. When a port cannot be had, nothing changes.
func (e *Election) Rebind() {
	if err := e.conns.listen(e.listenAddrs()); err != nil {
		e.opt.Log.Warnf("This server cannot be reached for elections where the configuration says: %v", err)
	}
}

// Close ends a Look, closes all connections and waits until nothing is left running.
func (e *Election) Close() { e.conns.close() }

// State is what this server tells others that it does.
func (e *Election) State() ServerState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// Vote is the outcome of the last election, or what SetState has made of it.
func (e *Election) Vote() Vote {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current
}

// SetState changes what this server tells others: Looking, from when it has lost its
// leader until the next Look, or another leader without an election (a reconfiguration
// can name one).
func (e *Election) SetState(state ServerState, vote Vote) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state, e.current = state, vote
}

// SetEpoch puts the epoch that the leader and its quorum have begun into the vote that
// others are told (QuorumPeer.updateElectionVote), so that those that come later see the
// same vote from all.
func (e *Election) SetEpoch(epoch int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.current.PeerEpoch = epoch
}

// Look elects a leader, and returns the vote that won and what this server is to do. own is
// this server's vote: its id is ignored; its zxid is the last logged one, its epoch the
// current one. From then on others are told the outcome, until the next Look or SetState.
// An error means that ctx or the election ended.
func (e *Election) Look(ctx context.Context, own Vote) (Vote, ServerState, error) {
	e.opt.Log.Infof("%s", Looking)
	for {
		r := e.begin(own)
		vote, err := r.run(ctx)
		switch {
		case errors.Is(err, errRestart):
			e.opt.Log.Infof("restarting leader election")
		case err != nil:
			return Vote{}, Looking, err
		default:
			state := e.finish(vote)
			e.opt.Log.Infof("%s", state)
			return vote, state, nil
		}
	}
}

var errRestart = errors.New("the configuration has changed")

// begin starts a round. Who has no vote proposes what every vote beats, in a round that every
// other is ahead of: whoever hears of it answers, and nobody would follow into another.
// Differs(round-without-a-vote): Apache's member counts its own rounds even without a vote, from
// the first again after it has heard of a newer configuration (QuorumPeer.shuttingDownLE). One
// whose vote the next configuration needs, and who has tried in vain to follow once, is ahead of
// the others from then on: they ignore each other for ever.
func (e *Election) begin(own Vote) *electionRound {
	current, _ := e.opt.Views()
	own.ID = e.opt.ID
	voiceless := !validVoter([]View{current}, own.ID)
	if voiceless {
		own.ID = math.MinInt64
	}
	if e.opt.Observer() {
		own.Zxid, own.PeerEpoch = math.MinInt64, math.MinInt64
	}
	e.mu.Lock()
	e.state, e.restart = Looking, false
	e.round++
	if voiceless {
		e.round = 0
	}
	own.ElectionEpoch = e.round
	e.proposal = own
	e.mu.Unlock()
	return &electionRound{e: e, own: own, votes: map[int64]ballot{}, outOfElection: map[int64]ballot{}}
}

func (e *Election) finish(vote Vote) ServerState {
	state := Following
	if vote.ID == e.opt.ID {
		state = Leading
	} else if e.opt.Observer() {
		state = Observing
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state, e.current, e.round, e.queue = state, vote, vote.ElectionEpoch, nil
	return state
}

// views are the configuration in force and the one to come.
func (e *Election) views() []View {
	current, next := e.opt.Views()
	if next == nil || next.Version() <= current.Version() {
		return []View{current}
	}
	return []View{current, next}
}

// electionAddrs are the addresses of a member, nil for a stranger.
func (e *Election) electionAddrs(id int64) (addrs []string) {
	for _, view := range e.views() {
		m, _ := view.Member(id)
		for _, a := range m.Addrs {
			if addr := a.Election().String(); !slices.Contains(addrs, addr) {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}

// address is what this server says where it listens.
func (e *Election) address() string {
	addrs := e.home()
	if !e.opt.MultiAddress && len(addrs) > 1 {
		addrs = addrs[:1]
	}
	return strings.Join(addrs, "|")
}

// tell sends this server's vote to another one.
func (e *Election) tell(to int64, state ServerState, vote Vote) {
	current, _ := e.opt.Views()
	n := notification{ballot: ballot{Vote: vote, state: state}, config: current.Bytes()}
	e.conns.send(to, n.encode())
}

// tellAll sends the proposal to all that have a vote, this server included.
func (e *Election) tellAll() {
	e.mu.Lock()
	vote := e.proposal
	e.mu.Unlock()
	var sent []int64
	for _, view := range e.views() {
		for _, m := range view.Voting() {
			switch {
			case slices.Contains(sent, m.ID):
			case m.ID == e.opt.ID:
				e.enqueue(&notification{ballot: ballot{vote, Looking, notificationV2}, from: m.ID})
			default:
				e.tell(m.ID, Looking, vote)
			}
			sent = append(sent, m.ID)
		}
	}
}

func (e *Election) enqueue(n *notification) {
	e.mu.Lock()
	if len(e.queue) >= maxElectionQueue {
		e.queue = slices.Delete(e.queue, 0, 1)
	}
	e.queue = append(e.queue, n)
	e.mu.Unlock()
	e.signal()
}

func (e *Election) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// receive takes a message from a connection (WorkerReceiver): it answers those who ask, and
// hands votes to Look.
func (e *Election) receive(from int64, msg []byte) error {
	n, err := decodeNotification(from, msg)
	if err != nil {
		return err
	}
	version := e.seeConfig(n)
	e.mu.Lock()
	state, current, proposal, round := e.state, e.current, e.proposal, e.round
	e.mu.Unlock()

	if !validVoter(e.views(), from) {
		// It cannot be of use, but may want to know. Two without a vote, both looking, would
		// answer each other for ever.
		if state == Looking && !validVoter(e.views(), e.opt.ID) {
			return nil
		}
		vote := current
		if state == Looking {
			vote = proposal
		}
		vote.ElectionEpoch = round
		if round > 0 {
			e.tell(from, state, vote)
		}
		return nil
	}
	e.opt.Log.Infof("Notification: my state:%s; n.sid:%d, n.state:%s, n.leader:%d, n.round:0x%x, n.peerEpoch:0x%x, "+
		"n.zxid:0x%x, message format version:0x%x, n.config version:0x%x",
		state, n.from, n.state, n.ID, uint64(n.ElectionEpoch), uint64(n.PeerEpoch), uint64(n.Zxid), n.format, uint64(version))
	switch {
	case state != Looking:
		if n.state == Looking {
			e.tell(from, state, current)
		}
	default:
		e.enqueue(n)
		if n.state == Looking && n.ElectionEpoch < round {
			e.tell(from, state, proposal)
		}
	}
	return nil
}

// seeConfig looks for a newer configuration in a notification and returns the version of the one in it.
func (e *Election) seeConfig(n *notification) int64 {
	current, _ := e.opt.Views()
	if n.config == nil || bytes.Equal(n.config, current.Bytes()) {
		if n.config == nil {
			return 0
		}
		return current.Version()
	}
	config, err := zoocfg.ParseVerifier(n.config)
	if err != nil {
		e.opt.Log.Warnf("Something went wrong while processing config received from %d: %v", n.from, err)
		return 0
	}
	if config.Version() > current.Version() && e.State() == Looking {
		e.opt.Log.Infof("%d Received version: %x my version: %x", e.opt.ID, config.Version(), current.Version())
		if e.opt.NewerConfig != nil && e.opt.NewerConfig(config) {
			e.Rebind()
			e.mu.Lock()
			e.restart = true
			e.mu.Unlock()
			e.signal()
		}
	}
	return config.Version()
}
