package commands

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// ClientSession is the Session of the shell, the command line and tests. It opens its
// connection when Conn is first called. Its methods may be called from any goroutine.
type ClientSession struct {
	// OnEvent hears of every event of the open session, OnWatch of those to be printed:
	// all while PrintWatches is on. Both are called on the connection's own goroutine, one
	// event at a time, and may be nil. Set them before the first use.
	OnEvent func(client.Event)
	OnWatch func(client.Event)
	// Named returns the configuration of a session with what connect names, such as a
	// profile; ok is false for a connect string. It may be nil.
	Named func(name string) (cfg client.Config, ok bool, err error)

	mu      sync.Mutex
	cfg     client.Config
	conn    *client.Conn
	closed  bool // on purpose
	expired bool // an event said so
	silent  bool // printwatches off
}

// NewSession returns a session that is not open yet. cfg.OnEvent, unless nil, also hears of
// every event.
func NewSession(cfg client.Config) *ClientSession {
	return &ClientSession{cfg: cfg, OnEvent: cfg.OnEvent}
}

// Conn returns the session, connected or connecting. After expiry and after Close it is an
// error that says so and what to do.
func (s *ClientSession) Conn() (*client.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrNoSession
	case s.conn == nil:
		if err := s.open(); err != nil {
			return nil, err
		}
	}
	switch state := s.conn.State(); {
	case s.expired || state == client.Expired:
		return nil, fmt.Errorf("%w: session 0x%x is over, its ephemeral znodes and watches are gone; `connect` opens a new one",
			proto.ErrSessionExpired, uint64(s.conn.SessionID()))
	case state == client.AuthFailed:
		return nil, fmt.Errorf("%w: the server refused an identity of this session; `connect` opens a new one", proto.ErrAuthFailed)
	case state == client.Closed:
		return nil, ErrNoSession
	}
	return s.conn, nil
}

// open starts a connection; s.mu is held.
func (s *ClientSession) open() error {
	cfg := s.cfg
	var own *client.Conn // the connection that the events are of
	ready := make(chan struct{})
	cfg.OnEvent = func(e client.Event) {
		<-ready
		s.event(own, e)
	}
	conn, err := client.Open(cfg)
	own = conn
	close(ready)
	if err != nil {
		return err
	}
	s.conn, s.closed, s.expired = conn, false, false
	return nil
}

// event passes on what happened, unless the connection has been replaced.
func (s *ClientSession) event(from *client.Conn, e client.Event) {
	s.mu.Lock()
	if s.conn != from {
		s.mu.Unlock()
		return
	}
	if e.State == proto.StateExpired {
		s.expired = true
	}
	silent := s.silent
	s.mu.Unlock()
	if s.OnEvent != nil {
		s.OnEvent(e)
	}
	if s.OnWatch != nil && !silent {
		s.OnWatch(e)
	}
}

// Connect closes the session and opens one with the servers, which may be a name that Named
// knows, or with the same ones for "". It does not wait for the connection.
func (s *ClientSession) Connect(_ context.Context, servers string) error {
	named, isName := client.Config{}, false
	if servers != "" && s.Named != nil {
		var err error
		if named, isName, err = s.Named(servers); err != nil {
			return err
		}
	}
	s.mu.Lock()
	old := s.conn
	was := s.cfg
	switch {
	case isName:
		s.cfg = named
	case servers != "":
		s.cfg.Servers = servers
	}
	if err := s.open(); err != nil { // a connect string that cannot work leaves the session as it is
		s.cfg = was
		s.mu.Unlock()
		return err
	}
	s.mu.Unlock()
	if old != nil {
		_ = old.Close() // its servers may be gone, which is why one connects elsewhere
	}
	return nil
}

// Close closes the session; its ephemeral znodes go at once.
func (s *ClientSession) Close() error {
	s.mu.Lock()
	conn := s.conn
	s.conn, s.closed = nil, true
	s.mu.Unlock()
	if conn == nil {
		return nil
	}
	return conn.Close()
}

// MaxPacket is the longest request or reply, in bytes.
func (s *ClientSession) MaxPacket() int { return cmp.Or(s.cfg.MaxPacket, client.DefaultMaxPacket) }

// Servers is the connect string of the last session.
func (s *ClientSession) Servers() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Servers
}

// State is the session's state for a prompt: CONNECTING before the first use.
func (s *ClientSession) State() client.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return client.Closed
	case s.expired:
		return client.Expired
	case s.conn == nil:
		return client.Connecting
	}
	return s.conn.State()
}

// PrintWatches tells whether events are printed.
func (s *ClientSession) PrintWatches() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.silent
}

// SetPrintWatches decides whether events are printed.
func (s *ClientSession) SetPrintWatches(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = !on
}
