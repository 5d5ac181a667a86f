// Package client is one session with a ZooKeeper ensemble.
//
// [Open] starts the session's goroutine (session.go), which alone owns its state: which
// server it is connected to, which requests wait for a connection and which for a reply.
// Everything else hands it messages: callers their requests ([Conn.Do]), a connection's
// reader its frames (link.go), an attempt to connect its outcome (dial.go).
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// State is the state of a session, in the words that zkCli's prompt uses.
type State string

// States.
const (
	Connecting        State = "CONNECTING"
	Connected         State = "CONNECTED"
	ConnectedReadOnly State = "CONNECTEDREADONLY"
	Expired           State = "EXPIRED"
	AuthFailed        State = "AUTH_FAILED"
	Closed            State = "CLOSED"
)

// Alive tells whether the session may still serve requests, now or after a reconnect.
func (s State) Alive() bool { return s == Connecting || s == Connected || s == ConnectedReadOnly }

// Event is a watch that fired or, with Type EventNone, a change of the connection's state.
type Event struct {
	Type  proto.EventType
	State proto.KeeperState
	Path  string // below the chroot, as the server has it when outside; empty for a change of state
	Zxid  int64  // of the change, where the server says it (3.9), or -1
}

// Auth is an identity to add to the session.
type Auth struct {
	Scheme string
	Data   []byte
}

// Config says how to open a session. Only Servers is required.
type Config struct {
	Servers string // host:port,…/chroot
	// SessionTimeout is 30 s when 0; the server may negotiate another. It is also how long a
	// request, once sent, may wait for its reply, whatever else the server sends meanwhile.
	SessionTimeout time.Duration
	ReadOnly       bool // also take a server that is cut off from the quorum
	// Differs(one-round): zkCli always waits.
	Wait           bool          // requests wait up to SessionTimeout for a connection, not just one round over the servers
	TLS            *tls.Config   // nil for a plain connection; see TLSOptions
	MaxPacket      int           // jute.maxbuffer in bytes; 64 MiB when 0
	RequestTimeout time.Duration // bounds each request and the wait for a connection; 0 for no limit but SessionTimeout
	NoWatchReset   bool          // forget the watches when the connection breaks (zookeeper.disableAutoWatchReset)
	Auth           []Auth
	// OnEvent is called, one event at a time and in order, on a goroutine of its own; it
	// may call the Conn's methods.
	OnEvent func(Event)
	// Log takes a line about connecting and losing connections; it must not block. It may be nil.
	Log func(format string, args ...any)
	// Dial replaces the system's; it gets an address of Servers as host:port, not resolved.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Defaults of Config.
const (
	DefaultSessionTimeout = 30 * time.Second
	DefaultMaxPacket      = 64 << 20
)

// Conn is one session. Its methods may be called from any goroutine at once.
type Conn struct {
	chroot   string
	timeout  time.Duration // of one request; 0 for none
	calls    chan *call    // to the session
	closing  chan struct{} // closed by Close
	closed   atomic.Bool
	ended    chan struct{} // closed when the session's goroutine takes no more calls
	watches  watchTable
	status   atomic.Pointer[status]
	identity atomic.Pointer[[]Auth]
	closeErr error // valid once ended is closed
}

// status is what the session shows of itself; a new one replaces it at each change.
type status struct {
	state   State
	err     error
	id      int64
	timeout time.Duration
	server  string
}

// Identities are what the session has been told to be: Config.Auth and what AddAuth added.
func (c *Conn) Identities() []Auth { return slices.Clone(*c.identity.Load()) }

// Open starts a session in the background and returns at once. It fails only for a
// configuration that cannot work.
func Open(cfg Config) (*Conn, error) {
	addrs, chroot, err := ParseServers(cfg.Servers)
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.SessionTimeout < 0:
		return nil, fmt.Errorf("session timeout %v: it must be positive", cfg.SessionTimeout)
	case cfg.SessionTimeout == 0:
		cfg.SessionTimeout = DefaultSessionTimeout
	case cfg.SessionTimeout < time.Millisecond || cfg.SessionTimeout > (1<<31-1)*time.Millisecond:
		return nil, fmt.Errorf("session timeout %v: it must be from 1 to 2147483647 milliseconds", cfg.SessionTimeout)
	}
	switch {
	case cfg.MaxPacket < 0 || cfg.MaxPacket > 1<<31-1:
		return nil, fmt.Errorf("jute.maxbuffer %d: it must be from 1 to 2147483647 bytes", cfg.MaxPacket)
	case cfg.MaxPacket == 0:
		cfg.MaxPacket = DefaultMaxPacket
	}
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	c := &Conn{
		chroot:  chroot,
		timeout: cfg.RequestTimeout,
		calls:   make(chan *call, 256),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
	}
	c.status.Store(&status{state: Connecting})
	go newSession(c, cfg, addrs).run()
	return c, nil
}

// Do sends one request and waits for its reply, which is decoded into res unless nil. Any
// number of calls may wait at once; requests reach the server in the order of the calls.
// While the session connects the request waits, until a whole round over the addresses has
// failed. Paths are the server's. An error that the server answered is a bare proto.Error;
// the methods of Conn make it a *OpError.
func (c *Conn) Do(ctx context.Context, op proto.Op, req, res jute.Record) error {
	return c.run(newCall(ctx, op, req), res)
}

func (c *Conn) run(k *call, res jute.Record) error {
	if err := c.submit(k); err != nil {
		return err
	}
	err := k.result(res)
	k.release()
	return err
}

// submit hands the call over and waits until it is done. After an error, the call belongs
// to the session.
func (c *Conn) submit(k *call) error {
	ctx, op := k.ctx, k.op
	var timeout <-chan time.Time
	if c.timeout > 0 {
		t := time.NewTimer(c.timeout)
		defer t.Stop()
		timeout = t.C
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.calls <- k:
	case <-c.ended:
		return c.over(op)
	}
	select {
	case <-k.done:
		return nil
	case <-ctx.Done():
		return c.abandoned(context.Cause(ctx))
	case <-timeout:
		return c.abandoned(fmt.Errorf("%w: no reply to %v within %v", proto.ErrRequestTimeout, op, c.timeout))
	case <-c.ended:
		select {
		case <-k.done:
			return nil
		default:
			return c.over(op)
		}
	}
}

// abandoned adds to the reason why a caller gave up why there is no connection.
func (c *Conn) abandoned(err error) error {
	if s := c.status.Load(); s.state == Connecting && s.err != nil {
		return fmt.Errorf("%w while connecting: %w", err, s.err)
	}
	return err
}

// over is the failure of a request on a session that has ended.
func (c *Conn) over(op proto.Op) error {
	s := c.status.Load()
	return &LossError{Op: op, Code: s.state.code(), Cause: s.err}
}

// code is the error of a request that a session in this state cannot serve
// (ClientCnxn.conLossPacket).
func (s State) code() proto.Error {
	switch s {
	case AuthFailed:
		return proto.ErrAuthFailed
	case Expired, Closed:
		return proto.ErrSessionExpired
	}
	return proto.ErrConnectionLoss
}

// AddAuth adds an identity to the session, now and after each reconnect.
func (c *Conn) AddAuth(ctx context.Context, scheme string, data []byte) error {
	return c.op(ctx, "", proto.OpAuth, &proto.AuthPacket{Scheme: scheme, Auth: data}, nil)
}

// Close closes the session on the server, so that its ephemeral znodes go at once, and
// waits a few seconds at most for the server's word. Requests that wait for replies get
// them first. The error says that the server could not be told: then the session ends by
// its timeout. Further calls return the same.
func (c *Conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		close(c.closing)
	}
	<-c.ended
	return c.closeErr
}

// State is the session's state now.
func (c *Conn) State() State { return c.status.Load().state }

// WaitConnected returns when the session is connected, with the reason when it cannot be:
// a *LossError after a whole round over the addresses has failed (see Config.Wait).
func (c *Conn) WaitConnected(ctx context.Context) error {
	return c.run(newCall(ctx, opAwait, nil), nil)
}

// Err is why the session is not connected: the last round's failures, an address each
// (*RoundError), or what broke the connection or ended the session; nil when connected or
// when nothing has failed yet.
func (c *Conn) Err() error { return c.status.Load().err }

// SessionID is the id that the server gave, 0 before.
func (c *Conn) SessionID() int64 { return c.status.Load().id }

// SessionTimeout is the negotiated timeout, 0 before.
func (c *Conn) SessionTimeout() time.Duration { return c.status.Load().timeout }

// Server is the address of the server that the session is connected to, "" when it is not.
func (c *Conn) Server() string { return c.status.Load().server }

// Chroot is the connect string's chroot, "" when it has none.
func (c *Conn) Chroot() string { return c.chroot }

// errNotClosed says that Close could not reach the server.
var errNotClosed = errors.New("the server could not be told that the session is over; its ephemeral znodes go when it times out")
