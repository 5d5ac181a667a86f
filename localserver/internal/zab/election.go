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

// Logger receives what a server logs.
type Logger interface {
	Infof(format string, args ...any)
	Warnf(format string, args ...any)
}

// ElectionOptions configure a server's part in elections. The functions are called from several
// goroutines and must not call back into the election, except for Vote and State.
type ElectionOptions struct {
	ID      int64
	Network Network
	Log     Logger

	// ListenAll listens on all of this machine's addresses, instead of the server's addresses in
	// Views.
	ListenAll bool

	// MultiAddress announces all of this server's addresses, which servers before 3.6 do not
	// understand (multiAddress.enabled).
	MultiAddress bool

	// Views returns the configuration in force and, during a change, the last one seen; otherwise
	// next is nil.
	Views func() (current, next View)

	Auth *Auth // as in PeerOptions

	// Observer reports whether this server is an observer (QuorumPeer.getLearnerType).
	Observer func() bool

	// NewerConfig is called with a configuration newer than the one in force, received from a peer
	// while this server was looking. If it returns true, Views and Observer have changed and the
	// election restarts. It may be nil.
	NewerConfig func(zoocfg.QuorumVerifier) bool

	// FinalizeWait is how long a quorum waits for a better vote from servers that may be up, and
	// the first interval after which votes are sent again; 0 means 200 ms. MaxNotificationInterval
	// bounds that interval, which doubles; 0 means 60 s. ConnectTimeout limits a connection attempt
	// and each write; 0 means 5 s.
	FinalizeWait, MaxNotificationInterval, ConnectTimeout time.Duration
}

// Election elects leaders and tells other servers who leads (FastLeaderElection). It listens from
// NewElection to Close. Methods may be called from any goroutine, but Look only by one at a time.
type Election struct {
	opt   ElectionOptions
	conns *electionConns
	wake  chan struct{} // capacity 1: the queue is not empty, or restart is set

	mu       sync.Mutex
	state    ServerState
	current  Vote            // the outcome of the last election
	proposal Vote            // in the current election
	round    int64           // the logical clock
	queue    []*notification // for Look
	restart  bool            // the configuration has changed
	addrs    []string        // see home
}

// maxElectionQueue bounds what peers can make Look remember; votes are sent again.
const maxElectionQueue = 1000

// NewElection starts to listen and to answer other servers.
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

// home returns this server's addresses, or those it had when it was last in the configuration:
// servers must be able to call back even one that is not a member yet, or no longer.
func (e *Election) home() []string {
	addrs := e.electionAddrs(e.opt.ID)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(addrs) > 0 {
		e.addrs = addrs
	}
	return e.addrs
}

// listenAddrs returns where to listen for connections to addrs.
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

// Rebind moves the listeners to this server's current addresses in Views. Connections stay open. If
// a port cannot be opened, nothing changes.
func (e *Election) Rebind() {
	if err := e.conns.listen(e.listenAddrs()); err != nil {
		e.opt.Log.Warnf("This server cannot be reached for elections where the configuration says: %v", err)
	}
}

// Close ends a Look, closes all connections and waits for all goroutines.
func (e *Election) Close() { e.conns.close() }

// State returns the state that this server reports to others.
func (e *Election) State() ServerState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// Vote returns the outcome of the last election, or the vote given to SetState since.
func (e *Election) Vote() Vote {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current
}

// SetState changes what this server tells others: Looking, from the loss of its leader until the
// next Look, or another leader without an election (a reconfiguration can name one).
func (e *Election) SetState(state ServerState, vote Vote) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state, e.current = state, vote
}

// SetEpoch puts the epoch that the leader and its quorum have started into the vote sent to others
// (QuorumPeer.updateElectionVote), so that latecomers see the same vote from all.
func (e *Election) SetEpoch(epoch int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.current.PeerEpoch = epoch
}

// Look elects a leader, and returns the winning vote and this server's new state. own is this
// server's vote: its id is ignored; its zxid is the last logged one, its epoch the current one.
// Until the next Look or SetState, other servers are told the outcome. An error means that ctx or
// the election ended.
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

// begin starts a round. A server without a vote proposes a vote that every other beats, in a round
// earlier than every other's: whoever receives it answers, and nobody joins its round.
// Differs(round-without-a-vote): Apache's member counts its rounds even without a vote, and starts
// over after it has learned of a newer configuration (QuorumPeer.shuttingDownLE). If the next
// configuration needs its vote, and it has once failed to follow, its round is ahead of the others'
// from then on: they ignore each other forever.
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

// views returns the configuration in force and the proposed one.
func (e *Election) views() []View {
	current, next := e.opt.Views()
	if next == nil || next.Version() <= current.Version() {
		return []View{current}
	}
	return []View{current, next}
}

// electionAddrs returns a member's addresses, or nil for a stranger.
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

// address returns the addresses that this server announces.
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

// tellAll sends the proposal to all voters, including this server.
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

// receive handles a message from a connection (WorkerReceiver): it answers servers that look for a
// leader, and passes votes to Look.
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
		// Its vote is of no use, but it may want ours. Two servers without a vote, both looking,
		// would answer each other forever.
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

// seeConfig handles the configuration in a notification, in case it is newer, and returns its version.
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
