package localserver

import (
	"errors"
	"fmt"
	"time"
)

var errEmbeddedOnly = errors.New("only an embedded member can do that")

// ExpireSession ends a session now, as if its client had been silent for too long: its
// ephemeral znodes go, and its client learns that it has expired.
func (e *Ensemble) ExpireSession(session int64) error {
	for _, m := range e.Members() {
		if s := m.embedded(); s != nil && s.ExpireSession(session) {
			return nil
		}
	}
	return fmt.Errorf("expire session 0x%x: no embedded member leads and knows it, or has it as a local session", uint64(session))
}

// DropConnections closes the clients' connections to embedded members, and returns how many
// there were. The sessions live on.
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

// Refuse has embedded members turn away clients that want a session, a new one or theirs
// again, until d has passed; at once with d 0 they are welcome again. Those who are connected
// stay.
func (e *Ensemble) Refuse(d time.Duration) {
	for _, m := range e.Members() {
		m.Refuse(d)
	}
}

// Refuse is Ensemble.Refuse for one member. It ends with the member's run.
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
