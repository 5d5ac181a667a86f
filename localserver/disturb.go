package localserver

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errEmbeddedOnly = errors.New("only embedded members support this")

// ExpireSession ends a session, as if its client had been silent for too long, and returns when no
// serving member has its ephemeral znodes anymore. A connected client is disconnected; it learns
// that its session has expired when it reconnects.
func (e *Ensemble) ExpireSession(ctx context.Context, session int64) error {
	for _, m := range e.Members() {
		s := m.embedded()
		if s == nil || !s.ExpireSession(session) {
			continue
		}
		if zxid, leads := s.LastProposed(); leads {
			if err := e.awaitApplied(ctx, zxid); err != nil {
				return fmt.Errorf("expire session 0x%x: %w", uint64(session), err)
			}
		}
		return nil
	}
	return fmt.Errorf("expire session 0x%x: neither an embedded leader nor, as a local session, an embedded member knows it", uint64(session))
}

// DropConnections closes the clients' connections to embedded members, and returns how many there
// were. The sessions stay alive.
func (e *Ensemble) DropConnections() (n int) {
	for _, m := range e.Members() {
		n += m.DropConnections()
	}
	return n
}

// DropConnections is Ensemble.DropConnections for one member.
func (m *Member) DropConnections() int {
	if s := m.embedded(); s != nil {
		return s.DropConnections()
	}
	return 0
}

// Refuse makes embedded members refuse clients that want a new session, or want to resume one,
// until d has passed; d 0 ends that at once. Connected clients stay connected.
func (e *Ensemble) Refuse(d time.Duration) {
	for _, m := range e.Members() {
		m.Refuse(d)
	}
}

// Refuse is Ensemble.Refuse for a single member. It ends when the member stops.
func (m *Member) Refuse(d time.Duration) {
	s := m.embedded()
	if s == nil {
		return
	}
	s.Refuse(d > 0)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.welcome != nil {
		m.welcome.Stop()
	}
	if d > 0 {
		m.welcome = time.AfterFunc(d, func() { s.Refuse(false) })
	}
}
