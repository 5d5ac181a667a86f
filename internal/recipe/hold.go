package recipe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// Loss is why a lock must be taken for lost.
type Loss struct {
	Err error
	By  time.Time // when whoever works under the lock must have ended; it may be past
}

// Hold waits until the held lock is lost, or must be taken for lost, and says why; nil when ctx ends first. It is lost if the session
// has expired, or somebody has deleted the znode. It must be taken for lost so long before the session can expire that there is
// time left to end what works under the lock: grace, but not more than a third of the session's timeout.
//
// The session expires on the server's clock, its timeout after the server last heard from this client. The client counts from when it
// last heard from the server, which is later by less than a round trip; servers round up to a tick.
func (l *Lock) Hold(ctx context.Context, grace time.Duration) *Loss {
	for {
		next := l.next()
		if l.conn.State() == client.Connected || l.conn.State() == client.ConnectedReadOnly {
			loss := l.check(ctx, grace)
			if loss != nil || ctx.Err() != nil {
				return loss
			}
		}
		timeout := l.conn.SessionTimeout()
		expires := l.conn.LastHeard().Add(timeout)
		due := expires.Add(-min(grace, timeout/3))
		var late <-chan time.Time
		switch state := l.conn.State(); {
		case !state.Alive():
			return &Loss{fmt.Errorf("session 0x%x has expired, and the lock with it", uint64(l.conn.SessionID())), time.Now().Add(grace)}
		case state == client.Connecting:
			if !time.Now().Before(due) {
				return &Loss{fmt.Errorf("no server has answered for %v; the lock may be lost at %s", time.Since(l.conn.LastHeard()).Round(time.Millisecond),
					expires.Format(time.TimeOnly)), expires}
			}
			late = time.After(time.Until(due))
		}
		select {
		case <-next:
		case <-late:
		case <-ctx.Done():
			return nil
		}
	}
}

// check asks for the lock's znode and watches it.
func (l *Lock) check(ctx context.Context, grace time.Duration) *Loss {
	stat, err := l.conn.Exists(ctx, l.Znode(), true)
	if errors.Is(err, proto.ErrNoNode) || err == nil && stat.Czxid != l.token {
		return &Loss{fmt.Errorf("the lock's znode %s was deleted by somebody else", l.Znode()), time.Now().Add(grace)}
	}
	return nil // after any other error an event follows
}
