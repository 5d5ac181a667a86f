// Package client is a session with a ZooKeeper ensemble.
//
// [Open] starts the session's goroutine (session.go), which owns all of its state: which server
// it is connected to, and which requests wait for a connection or for a reply. Everything else
// sends it messages: callers send their requests ([Conn.Do]), a connection's reader its frames
// (link.go), an attempt to connect its outcome (dial.go).
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl"
)

// State is the state of a session, as shown in zkCli's prompt.
type State string

// The states of a session.
const (
	Connecting        State = "CONNECTING"
	Connected         State = "CONNECTED"
	ConnectedReadOnly State = "CONNECTEDREADONLY"
	Expired           State = "EXPIRED"
	AuthFailed        State = "AUTH_FAILED"
	Closed            State = "CLOSED"
)

// Alive reports whether the session may still serve requests, now or after reconnecting.
func (s State) Alive() bool { return s == Connecting || s == Connected || s == ConnectedReadOnly }

// Event is a watch that fired or, with Type EventNone, a change of the connection's state.
type Event struct {
	Type  proto.EventType
	State proto.KeeperState
	Path  string // below the chroot; the server's path if outside it; empty for a change of state
	Zxid  int64  // of the change, if the server reports it (3.9), or -1
}

// Auth is an identity to add to the session.
type Auth struct {
	Scheme string
	Data   []byte
}

// Config configures a session. Only Servers is required.
type Config struct {
	Servers string // host:port,…/chroot
	// SessionTimeout defaults to 30 s; the server may negotiate another. It also limits how long
	// a request, once sent, may wait for its reply, whatever else the server sends meanwhile.
	SessionTimeout time.Duration
	ReadOnly       bool // also accept a server that is cut off from the quorum
	// Differs(one-round): zkCli always waits.
	Wait           bool           // requests wait up to SessionTimeout for a connection, instead of one round over the servers
	TLS            *tls.Config    // nil for a plain connection; see TLSOptions
	TLSStores      *TLSStores     // if not nil, what TLS was made from: connections use the stores as they are then
	MaxPacket      int            // jute.maxbuffer in bytes; 0 means 64 MiB
	RequestTimeout time.Duration  // limits each request and the wait for a connection; 0 means only SessionTimeout
	SASL           sasl.Mechanism // proven to each server before any request; nil for none
	NoWatchReset   bool           // forget the watches when the connection breaks (zookeeper.disableAutoWatchReset)
	Auth           []Auth
	Guard          Guard // that this configuration asks for
	// Guards returns the guard of sessions with any of the addresses, whatever the configuration. It may be nil.
	Guards func(addrs []Address) Guard
	// OnEvent is called with one event at a time, in order, on its own goroutine; it may call the
	// Conn's methods.
	OnEvent func(Event)
	// Watched is called with each event at once, on the session's own goroutine: before any reply that arrived after it is
	// passed on. So a caller that has a reply has seen all that the server had reported until then. It must be quick, and must
	// not call the Conn's methods. It may be nil.
	Watched func(Event)
	// Log logs a line about connecting or losing a connection; it must not block. It may be nil.
	Log func(format string, args ...any)
	// Warn reports what the user should know although the session goes on; it must not block. It may
	// be nil.
	Warn func(format string, args ...any)
	// Dial replaces the system's dialer; it gets an address from Servers as host:port, not
	// resolved.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// The defaults of Config.
const (
	DefaultSessionTimeout = 30 * time.Second
	DefaultMaxPacket      = 64 << 20
)

// Conn is a session. Its methods are safe for concurrent use.
type Conn struct {
	cfg      Config
	chroot   string
	guard    Guard
	timeout  time.Duration // for a request; 0 means none
	calls    chan *call    // to the session
	closing  chan struct{} // closed by Close
	closed   atomic.Bool
	ended    chan struct{} // closed when the session's goroutine accepts no more calls
	watches  watchTable
	status   atomic.Pointer[status]
	identity atomic.Pointer[[]Auth]
	zxid     atomic.Int64
	closeErr error          // valid once ended is closed
	closers  sync.WaitGroup // of other sessions that a walk has opened
}

// status is what the session shows of itself; each change replaces it.
type status struct {
	state   State
	err     error
	id      int64
	timeout time.Duration
	server  string
	heard   time.Time // from a server, before the connection broke
}

// Identities returns the identities that the session was given: Config.Auth and those added by
// AddAuth.
func (c *Conn) Identities() []Auth { return slices.Clone(*c.identity.Load()) }

// Open starts a session in the background and returns at once. It fails only if the configuration
// cannot work.
func Open(cfg Config) (*Conn, error) {
	addrs, chroot, err := ParseServers(cfg.Servers)
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.SessionTimeout < 0:
		return nil, fmt.Errorf("session timeout %v: must be positive", cfg.SessionTimeout)
	case cfg.SessionTimeout == 0:
		cfg.SessionTimeout = DefaultSessionTimeout
	case cfg.SessionTimeout < time.Millisecond || cfg.SessionTimeout > (1<<31-1)*time.Millisecond:
		return nil, fmt.Errorf("session timeout %v: must be from 1 to 2147483647 milliseconds", cfg.SessionTimeout)
	}
	switch {
	case cfg.MaxPacket < 0 || cfg.MaxPacket > 1<<31-1:
		return nil, fmt.Errorf("jute.maxbuffer %d: must be from 1 to 2147483647 bytes", cfg.MaxPacket)
	case cfg.MaxPacket == 0:
		cfg.MaxPacket = DefaultMaxPacket
	}
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	if cfg.Warn == nil {
		cfg.Warn = cfg.Log
	}
	c := &Conn{
		cfg:     cfg,
		chroot:  chroot,
		guard:   cfg.GuardOf(),
		timeout: cfg.RequestTimeout,
		calls:   make(chan *call, 256),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
	}
	c.status.Store(&status{state: Connecting})
	go newSession(c, cfg, addrs).run()
	return c, nil
}

// Do sends a request, waits for its reply and decodes it into res, unless that is nil. Any number
// of calls may wait at the same time; requests reach the server in the order of the calls. While
// the session is connecting the request waits, until a whole round over the addresses has failed.
// Paths are the server's. An error from the server is a bare proto.Error; the methods of Conn
// turn it into an *OpError. What the session's guard keeps away is a *GuardError.
func (c *Conn) Do(ctx context.Context, op proto.Op, req, res jute.Record) error {
	if err := c.guarded(ctx, op, req); err != nil {
		return err
	}
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

// submit passes the call to the session and waits until it is done. After an error, the call
// belongs to the session.
func (c *Conn) submit(k *call) error {
	ctx, op := k.ctx, k.op
	if err := c.pass(k); err != nil {
		return err
	}
	return c.await(ctx, op, k)
}

// pass passes the call to the session. Calls that one goroutine passes reach the server in that order.
func (c *Conn) pass(k *call) error {
	op := k.op
	if err := k.ctx.Err(); err != nil {
		return err
	}
	select {
	case c.calls <- k:
		return nil
	case <-c.ended:
		return c.over(op)
	}
}

// await waits until a call is done that was passed to the session.
func (c *Conn) await(ctx context.Context, op proto.Op, k *call) error {
	var timeout <-chan time.Time
	if c.timeout > 0 {
		t := time.NewTimer(c.timeout)
		defer t.Stop()
		timeout = t.C
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

// abandoned adds to the reason why a caller gave up the reason why there is no connection.
func (c *Conn) abandoned(err error) error {
	if s := c.status.Load(); s.state == Connecting && s.err != nil {
		return fmt.Errorf("%w while connecting: %w", err, s.err)
	}
	return err
}

// over is the error of a request on a session that has ended.
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

// Close closes the session on the server, so that its ephemeral znodes are removed at once, and
// waits at most a few seconds for the server's confirmation. Requests that wait for replies get
// them first. An error means that the server could not be reached: then the session ends by its
// timeout. Further calls return the same error.
func (c *Conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		close(c.closing)
	}
	<-c.ended
	c.closers.Wait()
	return c.closeErr
}

// State returns the current state of the session.
func (c *Conn) State() State { return c.status.Load().state }

// WaitConnected waits until the session is connected. If it cannot be, the error says why: a
// *LossError after a whole round over the addresses has failed (see Config.Wait).
func (c *Conn) WaitConnected(ctx context.Context) error {
	return c.run(newCall(ctx, opAwait, nil), nil)
}

// Err returns why the session is not connected: the failures of the last round, one per address
// (*RoundError), or what broke the connection or ended the session; nil if connected or if
// nothing has failed yet.
func (c *Conn) Err() error { return c.status.Load().err }

// SessionID returns the id assigned by the server, or 0 before that.
func (c *Conn) SessionID() int64 { return c.status.Load().id }

// Zxid returns the last transaction that a server had applied when it sent the last reply that was passed on, or 0 before
// that.
func (c *Conn) Zxid() int64 { return c.zxid.Load() }

// LastHeard returns when a server was last heard from before the connection broke, or now while there is one. The session can
// expire SessionTimeout after that.
func (c *Conn) LastHeard() time.Time {
	if s := c.status.Load(); s.server == "" && !s.heard.IsZero() {
		return s.heard
	}
	return time.Now()
}

// SessionTimeout returns the negotiated timeout, or 0 before that.
func (c *Conn) SessionTimeout() time.Duration { return c.status.Load().timeout }

// Server returns the address of the server that the session is connected to, or "" if it is not
// connected.
func (c *Conn) Server() string { return c.status.Load().server }

// Chroot returns the connect string's chroot, or "" if it has none.
func (c *Conn) Chroot() string { return c.chroot }

// errNotClosed means that Close could not reach the server.
var errNotClosed = errors.New("could not close the session on the server; its ephemeral znodes are removed when it times out")
