package replica

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/zkctl/zkctl/internal/tlsstore"
)

// ListenMode is what a port accepts.
type ListenMode int

// Modes.
const (
	Plain   ListenMode = iota
	Secure             // only TLS (secureClientPort)
	Unified            // TLS or plain text, as the client chooses (client.portUnification)
)

// handshake limits a client's TLS handshake.
const handshake = 10 * time.Second

// Serve accepts clients on ln until the member is closed or CloseListener is called.
func (s *Replica) Serve(ln net.Listener, mode ListenMode) error {
	if mode != Plain && s.opt.TLS == nil {
		return fmt.Errorf("listen on %s: TLS needs a key store (ssl.keyStore.location)", ln.Addr())
	}
	l := &listener{ln, mode}
	s.accepting.mu.Lock()
	defer s.accepting.mu.Unlock()
	if s.accepting.closed {
		ln.Close()
		return errClosed
	}
	s.accepting.listeners = append(s.accepting.listeners, l)
	s.log.Infof("binding to port %s", javaAddress(ln.Addr()))
	s.wg.Go(func() { s.accept(l) })
	return nil
}

func (s *Replica) accept(l *listener) {
	pause := time.Millisecond
	for {
		nc, err := l.Accept()
		if err != nil {
			s.accepting.mu.Lock()
			over := s.accepting.closed || !s.has(l)
			s.accepting.mu.Unlock()
			if over {
				return
			}
			// For example too many open files; clients that disconnect make room.
			s.log.Warnf("Error accepting new connection: %v", err)
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
			continue
		}
		pause = time.Millisecond
		s.accepting.mu.Lock()
		if s.accepting.closed {
			s.accepting.mu.Unlock()
			nc.Close()
			return
		}
		host := hostOf(nc)
		if err := s.admit(nc, host); err != nil {
			s.accepting.acceptErrors.log(fmt.Sprintf("Error accepting new connection: %v", err))
			nc.Close()
		} else {
			s.wg.Go(func() {
				defer s.dismiss(nc, host)
				s.welcome(nc, l.mode)
			})
		}
		s.accepting.mu.Unlock()
	}
}

// hostOf returns a client's address without the port.
func hostOf(nc net.Conn) string {
	remote := nc.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

func (s *Replica) has(l *listener) bool {
	for _, one := range s.accepting.listeners {
		if one == l {
			return true
		}
	}
	return false
}

// CloseListener stops accepting on an address; existing connections stay open.
func (s *Replica) CloseListener(ln net.Listener) {
	s.accepting.mu.Lock()
	kept := s.accepting.listeners[:0:0]
	for _, l := range s.accepting.listeners {
		if l.Listener != ln {
			kept = append(kept, l)
		}
	}
	s.accepting.listeners = kept
	s.accepting.mu.Unlock()
	ln.Close()
}

func (s *Replica) closeListeners() {
	s.accepting.mu.Lock()
	defer s.accepting.mu.Unlock()
	s.accepting.closed = true
	for _, w := range s.accepting.web {
		w.close()
	}
	for _, l := range s.accepting.listeners {
		l.Close()
	}
	s.accepting.listeners = nil
}

// welcome prepares a connection up to the point where requests can be read.
func (s *Replica) welcome(nc net.Conn, mode ListenMode) {
	defer nc.Close()
	if t, ok := nc.(*net.TCPConn); ok {
		_ = t.SetNoDelay(true)
	}
	if mode == Unified {
		_ = nc.SetReadDeadline(time.Now().Add(s.opt.Sessionless))
		conn, secure, err := tlsstore.Sniff(nc)
		if err != nil {
			return
		}
		nc, mode = conn, Plain
		if secure {
			mode = Secure
		}
	}
	if mode == Secure {
		t := tls.Server(nc, s.opt.TLS)
		ctx, cancel := context.WithTimeout(context.Background(), handshake)
		s.shared.handshakes.Add(1)
		err := t.HandshakeContext(ctx)
		s.shared.handshakes.Add(-1)
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

// admit counts a connection, unless there are too many (NIOServerCnxnFactory.AcceptThread).
// s.accepting.mu is held.
func (s *Replica) admit(nc net.Conn, host string) error {
	if limit := s.opt.MaxCnxns; limit > 0 && len(s.accepting.open) >= limit {
		s.metrics.Add("connection_rejected", 1)
		s.log.Errorf("Too many connections %d - max is %d", len(s.accepting.open), limit)
		return fmt.Errorf("Too many connections max allowed is %d", limit)
	}
	if limit := s.opt.MaxClientCnxns; limit > 0 && s.accepting.byHost[host] >= limit {
		s.metrics.Add("connection_rejected", 1)
		return fmt.Errorf("Too many connections from /%s - max is %d", plainIP(host), limit)
	}
	s.accepting.open[nc] = struct{}{}
	s.accepting.byHost[host]++
	return nil
}

// dismiss undoes admit.
func (s *Replica) dismiss(nc net.Conn, host string) {
	s.accepting.mu.Lock()
	defer s.accepting.mu.Unlock()
	delete(s.accepting.open, nc)
	if s.accepting.byHost[host]--; s.accepting.byHost[host] == 0 {
		delete(s.accepting.byHost, host)
	}
}

// hangUp closes all connections, even those that are not a client's yet, or no longer.
func (s *Replica) hangUp() {
	s.accepting.mu.Lock()
	defer s.accepting.mu.Unlock()
	for nc := range s.accepting.open {
		nc.Close()
	}
}
