package localserver

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// electPatience is how long the others have to elect a new leader while Apache's leader is
// stopped.
const electPatience = 10 * time.Second

// startPatience is how long the old leader then has to start again, whatever the caller's
// deadline is.
const startPatience = time.Minute

// electTries is how often Elect asks a leader to step down if the same one comes back although
// another could lead: the one elected did not serve in time.
const electTries = 3

// Elect forces an election: the leader steps down and votes for the best of the others. It may
// lead again, if only it has everything that was acknowledged. If the leader is an Apache member,
// it is stopped and restarted. Elect returns the new leader once all running embedded members
// serve under it.
func (e *Ensemble) Elect(ctx context.Context) (*Member, error) {
	old, err := e.WaitLeader(ctx)
	next := old
	for n := 0; err == nil && n < electTries && next == old && e.distributed(); n++ {
		next, err = e.elect(ctx, old)
	}
	if err != nil {
		return nil, fmt.Errorf("force an election: %w", err)
	}
	return next, nil
}

// elect makes the leader step down once.
func (e *Ensemble) elect(ctx context.Context, old *Member) (next *Member, err error) {
	epoch := int64(-1)
	switch leader := e.peers()[old.id]; {
	case old.engine == Apache:
		if err = old.Stop(); err == nil {
			apart, cancel := context.WithTimeout(ctx, electPatience)
			_, _ = e.WaitLeader(apart) // without the old one there may be no quorum
			cancel()
			again, cancel := context.WithTimeout(context.WithoutCancel(ctx), startPatience)
			err = old.Start(again)
			cancel()
		}
	case leader == nil:
		err = fmt.Errorf("the leader, member %d, was just stopped", old.id)
	default:
		epoch = e.epoch()
		leader.Resign()
	}
	if err != nil {
		return nil, err
	}
	err = await.Until(ctx, func() bool {
		var none error
		next, none = e.Leader(ctx)
		return none == nil && e.epoch() > epoch && e.agree(next.id)
	})
	if err != nil {
		return nil, fmt.Errorf("wait until all serve under a leader: %w", err)
	}
	return next, nil
}

// peers returns the embedded members that are running and not paused.
func (e *Ensemble) peers() map[int64]*zab.Peer {
	peers := map[int64]*zab.Peer{}
	for _, m := range e.Members() {
		if s := m.embedded(); s != nil && !m.Paused() {
			peers[m.id] = s.quorum.(*peer).Peer
		}
	}
	return peers
}

// agree reports whether all embedded members take a member for the leader and serve.
func (e *Ensemble) agree(leader int64) bool {
	for _, p := range e.peers() {
		if s := p.Status(); s.Leader != leader || s.Zab != zab.Broadcasting {
			return false
		}
	}
	return true
}

// epoch returns the lowest current epoch of the embedded members.
func (e *Ensemble) epoch() int64 {
	least := int64(math.MaxInt64)
	for _, p := range e.peers() {
		least = min(least, p.Status().CurrentEpoch)
	}
	return least
}
