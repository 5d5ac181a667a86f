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

// watchSession shows what happens to the session: events above the line, the state in the
// prompt. After an expiry it opens a new session. The function that it returns ends that.
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
	connected := false // the first connection is no news
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
		_, _ = opened.Conn() // begins to connect
		s.lines.Redraw()
		for {
			var ticks <-chan time.Time // none, and no wake-ups, while all is well
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

// compact leaves out the blank lines that zkCli prints within an event.
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
		s.lines.Notice("The session has expired: its ephemeral znodes and watches are gone, and so are identities that addauth added.")
		if err := s.opts.Session.Reopen(); err != nil {
			s.lines.Notice("A new session cannot be opened: " + err.Error() + "; `connect` tries again.")
		} else {
			s.lines.Notice("A new session is being opened.")
		}
	case proto.StateAuthFailed:
		s.lines.Notice("The server refused an identity, and the session is over; `connect` opens a new one.")
	}
}

// trouble is why there is no connection.
type trouble struct{ seen, said string }

// lookForTrouble says, once, why there is no connection, when that has lasted for a second:
// a server that restarts refuses in several ways.
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
		if !strings.Contains(s.failure.get(), now) { // a command has said so
			s.lines.Notice("No connection yet: " + now)
		}
		t.said = now
	}
	t.seen = now
}

// noTrouble is that of a connection: what comes after it is said again.
func (s *shell) noTrouble() trouble {
	s.failure.set("")
	return trouble{}
}

// forget has a znode that changed looked up again by completion.
func (s *shell) forget(path string) {
	if s.complete != nil {
		s.complete.Fired(path)
	}
}
