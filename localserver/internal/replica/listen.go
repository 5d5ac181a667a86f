package replica

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// ListenMode says what is spoken on a port.
type ListenMode int

// Modes.
const (
	Plain   ListenMode = iota
	Secure             // TLS alone (secureClientPort)
	Unified            // TLS or not, as the client begins (client.portUnification)
)

// handshake is how long a client may take for TLS.
const handshake = 10 * time.Second

// Serve accepts clients on ln until the member is closed or CloseListener is called.
func (s *Replica) Serve(ln net.Listener, mode ListenMode) error {
	if mode != Plain && s.opt.TLS == nil {
		return fmt.Errorf("listen on %s: TLS needs a key store (ssl.keyStore.location)", ln.Addr())
	}
	l := &listener{ln, mode}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		ln.Close()
		return errClosed
	}
	s.listeners = append(s.listeners, l)
	s.log.Infof("binding to port %s", javaAddress(ln.Addr()))
	s.wg.Go(func() { s.accept(l) })
	return nil
}

func (s *Replica) accept(l *listener) {
	pause := time.Millisecond
	for {
		nc, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			over := s.closed || !s.has(l)
			s.mu.Unlock()
			if over {
				return
			}
			// Such as too many open files: clients that leave make room.
			s.log.Warnf("Error accepting new connection: %v", err)
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
			continue
		}
		pause = time.Millisecond
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			nc.Close()
			return
		}
		host := hostOf(nc)
		if err := s.admit(nc, host); err != nil {
			s.acceptErrors.log(fmt.Sprintf("Error accepting new connection: %v", err))
			nc.Close()
		} else {
			s.wg.Go(func() {
				defer s.dismiss(nc, host)
				s.welcome(nc, l.mode)
			})
		}
		s.mu.Unlock()
	}
}

// hostOf is a client's address without its port.
func hostOf(nc net.Conn) string {
	remote := nc.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

func (s *Replica) has(l *listener) bool {
	for _, one := range s.listeners {
		if one == l {
			return true
		}
	}
	return false
}

// CloseListener stops accepting on an address; those who are connected stay.
func (s *Replica) CloseListener(ln net.Listener) {
	s.mu.Lock()
	kept := s.listeners[:0:0]
	for _, l := range s.listeners {
		if l.Listener != ln {
			kept = append(kept, l)
		}
	}
	s.listeners = kept
	s.mu.Unlock()
	ln.Close()
}

func (s *Replica) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, a := range s.admins {
		a.close()
	}
	for _, l := range s.listeners {
		l.Close()
	}
	s.listeners = nil
}

// welcome brings a connection to where requests can be read.
func (s *Replica) welcome(nc net.Conn, mode ListenMode) {
	defer nc.Close()
	if t, ok := nc.(*net.TCPConn); ok {
		_ = t.SetNoDelay(true)
	}
	if mode == Unified {
		_ = nc.SetReadDeadline(time.Now().Add(s.opt.Sessionless))
		peeked := &peekedConn{Conn: nc, r: bufio.NewReaderSize(nc, 16)}
		head, err := peeked.r.Peek(1)
		if err != nil {
			return
		}
		nc, mode = peeked, Plain
		if head[0] == 0x16 { // the record type of a TLS handshake
			mode = Secure
		}
	}
	if mode == Secure {
		t := tls.Server(nc, s.opt.TLS)
		ctx, cancel := context.WithTimeout(context.Background(), handshake)
		s.handshakes.Add(1)
		err := t.HandshakeContext(ctx)
		s.handshakes.Add(-1)
		cancel()
		if err != nil {
			s.metrics.Add("unsuccessful_handshake", 1)
			s.log.Warnf("Unsuccessful handshake with %s: %v", javaAddress(nc.RemoteAddr()), err)
			return
		}
		nc = t
	}
	s.serveConn(nc, mode == Secure)
}

// peekedConn is a connection whose first bytes have been looked at.
type peekedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *peekedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// admit counts a connection, unless there are too many (NIOServerCnxnFactory.AcceptThread).
// s.mu is held.
func (s *Replica) admit(nc net.Conn, host string) error {
	if limit := s.opt.MaxCnxns; limit > 0 && len(s.open) >= limit {
		s.metrics.Add("connection_rejected", 1)
		s.log.Errorf("Too many connections %d - max is %d", len(s.open), limit)
		return fmt.Errorf("Too many connections max allowed is %d", limit)
	}
	if limit := s.opt.MaxClientCnxns; limit > 0 && s.byHost[host] >= limit {
		s.metrics.Add("connection_rejected", 1)
		return fmt.Errorf("Too many connections from /%s - max is %d", plainIP(host), limit)
	}
	s.open[nc] = struct{}{}
	s.byHost[host]++
	return nil
}

// dismiss undoes admit.
func (s *Replica) dismiss(nc net.Conn, host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, nc)
	if s.byHost[host]--; s.byHost[host] == 0 {
		delete(s.byHost, host)
	}
}

// hangUp closes all connections, also those that are not a client's yet or no more.
func (s *Replica) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for nc := range s.open {
		nc.Close()
	}
}
