package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/background"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/heapfloor"
	"github.com/zkctl/zkctl/localserver"
)

// Background runs a named server until it is stopped. It is what the process started by Start
// runs: stderr is the log, stdout is for a single report.
func (h Home) Background(name string) error {
	return background.Report(func(report func(background.Started)) error { return h.runBackground(name, report) })
}

func (h Home) runBackground(name string, report func(background.Started)) error {
	s, err := h.Load(name)
	if err != nil {
		return err
	}
	lock, err := lockSoon(s.lockFile())
	if errors.Is(err, filelock.ErrLocked) {
		return fmt.Errorf("the local server %s is already running", name)
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGHUP)

	opt := s.Spec.Options()
	opt.Log = os.Stderr
	if opt.DataDir == "" && !opt.Ephemeral && opt.Config == "" {
		opt.DataDir = filepath.Join(s.dir, "data")
	}
	again := opt
	again.Port = s.Port
	if opt.TLS {
		opt.TLSDir = filepath.Join(s.dir, "tls")
		again.TLSDir = opt.TLSDir
		if s.TLS != nil {
			again.TLSPort = s.TLS.Port
		}
	}
	e, err := startAgain(opt, again)
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
	s.TLS = newTLS(e)
	if err := s.save(); err != nil {
		return err
	}
	p := &process{server: s, ensemble: e, stop: make(chan struct{}, 1)}
	go p.serve(ln)
	report(background.Started{ConnectString: s.ConnectString, DataDir: s.DataDir, Was: was})
	select {
	case <-signals:
	case <-p.stop:
	}
	signal.Stop(signals) // a second one ends the process at once
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.http.Shutdown(ctx) // lets the answer to stop get out
	err = e.Close()
	forgetControl(s)
	s.PID, s.Control = 0, controlAddr{}
	return errors.Join(err, s.save())
}

// lockSoon tries for a moment, because a query whether the server runs holds the lock for an
// instant.
func lockSoon(file string) (lock *filelock.Lock, err error) {
	await.Within(500*time.Millisecond, func() bool {
		lock, err = filelock.Try(file)
		return !errors.Is(err, filelock.ErrLocked)
	})
	return lock, err
}

// startAgain starts a server on its previous ports, or as opt says if another program has taken one of
// them meanwhile and the port was not asked for.
func startAgain(opt, again localserver.Options) (*localserver.Ensemble, error) {
	heapfloor.Hold()
	ctx, cancel := context.WithTimeout(context.Background(), StartTimeout)
	defer cancel()
	if opt.Port == 0 && again.Port != 0 && opt.Config == "" && opt.Size == 1 {
		if e, err := localserver.Start(ctx, again); err == nil || !errors.Is(err, localserver.ErrPortTaken) {
			return e, err
		}
	}
	e, err := localserver.Start(ctx, opt)
	return e, command.Advise(err)
}
