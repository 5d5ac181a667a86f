package zab

import (
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// ZabState is a member's phase (QuorumPeer.ZabState).
type ZabState int32

// The states.
const (
	Electing ZabState = iota
	Discovery
	Synchronization
	Broadcasting
)

func (s ZabState) String() string {
	return [...]string{"ELECTION", "DISCOVERY", "SYNCHRONIZATION", "BROADCAST"}[s]
}

// Status is a member's state, for monitoring.
type Status struct {
	State        ServerState
	Zab          ZabState
	SyncMode     string // DIFF, TRUNC or SNAP while it synchronises
	Leader       int64  // -1 while it looks for one
	Observer     bool
	ElectionTook time.Duration // of the last election

	AcceptedEpoch, CurrentEpoch int64
	LastLogged                  int64 // zxid of the last proposal queued for the log

	// For a leader.
	Proposed, Committed, Proposals int64
	Outstanding                    int
	PendingSyncs                   int // outstanding proposals that learners' syncs wait for
	Learners                       []LearnerStatus

	Config, NextConfig zoocfg.QuorumVerifier // NextConfig is nil if none is proposed
}

// LearnerStatus is a learner as its leader sees it.
type LearnerStatus struct {
	ID           int64
	Addr         string
	Observer     bool
	Synced       bool   // it has been sent UPTODATE
	Mode         string // how it was synchronised
	Acked        int64  // the last zxid on its disk; 0 for an observer
	Since        time.Time
	QueuedFrames int
	QueuedBytes  int64
	Sent         int64 // packets
	Received     int64
	Requests     int64
}

func (p *Peer) setState(s ServerState, leader int64, took time.Duration) {
	p.mu.Lock()
	p.state, p.following, p.zab, p.mode = s, leader, Electing, ""
	if s != Looking {
		p.zab, p.electionTook = Discovery, took
	}
	p.mu.Unlock()
	if s != Looking {
		p.tellState()
	}
}

func (p *Peer) setZabState(s ZabState) {
	p.mu.Lock()
	p.zab = s
	p.mu.Unlock()
	p.tellState()
}

func (p *Peer) setSyncMode(mode string) {
	p.mu.Lock()
	same := p.mode == mode
	p.mode = mode
	p.mu.Unlock()
	if !same {
		p.tellState()
	}
}

func (p *Peer) tellState() { p.opt.Log.Infof("Peer state changed: %s", p.DetailedState()) }

// DetailedState returns the state in ZooKeeper's words, such as "following - broadcast".
func (p *Peer) DetailedState() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := strings.ToLower(p.state.String())
	if p.zab != Electing {
		text += " - " + strings.ToLower(p.zab.String())
	}
	if p.mode != "" {
		text += " - " + strings.ToLower(p.mode)
	}
	return text
}

func (p *Peer) setLeader(l *leader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leader = l
}

func (p *Peer) setLearner(l *learner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.learner = l
}

// Status returns the member's state.
func (p *Peer) Status() Status {
	config, next := p.views.both()
	p.mu.Lock()
	s := Status{State: p.state, Zab: p.zab, SyncMode: p.mode, Leader: p.following, ElectionTook: p.electionTook,
		AcceptedEpoch: p.accepted, CurrentEpoch: p.current, Config: config, NextConfig: next}
	l, j := p.leader, p.journal
	p.mu.Unlock()
	s.Observer = p.views.isObserver()
	s.LastLogged = j.Last()
	if l == nil {
		return s
	}
	l.b.mu.Lock()
	s.Proposed, s.Committed, s.Proposals, s.Outstanding = l.b.proposed, l.b.committed, l.b.proposals, len(l.b.outstanding)
	for _, o := range l.b.outstanding {
		if len(o.syncs) > 0 {
			s.PendingSyncs++
		}
	}
	l.b.mu.Unlock()
	for _, c := range l.learners() {
		s.Learners = append(s.Learners, c.status())
	}
	slices.SortFunc(s.Learners, func(a, b LearnerStatus) int { return int(a.ID - b.ID) })
	return s
}

func (c *learnerConn) status() LearnerStatus {
	s := LearnerStatus{Addr: c.conn.RemoteAddr().String(), Since: c.since}
	s.QueuedFrames, s.QueuedBytes = c.queue.length()
	c.queue.mu.Lock()
	s.Sent = c.queue.sent
	c.queue.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.ID, s.Observer, s.Synced, s.Mode = c.id, c.observer, c.synced, c.mode
	s.Acked, s.Received, s.Requests = c.acked, c.packetsIn, c.requests
	return s
}
