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

// Member is one server of an ensemble, or the only one. It can be stopped and started again
// any number of times, on the same ports and data.
type Member struct {
	e      *Ensemble
	id     int64
	engine Engine
	role   zoocfg.Role
	dir    string // of the data; "" for an ephemeral one
	home   string // of an ensemble's member: where its zoo.cfg and myid are
	gate   *gate
	secure int // the port for TLS; 0 for none

	change  sync.Mutex   // held by what starts and ends the member
	started bool         // once at least
	proxy   engine.Proxy // of an ensemble's Apache member that was started once

	mu      sync.Mutex
	ports   ports
	run     process // nil while it does not run
	paused  bool
	java    engine.Server // of an Apache member that was started once
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

var errNotRunning = errors.New("it does not run")

// ID is the member's number (myid); 1 for a standalone server.
func (m *Member) ID() int64 { return m.id }

// Engine is what the member is made of.
func (m *Member) Engine() Engine { return m.engine }

// Observer reports whether the member was started without a vote.
func (m *Member) Observer() bool { return m.role == zoocfg.Observer }

// Addr is where clients connect, host:port.
func (m *Member) Addr() string { return m.at().client.String() }

// Port is the port of Addr.
func (m *Member) Port() int { return m.at().client.Port }

// DataDir is the member's data directory (zoo.cfg's dataDir); "" for an ephemeral one.
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

// Err is why an embedded member has stopped serving by itself, such as a disk that fails;
// nil when it has not.
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

// Start starts a member that does not run; one that does is left alone. A single server
// serves when it returns; a member of an ensemble may still look for its leader.
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

// Stop ends the member gracefully. Its sessions live on: clients may come back within their
// timeouts.
func (m *Member) Stop() error { return m.end(process.stop) }

// Kill ends the member as SIGKILL ends a process: what was not acknowledged may be lost.
func (m *Member) Kill() error { return m.end(process.kill) }

// Restart stops the member, when it runs, and starts it.
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

// close is Stop, and gives back what the member holds while it is stopped.
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

// Pause makes the member hang as SIGSTOP does a process: its connections stay, nothing is
// answered, its timers do not count for others.
func (m *Member) Pause() error { return m.setPaused(true) }

// Resume lets a paused member go on.
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

// poll asks until the answer is true, more and more seldom, down to 50 times a second.
func poll(ctx context.Context, done func() bool) error {
	wait := time.Millisecond
	for {
		if done() {
			return nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
		wait = min(2*wait, 20*time.Millisecond)
	}
}
