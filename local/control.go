package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/tempdir"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// On the control socket, a request is an HTTP POST of an envelope, and so is the reply. The
// process of a server may be of another version of zkctl than its clients, so both name the
// version of what they send. It changes with a request or reply that the older side would
// misread. Version 1 had no envelope.
const controlVersion = 2

type requestEnvelope struct {
	Version int             `json:"version"`
	Request string          `json:"request"` // its name
	Body    json.RawMessage `json:"body"`
}

type replyEnvelope struct {
	Version int             `json:"version"`
	Error   string          `json:"error,omitempty"`
	Body    json.RawMessage `json:"body,omitempty"`
}

// maxControl limits a request and its reply, in bytes.
const maxControl = 1 << 20

// controlAddr says how to reach the background process.
type controlAddr struct {
	Network string `json:"network"` // unix or tcp
	Address string `json:"address"`
	Token   string `json:"token"`
}

// process is the background process, as seen by requests.
type process struct {
	ensemble *localserver.Ensemble
	stop     chan struct{} // receives a value to end the process; has room for it
	http     http.Server

	mu     sync.Mutex // held while server changes and is saved
	server *Server
}

// maxSocketPath is the longest socket path that every system accepts (macOS has the lowest
// limit).
const maxSocketPath = 103

// listenControl opens the socket and records in the state how to reach it.
func listenControl(s *Server) (_ net.Listener, err error) {
	var token [16]byte
	if _, err := rand.Read(token[:]); err != nil {
		return nil, err
	}
	s.Control = controlAddr{Network: controlNetwork, Token: hex.EncodeToString(token[:])}
	if s.Control.Network == "unix" {
		s.Control.Address = s.socketFile()
		if len(s.Control.Address) > maxSocketPath {
			if s.temp, err = tempdir.Make("control"); err != nil {
				return nil, err
			}
			s.Control.Address = filepath.Join(s.temp.Path(), "control.sock")
		}
		_ = os.Remove(s.Control.Address) // left by a killed process; the lock is ours
	} else {
		s.Control.Address = "127.0.0.1:0"
	}
	ln, err := net.Listen(s.Control.Network, s.Control.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for zkctl local: %w", err)
	}
	if s.Control.Network == "unix" {
		err = os.Chmod(s.Control.Address, 0o600)
	} else {
		s.Control.Address = ln.Addr().String()
	}
	return ln, err
}

// forgetControl removes what listenControl created.
func forgetControl(s *Server) {
	if s.Control.Network == "unix" {
		_ = os.Remove(s.Control.Address)
	}
	_ = s.temp.Remove()
}

func (p *process) serve(ln net.Listener) {
	p.http.Handler = p
	p.http.ReadHeaderTimeout = 10 * time.Second
	_ = p.http.Serve(ln)
}

// ServeHTTP answers a request on the control socket.
func (p *process) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(p.server.Control.Token)) != 1 {
		http.Error(w, "invalid token", http.StatusForbidden)
		return
	}
	reply := replyEnvelope{Version: controlVersion}
	body, err := p.answer(r.Context(), io.LimitReader(r.Body, maxControl))
	if err == nil {
		reply.Body, err = escape.MarshalJSON(body)
	}
	if err != nil {
		reply.Error = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = ui.PrintJSON(w, reply)
}

func (p *process) answer(ctx context.Context, in io.Reader) (reply any, err error) {
	var q requestEnvelope
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	answer, known := answers[q.Request]
	if q.Version != controlVersion || !known {
		return nil, p.server.otherVersion()
	}
	return answer(ctx, p, q.Body)
}

func (s *Server) otherVersion() error {
	return fmt.Errorf("the local server %s (process %d) was started by another version of zkctl with other requests; restart it: zkctl local restart %s",
		s.Name, s.PID, s.Name)
}

// ask sends a request to the process of a named server and returns the reply.
func ask[R any](ctx context.Context, s *Server, q request[R]) (reply R, err error) {
	if !s.Running() {
		return reply, s.notRunning()
	}
	body, err := escape.MarshalJSON(q)
	if err != nil {
		return reply, err
	}
	envelope, err := escape.MarshalJSON(requestEnvelope{Version: controlVersion, Request: q.name(), Body: body})
	if err != nil {
		return reply, err
	}
	answer, err := s.post(ctx, envelope)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return reply, cause
	}
	switch {
	case err != nil:
		return reply, fmt.Errorf("talk to the local server %s (process %d): %w", s.Name, s.PID, err)
	case answer.Version != controlVersion:
		return reply, s.otherVersion()
	case answer.Error != "":
		return reply, errors.New(answer.Error)
	}
	if err := json.Unmarshal(answer.Body, &reply); err != nil {
		return reply, fmt.Errorf("talk to the local server %s (process %d): %w", s.Name, s.PID, err)
	}
	return reply, nil
}

func (s *Server) post(ctx context.Context, envelope []byte) (reply replyEnvelope, err error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, s.Control.Network, s.Control.Address)
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://local/", bytes.NewReader(envelope))
	if err != nil {
		return reply, err
	}
	r.Header.Set("Authorization", "Bearer "+s.Control.Token)
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return reply, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxControl)).Decode(&reply); err != nil {
		return reply, fmt.Errorf("%s: %w", resp.Status, err)
	}
	return reply, nil
}
