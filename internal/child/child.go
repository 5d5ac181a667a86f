// Package child runs a program of the user's in the foreground, so that it can be ended together with what it has started.
//
// On Unix it has a process group of its own, which is the terminal's foreground group if there is a terminal: Ctrl-C and Ctrl-Z reach it
// directly. Signals that reach zkctl instead are passed on. On Windows it shares zkctl's console and gets its events, and can only be
// ended, not asked to end.
package child

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/await"
)

// Exit codes of what did not run, as of env(1) and of shells.
const (
	exitNotRun   = 126
	exitNotFound = 127
)

// Child is a program that runs.
type Child struct {
	cmd   *exec.Cmd
	group group
	done  chan struct{} // closed when it has ended

	mu     sync.Mutex
	passed time.Time // when a signal was passed on last
	ended  bool
}

// Start starts a program. terminal is its standard input, if that is one, or nil. If it cannot be started, code is what a shell would exit with.
func Start(cmd *exec.Cmd, terminal *os.File) (c *Child, code int, err error) {
	c = &Child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go c.run(terminal, started)
	if err := <-started; err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return nil, exitNotFound, err
		}
		return nil, exitNotRun, err
	}
	return c, 0, nil
}

// run starts the program and waits for it, on one goroutine: see lockThread.
func (c *Child) run(terminal *os.File, started chan<- error) {
	defer lockThread()()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn...)
	defer signal.Stop(signals)
	ready := c.group.prepare(c.cmd, terminal)
	err := c.cmd.Start()
	ready()
	if err != nil {
		started <- err
		return
	}
	defer c.group.begin(c.cmd.Process)()
	started <- nil
	go func() {
		for {
			select {
			case sig := <-signals:
				c.mu.Lock()
				c.passed = time.Now()
				c.mu.Unlock()
				c.signal(sig)
			case <-c.done:
				return
			}
		}
	}()
	_ = c.cmd.Wait() // ProcessState says how it ended
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	close(c.done)
}

// signal sends a signal to the program and its group, unless it has ended.
func (c *Child) signal(sig os.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.group.signal(c.cmd.Process, sig)
	}
}

// Done is closed when the program has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Code returns what the program exited with; 128 + N if signal N ended it. It has ended.
func (c *Child) Code() int { return exitCode(c.cmd.ProcessState) }

// Passed reports whether a signal was passed on not longer than d ago.
func (c *Child) Passed(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.passed) <= d
}

// End asks the program and what it has started to end, and ends them if they still run at a time. It returns when they have ended.
func (c *Child) End(by time.Time) {
	c.signal(terminate)
	ctx, cancel := context.WithDeadline(context.Background(), by)
	defer cancel()
	select {
	case <-c.done:
		// Others of its group may live on.
		if await.Until(ctx, func() bool { return !c.group.alive(c.cmd.Process) }) != nil {
			c.group.signal(c.cmd.Process, os.Kill)
		}
	case <-ctx.Done():
		c.signal(os.Kill)
		<-c.done
	}
}

// settleTime is how long after the end of a context its signal may arrive.
const settleTime = 200 * time.Millisecond

// Wait waits until the program has ended, or until lost yields a time by which it must have. What ends ctx asks the program to end, too,
// unless that was a signal, which the program got itself. It reports whether the program was ended because of lost.
func (c *Child) Wait(ctx context.Context, lost <-chan time.Time, grace time.Duration) (ended bool) {
	select {
	case <-c.done:
		return false
	case by := <-lost:
		c.End(by)
		return true
	case <-ctx.Done():
	}
	select {
	case <-c.done:
		return false
	case by := <-lost:
		c.End(by)
		return true
	case <-time.After(settleTime):
	}
	if !c.Passed(2 * settleTime) {
		c.End(time.Now().Add(grace))
		return false
	}
	select {
	case <-c.done:
		return false
	case by := <-lost:
		c.End(by)
		return true
	}
}
