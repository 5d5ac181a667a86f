package localserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/tlsstore"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// memberNetwork adds TLS between members (QuorumX509Util), on election and quorum ports alike: with
// sslQuorum this member connects to others with TLS, and with portUnification others may connect with or
// without.
type memberNetwork struct {
	zab.Network
	live    *tlsstore.Live
	secure  bool          // connect with TLS
	unified bool          // accept connections without TLS, too
	detect  time.Duration // how long the first byte may take, if unified
}

// withTLS returns the network of a member whose configuration asks for TLS.
func withTLS(plain zab.Network, cfg *zoocfg.Config, r release.Release, log *zklog.Logger) (zab.Network, error) {
	if !cfg.MembersUseTLS() {
		return plain, nil
	}
	if !cfg.QuorumUsesTLS && cfg.QuorumTLS.KeyStore.Location == "" {
		log.Warnf("portUnification has no effect: ssl.quorum.keyStore.location is not set")
		return plain, nil
	}
	live, err := openTLS("ssl.quorum.", &cfg.QuorumTLS, r, cfg.QuorumReload, log)
	if err == nil && cfg.QuorumTLS.TrustStore.Location == "" {
		err = fmt.Errorf("ssl.quorum.trustStore.location is not set; it must name the authorities of the members' certificates")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: TLS between members: %w", ErrConfig, err)
	}
	return &memberNetwork{plain, live, cfg.QuorumUsesTLS, cfg.QuorumUnified, cfg.QuorumTLS.HandshakeDetectionTimeout}, nil
}

func (n *memberNetwork) Listen(addr string) (net.Listener, error) {
	ln, err := n.Network.Listen(addr)
	if err != nil {
		return nil, err
	}
	return &memberListener{ln, n, n.live.Server()}, nil
}

// Dial returns after the handshake, in which the other member has proved who it is.
func (n *memberNetwork) Dial(ctx context.Context, addr string) (net.Conn, error) {
	nc, err := n.Network.Dial(ctx, addr)
	if err != nil || !n.secure {
		return nc, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err == nil {
		secure := tls.Client(nc, n.live.Client(host, nc.RemoteAddr()))
		if err = secure.HandshakeContext(ctx); err == nil {
			return &dialledConn{Conn: secure, raw: nc}, nil
		}
	}
	_ = nc.Close()
	return nil, err
}

// dialledConn is a connection to another member. One that nothing was read from, because the other is
// to call back, ends when the other end has had time to read: what arrives unread at its closed end, such as
// a session ticket, would make the system drop what was sent.
type dialledConn struct {
	*tls.Conn
	raw  net.Conn
	read atomic.Bool
	once sync.Once
}

const parting = 5 * time.Second

func (c *dialledConn) Read(p []byte) (int, error) {
	c.read.Store(true)
	return c.Conn.Read(p)
}

// Close does not wait.
func (c *dialledConn) Close() error {
	if c.read.Load() {
		return c.raw.Close()
	}
	c.once.Do(func() {
		go func() {
			_ = c.raw.SetDeadline(time.Now().Add(parting))
			_ = c.Conn.CloseWrite()
			_, _ = io.Copy(io.Discard, io.LimitReader(c.raw, 1<<20))
			_ = c.raw.Close()
		}()
	})
	return nil
}

type memberListener struct {
	net.Listener
	n      *memberNetwork
	config *tls.Config
}

// Accept does not wait for the handshake, which the first Read or Write makes.
func (l *memberListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !l.n.unified {
		return &acceptedConn{Conn: nc, way: tls.Server(nc, l.config)}, nil
	}
	return &acceptedConn{Conn: nc, unified: l}, nil
}

// acceptedConn is a connection from another member, with or without TLS.
type acceptedConn struct {
	net.Conn
	unified *memberListener // how to find out; nil if way is known
	way     net.Conn        // what is read and written

	once   sync.Once
	err    error
	mu     sync.Mutex
	readBy time.Time
}

// found determines whether the other member uses TLS (UnifiedServerSocket).
func (c *acceptedConn) found() error {
	if c.unified == nil {
		return nil
	}
	c.once.Do(func() {
		c.mu.Lock()
		by := time.Now().Add(c.unified.n.detect)
		if !c.readBy.IsZero() && c.readBy.Before(by) {
			by = c.readBy
		}
		_ = c.Conn.SetReadDeadline(by)
		c.mu.Unlock()
		var secure bool
		if c.way, secure, c.err = tlsstore.Sniff(c.Conn); c.err != nil {
			return
		}
		c.mu.Lock()
		_ = c.Conn.SetReadDeadline(c.readBy)
		c.mu.Unlock()
		if secure {
			c.way = tls.Server(c.way, c.unified.config)
		}
	})
	return c.err
}

func (c *acceptedConn) Read(p []byte) (int, error) {
	if err := c.found(); err != nil {
		return 0, err
	}
	return c.way.Read(p)
}

func (c *acceptedConn) Write(p []byte) (int, error) {
	if err := c.found(); err != nil {
		return 0, err
	}
	return c.way.Write(p)
}

func (c *acceptedConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.Conn.SetWriteDeadline(t)
}

func (c *acceptedConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readBy = t
	return c.Conn.SetReadDeadline(t)
}
