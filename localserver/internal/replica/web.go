package replica

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// web is an HTTP server of a member, which ends with it.
type web struct {
	s     *Replica
	what  string // its name in messages
	host  string // as configured, which requests may name
	http  http.Server
	local bool // nobody but this machine can connect

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // requests
}

// serve answers requests on ln with handle until the member is closed, none of a web page from elsewhere. idle bounds
// the wait for a request.
func (v *web) serve(ln net.Listener, idle time.Duration, handle http.HandlerFunc) error {
	s := v.s
	v.local = onLoopback(ln.Addr())
	v.http = http.Server{Handler: v.guard(handle), ReadHeaderTimeout: idle, IdleTimeout: idle, MaxHeaderBytes: 8 << 10}
	s.accepting.mu.Lock()
	defer s.accepting.mu.Unlock()
	if s.accepting.closed {
		ln.Close()
		return errClosed
	}
	s.accepting.web = append(s.accepting.web, v)
	s.wg.Go(func() {
		if err := v.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Warnf("The %s on %s ends: %v", v.what, ln.Addr(), err)
		}
		v.running.Wait()
	})
	return nil
}

// close ends it; requests under way find their connections closed.
func (v *web) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	_ = v.http.Close()
}

// begin counts a request; false when the server is closing.
func (v *web) begin() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.closed {
		v.running.Add(1)
	}
	return !v.closed
}

func (v *web) guard(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !v.begin() {
			http.Error(w, "The server is closing", http.StatusServiceUnavailable)
			return
		}
		defer v.running.Done()
		if why := v.foreign(r); why != "" {
			v.s.log.Warnf("Refusing a request to the %s from %s: %s", v.what, r.RemoteAddr, why)
			http.Error(w, "Forbidden: "+why, http.StatusForbidden)
			return
		}
		handle(w, r)
	}
}
