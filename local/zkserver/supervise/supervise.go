// Package supervise runs a server and keeps it running, as Exhibitor did: it restarts a server that dies or hangs, purges
// old snapshots and logs, keeps the server's output, and tells what state the server is in.
//
//	supervise.go  what is supervised, and how patiently
//	loop.go       the supervisor: the only goroutine that decides
//	child.go      the server's process
//	engine.go     which program that is: Apache's
//	embedded.go   or zkctl's own
//	ask.go        does the server answer?
//	config.go     zoo.cfg on disk, compared with what the server read
//	purge.go      old snapshots and logs
//	status.go     states and events, as lines and JSON
//	lines.go      lines, whether anybody reads them or not
//	page.go       the status page
//	output.go     what the server prints
//	rotate.go     and the files that it is kept in
//	notify.go     systemd
//	reap.go       orphans, in a container
package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/background"
	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver"
)

// Engine is which server is run.
type Engine string

// The engines.
const (
	Embedded Engine = "embedded"
	Apache   Engine = "apache"
)

// Exit codes of a server that has to be helped by a person (org.apache.zookeeper.server.ExitCode).
const (
	exitInvalidConfig = 2
	exitNoDataDir     = 3
)

// Options say what is supervised, and how. The zero value of a duration or size is not useful: see Default.
type Options struct {
	Config  string // the absolute path of zoo.cfg
	Engine  Engine
	System  zoocfg.Properties // as the server gets them
	Client  zoocfg.Properties // with which a TLS port is asked
	JVM     []string          // options of Apache's JVM
	LogFile string            // the server's output; "" passes it on to Streams.Err
	JSON    bool              // events as JSON
	Streams *ui.Streams
	ConfDir string // --config of an embedded server; "" for none
	Listen  string // address of the status page; "" for none

	LogSize  int64 // bytes at which the log is rotated
	LogFiles int   // rotated logs that are kept

	StartLimit time.Duration // how long a server may take to give its first answer
	HangLimit  time.Duration // how long it may be silent afterwards
	Grace      time.Duration // how long it may take to end
	MaxDelay   time.Duration // the longest pause before a restart
	PurgeEvery time.Duration // 0: never
	PurgeKeep  int           // snapshots; 0 for autopurge.snapRetainCount

	minDelay time.Duration // the first pause before a restart
	look     time.Duration // between two looks at zoo.cfg
	engine   engine        // in tests
}

// Default returns options that suit most servers; Config and Streams are missing.
func Default() Options {
	return Options{
		Engine:  Embedded,
		LogSize: 64 << 20, LogFiles: 5,
		StartLimit: 30 * time.Minute, HangLimit: 30 * time.Second, Grace: 30 * time.Second, MaxDelay: time.Minute,
		PurgeEvery: 24 * time.Hour,
		minDelay:   time.Second, look: 10 * time.Second,
	}
}

// ask is the time between two questions, and the patience for an answer.
func (opt *Options) ask() time.Duration { return min(5*time.Second, opt.HangLimit/3) }

// lockFile is in dataDir, locked by the supervisor and by the server that it started. It holds their process ids.
const lockFile = ".supervise.lock"

// SupervisedBy returns the supervisor of the server on a data directory, or 0.
func SupervisedBy(dataDir string) (pid int) {
	file := filepath.Join(dataDir, lockFile)
	if !filelock.Held(file) {
		return 0
	}
	pid, _ = holders(file)
	return pid
}

// holders reads the ids of the supervisor and of its server, 0 if unknown.
func holders(file string) (supervisor, server int) {
	text, err := infile.Regular(file)
	if err != nil {
		return 0, 0
	}
	pids := [2]int{}
	for i, word := range strings.Fields(string(text)) {
		if i < len(pids) {
			pids[i], _ = strconv.Atoi(word)
		}
	}
	return pids[0], pids[1]
}

// claim locks the data directory against other supervisors.
func claim(ctx context.Context, dataDir string) (*filelock.Lock, error) {
	file := filepath.Join(dataDir, lockFile)
	// The server of a supervisor that was killed holds the lock until it has ended too.
	patience := time.After(3 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		lock, err := filelock.Try(file)
		if !errors.Is(err, filelock.ErrLocked) {
			return lock, err
		}
		supervisor, server := holders(file)
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-patience:
		}
		switch {
		case supervisor != 0 && background.Alive(supervisor):
			return nil, fmt.Errorf("supervise %s: process %d supervises it already", dataDir, supervisor)
		case server != 0 && background.Alive(server):
			return nil, fmt.Errorf("supervise %s: its supervisor was killed, and the server it started, process %d, still runs; stop that first (try: kill %d)", dataDir, server, server)
		}
		return nil, fmt.Errorf("supervise %s: another process supervises it already: %w", dataDir, err)
	}
}

// Run supervises the server until ctx ends; then it stops the server and returns nil. It returns an error if the server
// cannot run before a person has done something, with the exit code that the server has for it.
func Run(ctx context.Context, opt Options) error {
	cfg, err := loadConfig(&opt)
	if err != nil {
		return &ui.ExitError{Code: exitInvalidConfig, Err: err}
	}
	if err := makeDataDir(cfg); err != nil {
		return &ui.ExitError{Code: exitNoDataDir, Err: err}
	}
	lock, err := claim(ctx, cfg.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if pid := localserver.RunningOn(cfg.DataDir); pid != 0 {
		return fmt.Errorf("supervise %s: process %d already serves from %s; stop it first (try: zkctl server stop %s)", opt.Config, pid, cfg.DataDir, opt.Config)
	}
	s, err := newSupervisor(opt, cfg, lock)
	if err != nil {
		return err
	}
	defer s.close()
	defer outlivePipe()()
	return s.run(ctx)
}

// loadConfig reads zoo.cfg as the server will.
func loadConfig(opt *Options) (*zoocfg.Config, error) {
	cfg, _, err := zoocfg.Load(opt.Config, opt.System)
	if err == nil && opt.Engine == Embedded {
		err = cfg.CheckServable()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", localserver.ErrConfig, err)
	}
	return cfg, nil
}

func makeDataDir(cfg *zoocfg.Config) error {
	if cfg.DataDirAutoCreate {
		return os.MkdirAll(cfg.DataDir, 0o700)
	}
	_, err := os.Stat(cfg.DataDir)
	return err
}
