package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/zkctl/zkctl/internal/background"
	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/localserver"
)

// StartTimeout is how long a server may take until it serves.
const StartTimeout = 2 * time.Minute

// stopTimeout is how long a server may take to end.
const stopTimeout = 30 * time.Second

// Start starts a server in the background and returns once it serves. An existing name starts
// again with the same settings; spec is for a new one, and nil means a single embedded server. If
// a new one does not start, nothing is left of it.
func (h Home) Start(ctx context.Context, name string, spec *Spec) (*background.Started, error) {
	s, err := h.Load(name)
	fresh := errors.Is(err, ErrNoServer)
	switch {
	case fresh:
		if spec == nil {
			spec = &Spec{Size: 1, Engine: localserver.Embedded}
		}
		if err := source.CheckName(name); err != nil {
			return nil, err
		}
		s = &Server{Name: name, Spec: *spec, dir: h.dir(name)}
	case err != nil:
		return nil, err
	case s.Running():
		if st, err := s.Status(ctx); err == nil && !st.Serves() {
			return nil, fmt.Errorf("the local server %s is already running but does not serve clients: %s: %s (try: zkctl local restart %s)", name, st.State, st.Reason, name)
		}
		return nil, fmt.Errorf("the local server %s is already running on %s; to start stopped members, use zkctl local restart", name, s.ConnectString)
	case spec != nil:
		return nil, fmt.Errorf("the local server %s exists and keeps its settings; options are only for a new one (to remove it: zkctl local rm %s)", name, name)
	}
	started, err := s.spawn(ctx)
	if err != nil {
		if fresh && !s.Running() {
			_ = os.RemoveAll(s.dir)
		}
		return nil, fmt.Errorf("start the local server %s: %w", name, err)
	}
	return started, nil
}

// spawn starts the process in the background and returns once it serves.
func (s *Server) spawn(ctx context.Context) (*background.Started, error) {
	if err := s.save(); err != nil {
		return nil, err
	}
	if err := s.writeLogin(); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	defer log.Close()
	p := &background.Process{Args: []string{"local", "background", s.Name}, Dir: s.dir, Log: log}
	return p.Start(ctx)
}

// Stop stops the server. If its process is not running, Stop returns an ErrNotRunning that says
// why, and a dead server counts as stopped from then on.
func (s *Server) Stop(ctx context.Context) error {
	if s.Running() {
		return s.end(ctx)
	}
	notRunning := s.notRunning()
	s.PID = 0
	if err := s.save(); err != nil {
		return err
	}
	return notRunning
}

// end ends the background process: by request, then by a signal, then by killing it.
func (s *Server) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	soon, cancelSoon := context.WithTimeout(ctx, 3*time.Second)
	_, err := ask(soon, s, stopRequest{})
	cancelSoon()
	if pid := filelock.Holder(s.lockFile()); err != nil && pid != 0 {
		_ = background.Terminate(pid)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for s.Running() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			pid := filelock.Holder(s.lockFile())
			p, err := os.FindProcess(pid)
			if err == nil && pid != 0 {
				err = p.Kill()
			}
			if err != nil {
				return fmt.Errorf("stop the local server %s: process %d did not end: %w", s.Name, pid, err)
			}
			return fmt.Errorf("the local server %s did not end within %v and was killed", s.Name, stopTimeout)
		}
	}
	return nil
}

// ErrNotRunning is wrapped by the error for a request to a server whose process is not running.
var ErrNotRunning = errors.New("the local server is not running")

type notRunningError struct{ text string }

func (e *notRunningError) Error() string        { return e.text }
func (e *notRunningError) Is(target error) bool { return target == ErrNotRunning }

func (s *Server) notRunning() error {
	if s.Condition() == conditionDead {
		return &notRunningError{fmt.Sprintf("the local server %s is dead: process %d ended unexpectedly; see its log %s (restart it: zkctl local start %s)",
			s.Name, s.PID, s.LogFile(), s.Name)}
	}
	return &notRunningError{fmt.Sprintf("the local server %s is not running (start it: zkctl local start %s)", s.Name, s.Name)}
}
