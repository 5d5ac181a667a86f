// Package session is the session of a shell or of a single command: it connects, authenticates,
// passes on events, and closes.
package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// Session is the session that the commands of a shell, or a single command, work on. It opens its
// connection when Conn is first called. It is safe for concurrent use.
type Session struct {
	// OnEvent is called for every event of the open session, OnWatch for those to be printed: all
	// of them while PrintWatches is on. Both are called on the connection's own goroutine, one
	// event at a time, and may be nil. Set them before the first use.
	OnEvent func(client.Event)
	OnWatch func(client.Event)
	// Named returns the configuration for a name, such as that of a profile, given to connect; ok
	// is false for a connect string. NamedOnly returns the configuration for a name alone; nothing
	// else is one. Advise is Advice. All may be nil.
	Named     func(name string) (cfg client.Config, ok bool, err error)
	NamedOnly func(name string) (client.Config, error)
	Advise    func(err error) string
	// Clients asks the members of an ensemble for the client of each session. It may return some of them together with the reason
	// why others are missing. It may be nil.
	Clients func(ctx context.Context, cfg client.Config) (map[int64]string, error)
	// Tree passes the whole tree of a member, as a snapshot of a zxid, to take. It comes from an AdminServer at one of the ports, which
	// are written as options have them, "" for the default. It may be nil.
	Tree func(ctx context.Context, cfg client.Config, adminPorts string, take func(zxid int64, snapshot io.Reader) error) error

	mu        sync.Mutex
	configure func() (client.Config, error) // nil once there is a configuration
	own       client.Config                 // for servers without a name
	cfg       client.Config                 // of conn
	conn      *client.Conn
	closed    bool              // on purpose
	expired   bool              // as reported by an event
	told      proto.KeeperState // of conn, in its last event
	silent    bool              // printwatches off
}

// ErrNone means that there is no session to work on.
var ErrNone = errors.New("Not connected; `connect host:port` opens a session")

// notTold is the state of a connection before its first event.
const notTold proto.KeeperState = -2

// New returns a session that is not open yet. configure is called when the session is first used. Unless the session has an
// OnEvent, that of the configuration is called for every event.
func New(configure func() (client.Config, error)) *Session {
	return &Session{configure: configure}
}

// Conn returns the session, connected or connecting. After expiry and after Close it returns an
// error that says so and what to do.
func (s *Session) Conn() (*client.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrNone
	case s.conn == nil:
		if err := s.configured(); err != nil {
			return nil, err
		}
		if err := s.open(); err != nil {
			return nil, err
		}
	}
	switch state := s.conn.State(); {
	case s.expired || state == client.Expired:
		return nil, fmt.Errorf("%w: session 0x%x has ended; its ephemeral znodes and watches are gone; `connect` opens a new one",
			proto.ErrSessionExpired, uint64(s.conn.SessionID()))
	case state == client.AuthFailed:
		return nil, fmt.Errorf("%w: the server refused an identity of this session; `connect` opens a new one", proto.ErrAuthFailed)
	case state == client.Closed:
		return nil, ErrNone
	}
	return s.conn, nil
}

// configured makes the configuration, if that was deferred; s.mu is held.
func (s *Session) configured() error {
	if s.configure == nil {
		return nil
	}
	cfg, err := s.configure()
	if err != nil {
		s.configure = func() (client.Config, error) { return cfg, err } // it is no better the next time
		return err
	}
	s.own, s.cfg, s.configure = cfg, cfg, nil
	if s.OnEvent == nil {
		s.OnEvent = cfg.OnEvent
	}
	return nil
}

// Config returns the configuration of the session, to contact its servers outside it.
func (s *Session) Config() (client.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.configured()
	return s.cfg, err
}

// open starts a connection; s.mu is held.
func (s *Session) open() error {
	conn, err := s.dial(s.cfg)
	if err == nil {
		s.take(conn, s.cfg)
	}
	return err
}

// dial starts a connection, whose events count once it is taken.
func (s *Session) dial(cfg client.Config) (*client.Conn, error) {
	var own *client.Conn // the connection that the events belong to
	ready := make(chan struct{})
	cfg.OnEvent = func(e client.Event) {
		<-ready
		s.event(own, e)
	}
	conn, err := client.Open(cfg)
	own = conn
	close(ready)
	return conn, err
}

// take makes the connection the session's; s.mu is held.
func (s *Session) take(conn *client.Conn, cfg client.Config) {
	s.conn, s.cfg, s.closed, s.expired, s.told = conn, cfg, false, false, notTold
}

// event passes on an event, unless the connection has been replaced.
func (s *Session) event(from *client.Conn, e client.Event) {
	s.mu.Lock()
	if s.conn != from || e.Type == proto.EventNone && e.State == s.told {
		s.mu.Unlock()
		return
	}
	if e.Type == proto.EventNone {
		s.told = e.State
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

// Connect opens a session with the servers, or with what Named returns for the name, or with the
// same servers for "". Once connected, it replaces the previous session, which is closed. On
// error the previous one stays.
func (s *Session) Connect(ctx context.Context, servers string) error {
	cfg, err := s.configOf(servers)
	if err != nil {
		return err
	}
	conn, err := s.dial(cfg)
	if err != nil {
		return err
	}
	if err := conn.WaitConnected(ctx); err != nil {
		_ = conn.Close()
		return err
	}
	s.replace(conn, cfg)
	return nil
}

// Reopen replaces a session that has ended with a new one with the same servers. It does not wait
// for the connection.
func (s *Session) Reopen() error {
	s.mu.Lock()
	cfg := s.cfg
	s.mu.Unlock()
	conn, err := s.dial(cfg)
	if err == nil {
		s.replace(conn, cfg)
	}
	return err
}

func (s *Session) replace(conn *client.Conn, cfg client.Config) {
	s.mu.Lock()
	old := s.conn
	s.take(conn, cfg)
	s.mu.Unlock()
	switch conn.State() { // its event may have come before it was taken
	case client.Connected:
		s.event(conn, client.Event{Type: proto.EventNone, State: proto.StateSyncConnected, Zxid: -1})
	case client.ConnectedReadOnly:
		s.event(conn, client.Event{Type: proto.EventNone, State: proto.StateConnectedReadOnly, Zxid: -1})
	}
	if old != nil {
		_ = old.Close() // its servers may be gone, which is why one connects elsewhere
	}
}

// configOf returns the configuration of a session with the servers. What a name brings, such as
// identities, applies only to its servers.
func (s *Session) configOf(servers string) (client.Config, error) {
	s.mu.Lock()
	err := s.configured()
	cfg, own := s.cfg, s.own
	s.mu.Unlock()
	if err != nil || servers == "" {
		return cfg, err
	}
	if s.Named != nil {
		if named, found, err := s.Named(servers); found || err != nil {
			return named, err
		}
	}
	own.Servers, own.Guard.Own = servers, false
	return own, nil
}

// ConfigOf returns the configuration that a name brings: that of a profile or a local server. Nothing of
// the session at hand is in it.
func (s *Session) ConfigOf(name string) (client.Config, error) {
	if s.NamedOnly == nil {
		return client.Config{}, errors.New("names of profiles and local servers are not known here")
	}
	s.mu.Lock()
	_ = s.configured() // what is wrong with it concerns other servers; its guard may count for all
	s.mu.Unlock()
	return s.NamedOnly(name)
}

// Apart returns the configuration of another session beside this one, with the same identities and without its events.
func (s *Session) Apart() (client.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return client.Config{}, ErrNone
	}
	err := s.configured()
	cfg := s.cfg
	cfg.OnEvent = nil
	if s.conn != nil {
		cfg.Auth = s.conn.Identities()
	}
	return cfg, err
}

// PlainConfig returns the configuration of an anonymous session without TLS. Only limits are those of
// the session at hand.
func (s *Session) PlainConfig(servers string) client.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.configured() // what is wrong with it concerns other servers
	return client.Config{Servers: servers, SessionTimeout: s.own.SessionTimeout, MaxPacket: s.own.MaxPacket, Wait: s.own.Wait, Log: s.own.Log, Guards: s.own.Guards}
}

// Advice returns what may help against a connection error, or "".
func (s *Session) Advice(err error) string {
	if s.Advise == nil {
		return ""
	}
	return s.Advise(err)
}

// Close closes the session; its ephemeral znodes are removed at once.
func (s *Session) Close() error {
	s.mu.Lock()
	conn := s.conn
	s.conn, s.closed = nil, true
	s.mu.Unlock()
	if conn == nil {
		return nil
	}
	return conn.Close()
}

// MaxPacket returns the length of the longest request or reply, in bytes.
func (s *Session) MaxPacket() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.configured() // Conn reports the error
	return cmp.Or(s.cfg.MaxPacket, client.DefaultMaxPacket)
}

// Servers returns the connect string of the last session.
func (s *Session) Servers() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.configured()
	return s.cfg.Servers
}

// Guard returns the guard of the last session that was opened.
func (s *Session) Guard() client.Guard {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return client.Guard{}
	}
	return s.conn.Guard()
}

// State returns the session's state for a prompt: CONNECTING before the first use.
func (s *Session) State() client.State {
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

// PrintWatches reports whether events are printed.
func (s *Session) PrintWatches() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.silent
}

// SetPrintWatches sets whether events are printed.
func (s *Session) SetPrintWatches(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = !on
}
