package zab

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// leaderEnsemble is the ensemble of a leader's broadcast.
type leaderEnsemble struct{ l *leader }

func (e *leaderEnsemble) quorums() []zoocfg.QuorumVerifier { return e.l.p.views.quorums() }

func (e *leaderEnsemble) over(reason string) { e.l.cancel(errors.New(reason)) }

func (e *leaderEnsemble) propose(config []byte) error {
	q, err := zoocfg.ParseVerifier(config)
	if err != nil {
		return err
	}
	return e.l.p.views.propose(q)
}

func (e *leaderEnsemble) activate(config []byte, leader, zxid int64) {
	p := e.l.p
	q, err := zoocfg.ParseVerifier(config)
	if err != nil {
		e.over(err.Error()) // unlikely: it was parsed when proposed
		return
	}
	if leader != p.opt.ID {
		p.opt.Log.Infof("Committing a reconfiguration (reconfigEnabled=%t); this leader is not the designated leader anymore, setting allowedToCommit=false",
			p.opt.ReconfigEnabled)
	}
	p.activate(q, &leader, zxid)
}

func (e *leaderEnsemble) config() []byte { return e.l.p.views.inForce().Bytes() }

// designate is getDesignatedLeader: this member, if the configuration has it as a participant at
// the same address; otherwise the one with the most outstanding proposals.
func (e *leaderEnsemble) designate(config []byte, acks []zoocfg.IDs) int64 {
	self := e.l.p.opt.ID
	q, err := zoocfg.ParseVerifier(config)
	if err != nil {
		return self
	}
	was, _ := e.l.p.views.inForce().Member(self)
	is, ok := q.Member(self)
	if ok && is.Role == zoocfg.Participant && slices.Equal(was.Addrs, is.Addrs) {
		return self
	}
	var candidates []int64
	for _, m := range q.Voting() {
		if m.ID != self {
			candidates = append(candidates, m.ID)
		}
	}
	slices.Sort(candidates)
	for _, set := range acks {
		have := slices.DeleteFunc(slices.Clone(candidates), func(id int64) bool { return !set.Has(id) })
		if len(have) == 0 {
			break
		}
		candidates = have
	}
	if len(candidates) == 0 {
		return self
	}
	return candidates[0]
}

func (e *leaderEnsemble) reconfig(r *proto.ReconfigRequest, zxid int64, synced func(zoocfg.QuorumVerifier) bool) ([]byte, error) {
	p := e.l.p
	if !p.opt.ReconfigEnabled {
		return nil, proto.ErrReconfigDisabled
	}
	current, next := p.views.both()
	if next != nil {
		return nil, proto.ErrReconfigInProgress
	}
	q, err := zoocfg.NextVerifier(current, r, zxid, p.opt.Reconfig)
	if err != nil {
		p.opt.Log.Warnf("Reconfig refused: %v", err)
		if code := proto.Error(0); errors.As(err, &code) {
			return nil, code
		}
		return nil, proto.ErrBadArguments
	}
	if !synced(q) {
		p.opt.Log.Warnf("Reconfig failed - there must be a connected and synced quorum in new configuration")
		return nil, proto.ErrNewConfigNoQuorum
	}
	return q.Bytes(), nil
}

// Designate makes this member leave its role and follow another member, or lead, without an
// election, as if a reconfiguration had named that leader. If the others do not do the same, or
// lack part of its history, it looks for a leader as usual; a member that is already looking
// continues. It is for tests that need a particular leader.
func (p *Peer) Designate(leader int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endCurrent == nil {
		return // the designation must not apply at the end of some later role
	}
	p.views.mu.Lock()
	p.views.leader, p.views.change = leader, true
	p.views.mu.Unlock()
	p.endCurrent(fmt.Errorf("server %d is to lead", leader))
}

// Resign makes this member leave its role and look for a leader other than itself. A leader that
// lacks acknowledged transactions is refused, and the next election is an ordinary one.
func (p *Peer) Resign() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endCurrent != nil {
		p.humble = true
		p.endCurrent(errors.New("it was asked to resign"))
	}
}
