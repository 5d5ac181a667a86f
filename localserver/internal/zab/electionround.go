package zab

import (
	"context"
	"net"
	"slices"
	"time"
)

// electionRound is one run of Look's algorithm (FastLeaderElection.lookForLeader). Only its own
// goroutine uses it.
type electionRound struct {
	e   *Election
	own Vote // what this server proposes at first

	// votes are those of this round. outOfElection are those of servers that have a leader,
	// whatever their round: they lead a latecomer to the leader (ZOOKEEPER-1732).
	votes, outOfElection map[int64]ballot
}

// run exchanges votes until there is a leader.
func (r *electionRound) run(ctx context.Context) (Vote, error) {
	e := r.e
	e.opt.Log.Infof("New election. My id = %d, proposed zxid=0x%x", e.opt.ID, uint64(r.own.Zxid))
	e.tellAll()
	patience := e.opt.FinalizeWait
	for {
		n, err := e.next(ctx, patience, nil)
		if err != nil {
			return Vote{}, err
		}
		if n == nil {
			// Votes were lost, or servers are down. Sending also reconnects.
			e.tellAll()
			patience = min(2*patience, e.opt.MaxNotificationInterval)
			e.opt.Log.Infof("Notification time out: %d ms", patience.Milliseconds())
			continue
		}
		views := e.views()
		if !validVoter(views, n.ID) {
			e.opt.Log.Warnf("Ignoring notification for non-cluster member sid %d from sid %d", n.ID, n.from)
			continue
		}
		if !validVoter(views, n.from) {
			e.opt.Log.Warnf("Ignoring notification for sid %d from non-quorum member sid %d", n.ID, n.from)
			continue
		}
		done, vote := false, Vote{}
		switch n.state {
		case Looking:
			done, err = r.looking(ctx, n, views)
			vote = e.proposed()
		case Following, Leading:
			done, vote = r.established(n, views), n.Vote
		}
		if done || err != nil {
			return vote, err
		}
	}
}

// looking handles the vote of another server that is looking, and reports whether the proposal has
// won.
func (r *electionRound) looking(ctx context.Context, n *notification, views []View) (bool, error) {
	e := r.e
	proposal := e.proposed()
	if r.own.Zxid == -1 || n.Zxid == -1 {
		return false, nil // from a server that has lost its data
	}
	switch {
	case n.ElectionEpoch > proposal.ElectionEpoch:
		// The others are in a later round: join it.
		clear(r.votes)
		best := r.own
		if n.beats(r.own, views[0]) {
			best = n.Vote
		}
		best.ElectionEpoch = n.ElectionEpoch
		e.propose(best)
	case n.ElectionEpoch < proposal.ElectionEpoch:
		return false, nil // receive has sent it our vote
	case n.beats(proposal, views[0]):
		e.propose(n.Vote)
	case proposal.beats(n.Vote, views[0]):
		// It started looking after our vote was sent; ZooKeeper makes it wait until we send again.
		e.tell(n.from, Looking, proposal)
	}
	r.votes[n.from] = n.ballot
	proposal = e.proposed()
	if !decided(views, supporters(r.votes, ballot{Vote: proposal})) {
		return false, nil
	}
	for {
		n, err := e.next(ctx, e.opt.FinalizeWait, func() bool { return r.complete(views, proposal) })
		if n == nil {
			return err == nil, err
		}
		if n.beats(proposal, views[0]) {
			e.enqueue(n)
			return false, nil
		}
		if n.state == Looking && n.Vote == proposal && validVoter(views, n.from) {
			r.votes[n.from] = n.ballot
		}
	}
}

// complete reports whether there is nobody left to wait for: all have voted for the proposal except
// those whose ports are closed.
//
// Differs(election-skips-absent): Apache waits 200 ms for further votes in every election.
func (r *electionRound) complete(views []View, proposal Vote) bool {
	for _, view := range views {
		for _, m := range view.Voting() {
			if b, voted := r.votes[m.ID]; (!voted || b.Vote != proposal) && !r.e.conns.absent(m.ID) {
				return false
			}
		}
	}
	return true
}

// established handles the vote of a server that has a leader, and reports whether to follow that
// leader. The proposed configuration does not count: the others may never learn of it, and the
// leader checks whom it admits.
func (r *electionRound) established(n *notification, views []View) bool {
	e, round := r.e, r.e.proposed().ElectionEpoch
	wins := func(votes map[int64]ballot) bool {
		votes[n.from] = n.ballot
		ids := supporters(votes, n.ballot)
		quorum := slices.ContainsFunc(views, func(v View) bool { return decided([]View{v}, ids) })
		return quorum && leaderVouches(votes, e.opt.ID, round, n.ballot)
	}
	return n.ElectionEpoch == round && wins(r.votes) || wins(r.outOfElection)
}

// proposed returns this server's current proposal.
func (e *Election) proposed() Vote {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.proposal
}

// propose changes the proposal and its round, and sends it to all.
func (e *Election) propose(v Vote) {
	e.mu.Lock()
	e.proposal, e.round = v, v.ElectionEpoch
	e.mu.Unlock()
	e.tellAll()
}

// next takes a notification from the queue, or returns nil after d without one or once enough
// returns true. enough may be nil.
func (e *Election) next(ctx context.Context, d time.Duration, enough func() bool) (*notification, error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		e.mu.Lock()
		restart := e.restart
		var n *notification
		if len(e.queue) > 0 && !restart {
			n = e.queue[0]
			e.queue = e.queue[1:]
		}
		e.mu.Unlock()
		switch {
		case restart:
			return nil, errRestart
		case n != nil:
			return n, nil
		case enough != nil && enough():
			return nil, nil
		}
		select {
		case <-e.wake:
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-e.conns.ctx.Done():
			return nil, net.ErrClosed
		}
	}
}
