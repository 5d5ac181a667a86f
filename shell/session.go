package shell

import (
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/session"
)

// watchSession shows what happens to the session: events above the line, the state in the prompt.
// When the session expires, it opens a new one. The returned function stops it.
func (s *shell) watchSession() func() {
	opened := s.opts.Session
	events := make(chan client.Event, 1024)
	done := make(chan struct{})
	var wait sync.WaitGroup
	before := opened.OnEvent
	opened.OnEvent = func(e client.Event) {
		defer s.guard()
		if before != nil {
			before(e)
		}
		select {
		case events <- e:
		case <-done:
		}
	}
	connected := false // do not report the first connection
	opened.OnWatch = func(e client.Event) {
		defer s.guard()
		if e.Type == proto.EventNone && !connected {
			connected = true
			return
		}
		s.lines.Notice(compact(session.EventText(e)))
	}
	wait.Go(func() {
		defer s.guard()
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		var trouble trouble
		_, _ = opened.Conn() // starts connecting
		s.lines.Redraw()
		for {
			var ticks <-chan time.Time // none, and so no wake-ups, while all is well
			if opened.State() == client.Connecting {
				ticks = ticker.C
			}
			select {
			case <-done:
				return
			case <-ticks:
				s.lookForTrouble(&trouble)
			case <-s.ran:
			case e := <-events:
				if e.State == proto.StateSyncConnected || e.State == proto.StateConnectedReadOnly {
					trouble = s.noTrouble()
				}
				s.event(e)
			}
			s.lines.Redraw()
		}
	})
	return func() { close(done); wait.Wait() }
}

// compact removes the blank lines that zkCli prints within an event.
func compact(text string) string { return strings.ReplaceAll(text, "\n\n", "\n") }

// event handles one event.
func (s *shell) event(e client.Event) {
	if e.Type != proto.EventNone {
		s.forget(e.Path)
		return
	}
	switch e.State {
	case proto.StateSyncConnected, proto.StateConnectedReadOnly:
		if !s.opts.Transient {
			completions.RememberServers(s.opts.StateDir, s.opts.Session.Servers())
		}
		s.lines.Changed()
	case proto.StateExpired:
		s.lines.Notice("The session has expired. Its ephemeral znodes, watches and identities added by addauth are gone.")
		if err := s.opts.Session.Reopen(); err != nil {
			s.lines.Notice("Cannot open a new session: " + err.Error() + "; `connect` tries again.")
		} else {
			s.lines.Notice("Opening a new session.")
		}
	case proto.StateAuthFailed:
		s.lines.Notice("The server refused an identity and closed the session; `connect` opens a new one.")
	}
}

// trouble is why there is no connection.
type trouble struct{ seen, said string }

// lookForTrouble reports, once, why there is no connection, if that has lasted for a second: a
// restarting server refuses connections in several ways.
func (s *shell) lookForTrouble(t *trouble) {
	now := ""
	if s.opts.Session.State() == client.Connecting {
		if conn, err := s.opts.Session.Conn(); err != nil {
			now = err.Error()
		} else if err := conn.Err(); err != nil {
			now = err.Error()
			if advice := s.opts.Session.Advice(err); advice != "" {
				now += "; " + advice
			}
		}
	}
	switch {
	case now == "":
		*t = s.noTrouble()
	case now == t.seen && now != t.said:
		if !strings.Contains(s.failure.get(), now) { // a command has already reported it
			s.lines.Notice("No connection yet: " + now)
		}
		t.said = now
	}
	t.seen = now
}

// noTrouble is the state while connected: any later trouble is reported again.
func (s *shell) noTrouble() trouble {
	s.failure.set("")
	return trouble{}
}

// forget makes completion look up a changed znode again.
func (s *shell) forget(path string) {
	if s.complete != nil {
		s.complete.Fired(path)
	}
}
