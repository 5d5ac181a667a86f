package replica

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/webguard"
)

// web is an HTTP server that ends with its member.
type web struct {
	s     *Replica
	guard webguard.Guard
	http  http.Server

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // requests
}

// serve answers requests on ln with handle until the member is closed, except those from other sites' web pages. idle
// limits the wait for a request.
func (v *web) serve(ln net.Listener, idle time.Duration, handle http.HandlerFunc) error {
	s := v.s
	v.guard.Local = webguard.OnLoopback(ln.Addr())
	v.http = http.Server{Handler: v.guarded(handle), ReadHeaderTimeout: idle, IdleTimeout: idle, MaxHeaderBytes: 8 << 10}
	s.accepting.mu.Lock()
	defer s.accepting.mu.Unlock()
	if s.accepting.closed {
		ln.Close()
		return errClosed
	}
	s.accepting.web = append(s.accepting.web, v)
	s.wg.Go(func() {
		if err := v.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Warnf("The %s on %s ends: %v", v.guard.What, ln.Addr(), err)
		}
		v.running.Wait()
	})
	return nil
}

// close stops the server and closes the connections of requests in progress.
func (v *web) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	_ = v.http.Close()
}

// begin counts a request; it returns false if the server is closing.
func (v *web) begin() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.closed {
		v.running.Add(1)
	}
	return !v.closed
}

func (v *web) guarded(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !v.begin() {
			http.Error(w, "The server is closing", http.StatusServiceUnavailable)
			return
		}
		defer v.running.Done()
		if why := v.guard.Foreign(r); why != "" {
			v.s.log.Warnf("Refusing a request to the %s from %s: %s", v.guard.What, r.RemoteAddr, why)
			http.Error(w, "Forbidden: "+why, http.StatusForbidden)
			return
		}
		handle(w, r)
	}
}
