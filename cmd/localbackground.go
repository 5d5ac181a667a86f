package cmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/localserver"
)

// How long starting and ending may take.
const (
	localStartTimeout = 2 * time.Minute
	localStopTimeout  = 30 * time.Second
)

// started is what the process in the background says on its stdout once it serves, or cannot.
type started struct {
	ConnectString string `json:"connectString,omitempty"`
	DataDir       string `json:"dataDir,omitempty"`
	Was           string `json:"was,omitempty"` // the connect string before, where somebody else has a port of it
	Error         string `json:"error,omitempty"`
}

// spawn starts a named server in the background and returns when it serves.
func (s *localState) spawn(ctx context.Context) (*started, error) {
	if err := s.save(); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	defer log.Close()
	b := &backgroundProcess{args: []string{"local", "background", s.Name}, dir: s.dir, log: log}
	return b.spawn(ctx)
}

// backgroundProcess is a run of this program that survives its parent.
type backgroundProcess struct {
	args   []string
	dir    string // to run in; "" for the current one
	log    *os.File
	serves func(pid int) error // told when it serves, and ends it by an error; may be nil
}

var errWritePID = errors.New("write the pid file")

// spawn starts it, and returns when it has said on its stdout that it serves.
func (b *backgroundProcess) spawn(ctx context.Context) (*started, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, b.args...)
	cmd.Args[0] = os.Args[0] // the name that this program was called by, which a link may have given it
	cmd.Dir = b.dir
	cmd.Stderr = b.log
	detach(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the process in the background: %w", err)
	}
	type result struct {
		started
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		line, err := bufio.NewReader(io.LimitReader(out, maxControl)).ReadBytes('\n')
		if err != nil {
			r.err = fmt.Errorf("the process in the background ended; its log is %s", b.log.Name())
		} else {
			r.err = json.Unmarshal(line, &r.started)
		}
		done <- r
	}()
	select {
	case r := <-done:
		if r.err == nil && r.Error == "" && b.serves != nil {
			if err := b.serves(cmd.Process.Pid); err != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				return nil, fmt.Errorf("%w: %w", errWritePID, err)
			}
		}
		if r.err == nil && r.Error == "" {
			return &r.started, cmd.Process.Release()
		}
		_ = cmd.Wait()
		if r.err == nil {
			r.err = errors.New(r.Error)
		}
		return nil, r.err
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, ctx.Err()
	}
}

// tellParent writes the line for which the parent waits.
func tellParent(v started) {
	line, _ := json.Marshal(v)
	_, _ = os.Stdout.Write(append(line, '\n'))
	_ = os.Stdout.Close()
}

// runBackground is the process in the background.
func runBackground(name string) error {
	said := false
	err := background(name, func(v started) { said = true; tellParent(v) })
	if err != nil && !said {
		tellParent(started{Error: err.Error()})
	}
	return err
}

func background(name string, say func(started)) error {
	s, err := loadLocal(name)
	if err != nil {
		return err
	}
	lock, err := lockSoon(s.lockFile())
	if errors.Is(err, filelock.ErrLocked) {
		return fmt.Errorf("the local server %s is running already", name)
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGHUP)

	opt := s.Spec.options()
	opt.Log = os.Stderr
	if opt.DataDir == "" && !opt.Ephemeral && opt.Config == "" {
		opt.DataDir = filepath.Join(s.dir, "data")
	}
	e, err := startAgain(opt, s.Port)
	if err != nil {
		return err
	}
	defer e.Close()
	ln, err := listenControl(s)
	if err != nil {
		return err
	}
	was := s.ConnectString
	if was == e.ConnectString() || opt.Config != "" {
		was = ""
	}
	s.PID, s.Started = os.Getpid(), time.Now()
	s.ConnectString, s.DataDir, s.Port = e.ConnectString(), e.DataDir(), e.Members()[0].Port()
	if err := s.save(); err != nil {
		return err
	}
	stop := make(chan struct{}, 1)
	control := &controlServer{state: s, ensemble: e, stop: func() {
		select {
		case stop <- struct{}{}:
		default:
		}
	}}
	go control.serve(ln)
	say(started{ConnectString: s.ConnectString, DataDir: s.DataDir, Was: was})
	select {
	case <-signals:
	case <-stop:
	}
	signal.Stop(signals) // a second one ends the process at once
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = control.http.Shutdown(ctx) // the answer to stop gets out
	err = e.Close()
	forgetControl(s)
	s.PID, s.Control = 0, controlAddr{}
	return errors.Join(err, s.save())
}

// lockSoon tries for a moment, because one who asks whether the server runs has the lock for an
// instant.
func lockSoon(file string) (*filelock.Lock, error) {
	for deadline := time.Now().Add(500 * time.Millisecond); ; time.Sleep(5 * time.Millisecond) {
		lock, err := filelock.Try(file)
		if !errors.Is(err, filelock.ErrLocked) || time.Now().After(deadline) {
			return lock, err
		}
	}
}

// startAgain starts a server on the port that it had, or on another one when somebody has
// taken it in the meantime and nobody asked for it.
func startAgain(opt localserver.Options, port int) (*localserver.Ensemble, error) {
	ctx, cancel := context.WithTimeout(context.Background(), localStartTimeout)
	defer cancel()
	if opt.Port == 0 && port != 0 && opt.Config == "" && opt.Size == 1 {
		again := opt
		again.Port = port
		if e, err := localserver.Start(ctx, again); err == nil || !errors.Is(err, localserver.ErrPortTaken) {
			return e, err
		}
	}
	return localserver.Start(ctx, opt)
}

// end ends the process in the background: as it is asked to, else by a signal, else by force.
func (s *localState) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, localStopTimeout)
	defer cancel()
	ask, cancelAsk := context.WithTimeout(ctx, 3*time.Second)
	_, err := s.ask(ask, controlRequest{Do: "stop"})
	cancelAsk()
	if pid := filelock.Holder(s.lockFile()); err != nil && pid != 0 {
		_ = terminate(pid)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for s.running() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			pid := filelock.Holder(s.lockFile())
			p, err := os.FindProcess(pid)
			if err == nil && pid != 0 {
				err = p.Kill()
			}
			if err != nil {
				return fmt.Errorf("stop the local server %s: process %d does not end: %w", s.Name, pid, err)
			}
			return fmt.Errorf("the local server %s did not end within %v and was killed", s.Name, localStopTimeout)
		}
	}
	return nil
}
