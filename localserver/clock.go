package localserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/await"
)

// advancePatience bounds Advance if its context has no deadline.
const advancePatience = time.Minute

// Advance moves the clock of embedded members ahead by d, and returns when everything due by then
// has been done and every serving member has applied it:
//
//   - The sessions of clients that are not connected end if their timeouts have passed. A connected client counts as heard from all the time; the client of a paused member is not connected.
//   - TTL znodes whose time has passed, and containers that have lost their last child, are deleted, as if the leader checked at the end of d.
//
// Transactions have times of the moved clock. Communication among members, such as elections, and the
// deadlines of clients stay with the real one. The clock never moves back. Advance needs a leader,
// and all members must be embedded.
func (e *Ensemble) Advance(ctx context.Context, d time.Duration) error {
	if err := e.advance(ctx, d); err != nil {
		return fmt.Errorf("advance the clock by %v: %w", d, err)
	}
	return nil
}

func (e *Ensemble) advance(ctx context.Context, d time.Duration) error {
	if d < 0 {
		return errors.New("the clock cannot go back")
	}
	if err := e.onlyEmbedded(); err != nil {
		return err
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, advancePatience)
		defer cancel()
	}
	leader, err := e.WaitLeader(ctx)
	if err != nil {
		return err
	}
	e.move(d)
	for {
		s := leader.embedded()
		if s == nil {
			return errLeaderGone
		}
		zxid, leads := s.LastProposed()
		if !leads {
			return errLeaderGone
		}
		if err := e.awaitApplied(ctx, zxid); err != nil {
			return err
		}
		switch s.Reap() {
		case 0:
			return nil
		case -1:
			return errLeaderGone
		}
	}
}

var errLeaderGone = errors.New("the leader has changed meanwhile; the new one gives every session its full timeout")

// move moves the clocks of all embedded members.
func (e *Ensemble) move(d time.Duration) {
	e.clock.Lock() // nobody starts
	defer e.clock.Unlock()
	var connected []int64
	for _, m := range e.Members() {
		if s := m.embedded(); s != nil && !m.Paused() {
			connected = append(connected, s.Connected()...)
		}
	}
	e.mu.Lock()
	e.ahead += d
	e.mu.Unlock()
	for _, m := range e.Members() {
		if s := m.embedded(); s != nil {
			s.Advance(d, connected)
		}
	}
}

// awaitApplied waits until every member that serves has applied a transaction.
func (e *Ensemble) awaitApplied(ctx context.Context, zxid int64) error {
	for _, m := range e.Members() {
		err := await.Until(ctx, func() bool {
			s := m.embedded()
			return s == nil || m.mode(ctx) == "" || s.LastZxid() >= zxid
		})
		if err != nil {
			return fmt.Errorf("wait until member %d has applied transaction 0x%x: %w", m.id, uint64(zxid), err)
		}
	}
	return nil
}

// onlyEmbedded fails if there are Apache's members, whose clocks and trees are out of reach.
func (e *Ensemble) onlyEmbedded() error {
	for _, m := range e.Members() {
		if m.engine != Embedded {
			return fmt.Errorf("member %d is Apache's: %w", m.id, errEmbeddedOnly)
		}
	}
	return nil
}
