package cmd

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
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/tempdir"
	"github.com/zkctl/zkctl/localserver"
)

// controlRequest is what the process of a named server is asked to do.
type controlRequest struct {
	Do       string    `json:"do"` // see controlServer.do
	Members  []int64   `json:"members,omitempty"`
	Sides    [][]int64 `json:"sides,omitempty"` // 0 is the member that leads
	Observer bool      `json:"observer,omitempty"`
	Apache   bool      `json:"apache,omitempty"`
	Leader   bool      `json:"leader,omitempty"` // the member that leads is meant too
}

// controlReply is its answer.
type controlReply struct {
	Error   string       `json:"error,omitempty"`
	Members []int64      `json:"members,omitempty"` // that it was done to
	Status  *localStatus `json:"status,omitempty"`
}

// localStatus is a running server as it sees itself.
type localStatus struct {
	Name          string               `json:"name"`
	State         string               `json:"state"`            // stopped, dead, or localserver's conditions
	Reason        string               `json:"reason,omitempty"` // why clients are not served
	PID           int                  `json:"pid"`
	Started       time.Time            `json:"started"`
	ConnectString string               `json:"connectString"`
	DataDir       string               `json:"dataDir,omitempty"`
	Memory        int64                `json:"memory"` // bytes that the process has from the system
	Cut           [][2]int64           `json:"cut,omitempty"`
	Members       []localserver.Status `json:"members"`
}

// maxControl bounds a request and its answer, in bytes.
const maxControl = 1 << 20

// controlServer answers the requests of other runs of zkctl.
type controlServer struct {
	state    *localState
	ensemble *localserver.Ensemble
	stop     func()
	mu       sync.Mutex // of state
	http     http.Server
}

// maxSocketPath is what the shortest of systems (macOS) takes for a socket's path.
const maxSocketPath = 103

// listenControl opens the socket and notes in the state how to reach it.
func listenControl(s *localState) (_ net.Listener, err error) {
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
		_ = os.Remove(s.Control.Address) // of a run that was killed; the lock is ours
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

// forgetControl removes what listenControl made.
func forgetControl(s *localState) {
	if s.Control.Network == "unix" {
		_ = os.Remove(s.Control.Address)
	}
	_ = s.temp.Remove()
}

func (c *controlServer) serve(ln net.Listener) {
	c.http.Handler = c
	c.http.ReadHeaderTimeout = 10 * time.Second
	_ = c.http.Serve(ln)
}

func (c *controlServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(c.state.Control.Token)) != 1 {
		http.Error(w, "the token is wrong", http.StatusForbidden)
		return
	}
	var req controlRequest
	var reply controlReply
	if err := json.NewDecoder(io.LimitReader(r.Body, maxControl)).Decode(&req); err != nil {
		reply.Error = "read the request: " + err.Error()
	} else if err := c.do(r.Context(), &req, &reply); err != nil {
		reply.Error = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply)
}

func (c *controlServer) do(ctx context.Context, req *controlRequest, reply *controlReply) error {
	switch req.Do {
	case "status":
		reply.Status = c.status(ctx)
		return nil
	case "stop":
		c.stop()
		return nil
	case "add":
		engine := localserver.Embedded
		if req.Apache {
			engine = localserver.Apache
		}
		m, err := c.ensemble.Add(ctx, req.Observer, engine)
		if err != nil {
			return err
		}
		reply.Members = []int64{m.ID()}
		return c.changed()
	case "remove":
		members, err := c.members(ctx, req)
		if err != nil {
			return err
		}
		for _, m := range members {
			if err := c.ensemble.Remove(ctx, m.ID()); err != nil {
				return err
			}
			reply.Members = append(reply.Members, m.ID())
		}
		return c.changed()
	case "partition":
		if req.Leader {
			leader := c.ensemble.Leader(ctx)
			if leader == nil {
				return errors.New("no member leads now")
			}
			for _, side := range req.Sides {
				for i := range side {
					if side[i] == 0 {
						side[i] = leader.ID()
					}
				}
			}
			reply.Members = []int64{leader.ID()}
		}
		if err := c.ensemble.Partition(req.Sides...); err != nil {
			return err
		}
		if len(c.ensemble.CutLinks()) == 0 {
			return errors.New("partition: all members are on one side, no link is cut")
		}
		return nil
	case "heal":
		if len(req.Members) == 0 && !req.Leader {
			c.ensemble.HealAll()
			return nil
		}
		members, err := c.members(ctx, req)
		if err != nil {
			return err
		}
		for _, a := range members {
			for _, b := range c.ensemble.Members() {
				c.ensemble.Heal(a.ID(), b.ID())
			}
			reply.Members = append(reply.Members, a.ID())
		}
		return nil
	}
	act, ok := memberActions[req.Do]
	if !ok {
		return fmt.Errorf("%q is not known here; the process in the background may be another version of zkctl", req.Do)
	}
	members, err := c.members(ctx, req)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := act(ctx, m); err != nil {
			return err
		}
		reply.Members = append(reply.Members, m.ID())
	}
	return nil
}

// changed keeps the new list of members for those who connect by name.
func (c *controlServer) changed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.ConnectString = c.ensemble.ConnectString()
	return c.state.save()
}

// memberActions are what can be done to single members.
var memberActions = map[string]func(context.Context, *localserver.Member) error{
	"kill":    func(_ context.Context, m *localserver.Member) error { return m.Kill() },
	"halt":    func(_ context.Context, m *localserver.Member) error { return m.Stop() },
	"restart": func(ctx context.Context, m *localserver.Member) error { return m.Restart(ctx) },
	"pause":   func(_ context.Context, m *localserver.Member) error { return m.Pause() },
	"resume":  func(_ context.Context, m *localserver.Member) error { return m.Resume() },
}

// members are those that a request names; a single server need not be named.
func (c *controlServer) members(ctx context.Context, req *controlRequest) (list []*localserver.Member, err error) {
	for _, id := range req.Members {
		m := c.ensemble.Member(id)
		if m == nil {
			return nil, fmt.Errorf("%s has no member %d", c.state.Name, id)
		}
		list = append(list, m)
	}
	if req.Leader {
		m := c.ensemble.Leader(ctx)
		if m == nil {
			return nil, errors.New("no member leads now")
		}
		list = append(list, m)
	}
	all := c.ensemble.Members()
	if len(list) == 0 && len(all) == 1 {
		return all, nil
	}
	if len(list) == 0 && req.Do == "resume" {
		return slices.DeleteFunc(all, func(m *localserver.Member) bool { return !m.Paused() }), nil
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("which member of %s? Give its number, or leader", c.state.Name)
	}
	return list, nil
}

func (c *controlServer) status(ctx context.Context) *localStatus {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	st := &localStatus{
		Name: c.state.Name, PID: os.Getpid(), Started: c.state.Started,
		ConnectString: c.ensemble.ConnectString(), DataDir: c.ensemble.DataDir(),
		Memory: int64(mem.Sys - mem.HeapReleased), Cut: c.ensemble.CutLinks(), Members: c.ensemble.Status(ctx),
	}
	st.State, st.Reason = c.ensemble.Condition(st.Members)
	return st
}

// ask sends a request to the process of a named server.
func (s *localState) ask(ctx context.Context, req controlRequest) (*controlReply, error) {
	if !s.running() {
		return nil, s.notRunning()
	}
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, s.Control.Network, s.Control.Address)
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://local/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.Control.Token)
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return nil, cause
	}
	if err != nil {
		return nil, fmt.Errorf("talk to the local server %s (process %d): %w", s.Name, s.PID, err)
	}
	defer resp.Body.Close()
	var reply controlReply
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxControl)).Decode(&reply); err != nil {
		return nil, fmt.Errorf("talk to the local server %s (process %d): %s: %w", s.Name, s.PID, resp.Status, err)
	}
	if reply.Error != "" {
		return &reply, errors.New(reply.Error)
	}
	return &reply, nil
}

func (s *localState) notRunning() error {
	if s.condition() == "dead" {
		return fmt.Errorf("the local server %s is dead: process %d ended without being told to, its log is %s (zkctl local start %s)",
			s.Name, s.PID, s.logFile(), s.Name)
	}
	return fmt.Errorf("the local server %s does not run (zkctl local start %s)", s.Name, s.Name)
}
