package localserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/engine"
)

// Member is a server of an ensemble, or the only one. It can be stopped and started again any
// number of times, on the same ports and data.
type Member struct {
	e      *Ensemble
	id     int64
	engine Engine
	role   zoocfg.Role
	dir    string // of the data; "" for an ephemeral member
	home   string // of an ensemble's member: where its zoo.cfg and myid are
	gate   *gate
	secure int // the port for TLS; 0 for none

	change  sync.Mutex   // held while the member is being started or stopped
	started bool         // at least once
	proxy   engine.Proxy // of an ensemble's Apache member that was started before

	mu      sync.Mutex
	ports   ports
	run     process // nil while it is not running
	paused  bool
	java    engine.Server // of an Apache member that was started before
	failure error
	welcome *time.Timer // ends Refuse
}

// ports are where a member listens.
type ports struct {
	client  zoocfg.HostPort
	members zoocfg.QuorumAddr // for the other members; zero for a standalone server
}

func (m *Member) at() ports {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ports
}

// process is a run of a member.
type process interface {
	stop() error
	kill() error
	pause() error
	resume() error
	pid() int // 0 for this process
}

var errNotRunning = errors.New("it is not running")

// ID returns the member's number (myid); 1 for a standalone server.
func (m *Member) ID() int64 { return m.id }

// Engine returns the member's engine.
func (m *Member) Engine() Engine { return m.engine }

// Observer reports whether the member was started without a vote.
func (m *Member) Observer() bool { return m.role == zoocfg.Observer }

// Addr returns where clients connect, as host:port.
func (m *Member) Addr() string { return m.at().client.String() }

// Port returns the port of Addr.
func (m *Member) Port() int { return m.at().client.Port }

// DataDir returns the member's data directory (zoo.cfg's dataDir), or "" for an ephemeral member.
func (m *Member) DataDir() string { return m.dir }

// Running reports whether the member was started and neither stopped nor killed. A paused
// member runs.
func (m *Member) Running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.run != nil
}

// Paused reports whether Pause holds the member.
func (m *Member) Paused() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.paused
}

// Err returns why a member stopped serving by itself, such as a disk failure or the end of an Apache
// member's process; nil if it did not.
func (m *Member) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failure
}

func (m *Member) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure == nil {
		m.failure = err
		m.e.end(fmt.Errorf("member %d: %w", m.id, err))
	}
}

// Start starts a stopped member and does nothing if it is running. When it returns, a standalone
// server serves; a member of an ensemble may still be looking for its leader.
func (m *Member) Start(ctx context.Context) error {
	m.change.Lock()
	defer m.change.Unlock()
	return m.start(ctx)
}

func (m *Member) start(ctx context.Context) error {
	if m.Running() {
		return nil
	}
	m.e.mu.Lock()
	closed := m.e.closed
	m.e.mu.Unlock()
	if closed {
		return errors.New("start a member: the ensemble is closed")
	}
	m.mu.Lock()
	m.failure, m.paused = nil, false
	m.mu.Unlock()
	m.gate.setPaused(false)
	launch := m.launchEmbedded
	if m.engine == Apache {
		launch = m.launchApache
	}
	run, err := launch(ctx)
	if err != nil {
		return err
	}
	m.started = true
	m.mu.Lock()
	m.run = run
	m.mu.Unlock()
	m.applyFaults()
	return nil
}

// Stop stops the member gracefully. Its sessions stay alive: clients may return within their
// timeouts.
func (m *Member) Stop() error { return m.end(process.stop) }

// Kill stops the member as SIGKILL ends a process: what was not acknowledged may be lost.
func (m *Member) Kill() error { return m.end(process.kill) }

// Restart stops the member, if it is running, and starts it.
func (m *Member) Restart(ctx context.Context) error {
	m.change.Lock()
	defer m.change.Unlock()
	if err := m.endNow(process.stop); err != nil {
		return err
	}
	return m.start(ctx)
}

func (m *Member) end(how func(process) error) error {
	m.change.Lock()
	defer m.change.Unlock()
	return m.endNow(how)
}

func (m *Member) endNow(how func(process) error) error {
	m.mu.Lock()
	run := m.run
	m.run, m.paused = nil, false
	m.mu.Unlock()
	if run == nil {
		return nil
	}
	err := how(run)
	m.gate.setPaused(false)
	return err
}

// close is Stop, and also releases what the member holds while it is stopped.
func (m *Member) close() error {
	err := m.Stop()
	m.change.Lock()
	defer m.change.Unlock()
	if m.java != nil {
		err = errors.Join(err, m.java.Stop())
	}
	if m.proxy != nil {
		m.proxy.Close()
	}
	return err
}

// Pause makes the member hang as SIGSTOP does a process: its connections stay, but nothing is
// answered.
func (m *Member) Pause() error { return m.setPaused(true) }

// Resume resumes a paused member.
func (m *Member) Resume() error { return m.setPaused(false) }

func (m *Member) setPaused(paused bool) error {
	m.change.Lock()
	defer m.change.Unlock()
	m.mu.Lock()
	run := m.run
	m.mu.Unlock()
	what, do := "pause", process.pause
	if !paused {
		what, do = "resume", process.resume
	}
	if run == nil {
		return fmt.Errorf("%s member %d: %w", what, m.id, errNotRunning)
	}
	if err := do(run); err != nil {
		return fmt.Errorf("%s member %d: %w", what, m.id, err)
	}
	m.mu.Lock()
	m.paused = paused
	m.mu.Unlock()
	return nil
}
