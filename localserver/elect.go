package localserver

import (
	"context"
	"fmt"
	"math"

	"github.com/zkctl/zkctl/localserver/zab"
)

// Elect forces an election: the leader, an embedded member, steps down, and the members find a
// new one, which may be the same. It returns the new leader when all embedded members that
// run serve under it.
func (e *Ensemble) Elect(ctx context.Context) (*Member, error) {
	old, err := e.WaitLeader(ctx)
	if err != nil {
		return nil, fmt.Errorf("force an election: %w", err)
	}
	if !e.distributed() {
		return old, nil
	}
	leader, epoch := e.peers()[old.id], e.epoch()
	if leader == nil {
		return nil, fmt.Errorf("force an election: the leader, member %d, is Apache's; stop, kill or pause it", old.id)
	}
	leader.Resign()
	var next *Member
	err = poll(ctx, func() bool {
		next = e.Leader(ctx)
		return next != nil && e.epoch() > epoch && e.agree(next.id)
	})
	if err != nil {
		return nil, fmt.Errorf("force an election: wait until all serve under a leader: %w", err)
	}
	return next, nil
}

// peers are the embedded members that run and are not paused.
func (e *Ensemble) peers() map[int64]*zab.Peer {
	peers := map[int64]*zab.Peer{}
	for _, m := range e.Members() {
		if s := m.embedded(); s != nil && !m.Paused() {
			peers[m.id] = s.quorum.(*peer).Peer
		}
	}
	return peers
}

// agree tells whether all embedded members take a member for the leader and serve.
func (e *Ensemble) agree(leader int64) bool {
	for _, p := range e.peers() {
		if s := p.Status(); s.Leader != leader || s.Zab != zab.Broadcasting {
			return false
		}
	}
	return true
}

// epoch is the least that an embedded member has taken on.
func (e *Ensemble) epoch() int64 {
	least := int64(math.MaxInt64)
	for _, p := range e.peers() {
		least = min(least, p.Status().CurrentEpoch)
	}
	return least
}
