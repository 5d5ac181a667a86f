// Package zkserver is zkServer.sh: it starts, stops and asks the one server that a zoo.cfg describes, with the script's
// answers, exit codes and pid file.
package zkserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zkctl/zkctl/internal/background"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/heapfloor"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/local/zkserver/supervise"
	"github.com/zkctl/zkctl/localserver"
)

// Exit codes of a server that runs in the foreground (org.apache.zookeeper.server.ExitCode).
const (
	exitInvalidConfig = 2
	exitNoDataDir     = 3
)

// Commands are those of zkServer.sh, each with what it does after a tab.
var Commands = []string{
	"start\tstart the server in the background", "start-foreground\trun it until Ctrl-C",
	"stop\tend the one in the background", "restart\tstop and start", "status\tsay what it does",
	"version\tshow the version", "print-cmd\tprint the command line that start runs",
}

// backgroundCommand is what start has the process in the background run.
const backgroundCommand = "background"

// stopTimeout is how long a server may take to end.
const stopTimeout = 30 * time.Second

// Run runs one of Commands and gives its answer on the streams. arg is the configuration as zkServer.sh takes it, "" for
// zoo.cfg; confDir is what --config says, "" for nothing.
func Run(ctx context.Context, streams *ui.Streams, command, arg, confDir string) error {
	s := &server{streams: streams, confDir: confDir}
	var warnings []zoocfg.Warning
	s.env, warnings = zoocfg.FromEnvironment(os.LookupEnv, confDir)
	for _, w := range warnings {
		ui.Warn(streams.Err, "%s", w)
	}
	s.file = s.configFile(arg, confDir)
	return s.run(ctx, command)
}

// server is one run of zkctl server.
type server struct {
	streams *ui.Streams
	confDir string // --config
	env     zoocfg.Environment
	file    string // zoo.cfg
	text    string // its text, "" when it cannot be read
	data    string // its dataDir, "" without one
	wrong   error  // why a server does not start with it
}

// configFile is the script's choice, except that a bare name is one in the current folder
// when nobody has said where the configuration is.
func (s *server) configFile(arg, confDir string) string {
	if _, set := os.LookupEnv("ZOOCFGDIR"); !set && confDir == "" && arg != "" {
		if _, err := os.Stat(arg); err == nil {
			return arg
		}
	}
	return s.env.ConfigFile(arg)
}

func (s *server) run(ctx context.Context, command string) error {
	switch command {
	case "version":
		return s.say("Apache ZooKeeper, version %s (embedded in zkctl)\n", localserver.Version())
	case backgroundCommand:
		return s.background(ctx)
	case supervise.ChildCommand:
		return supervise.Child(ctx, s.file, s.env.System)
	case "start", "start-foreground", "stop", "restart", "status", "print-cmd":
	default:
		usage := "Usage: zkctl server [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}"
		var names []string
		for _, c := range Commands {
			name, _, _ := strings.Cut(c, "\t")
			names = append(names, name)
		}
		if q := nearest.DidYouMean(command, "", names); q != "" {
			usage += "\n" + q
		}
		return errors.New(usage)
	}
	fmt.Fprintln(s.streams.Err, "Using config:", s.file)
	info, err := os.Stat(s.file)
	if err == nil && !info.Mode().IsRegular() {
		// It is read more than once, and nobody may ever write to a FIFO.
		return fmt.Errorf("read the configuration: %s is not a regular file", s.file)
	}
	text, err := infile.Settings(s.file)
	s.text = string(text)
	if err != nil {
		s.wrong = fmt.Errorf("read the configuration: %w", err)
	} else if s.data, s.wrong = localserver.CheckConfig(s.absolute(), s.env.System); s.data == "" {
		s.data = key(s.text, "dataDir") // of a configuration that cannot be read as a whole
	}
	switch command {
	case "start", "restart":
		if err := s.check(); err != nil {
			return err
		}
	default:
		if err != nil {
			ui.Report(s.streams.Err, err)
		}
	}
	switch command {
	case "stop":
		return s.stop(ctx)
	case "status":
		return s.status(ctx)
	}
	if err := s.prepare(); err != nil {
		return err
	}
	switch command {
	case "start":
		return s.start(ctx)
	case "restart":
		if err := s.stop(ctx); err != nil {
			return err
		}
		return s.start(ctx)
	case "print-cmd":
		return s.say("%s > %q 2>&1 < /dev/null\n", s.commandLine(), s.outFile())
	}
	return s.foreground(ctx)
}

func (s *server) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.streams.Out, format, args...)
	return err
}

// key is what the script's grep and sed find: the value of the first line that begins so.
func key(text, name string) string {
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		rest, ok := strings.CutPrefix(line, name)
		if ok && rest != "" && !isLetter(rest[0]) && strings.Contains(rest, "=") {
			return strings.TrimSpace(rest[strings.LastIndexByte(rest, '=')+1:])
		}
	}
	return ""
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func (s *server) pidFile() string { return s.env.PIDFileFor(s.data) }
func (s *server) outFile() string { return s.env.OutFile(s.data) }

// check refuses a configuration before anything is made or stopped.
func (s *server) check() error {
	if s.wrong == nil {
		return nil
	}
	if err := s.say("Starting zookeeper ... "); err != nil {
		return err
	}
	return s.failed(s.wrong)
}

func (s *server) failed(err error) error {
	if sayErr := s.say("FAILED TO START\n"); sayErr != nil {
		return sayErr
	}
	return &ui.ExitError{Code: ui.ExitFailed, Err: err}
}

// prepare makes the folders that the script makes.
func (s *server) prepare() error {
	if s.env.AutoCreateDisabled {
		for what, dir := range map[string]string{"data": s.data, "txnlog": key(s.text, "dataLogDir")} {
			if dir == "" && what == "txnlog" {
				continue
			}
			if info, err := os.Stat(filepath.Join(dir, "version-2")); err != nil || !info.IsDir() {
				if err := s.say("ZooKeeper %s directory is missing at %s fix the path or run initialize\n", what, dir); err != nil {
					return err
				}
				return &ui.ExitError{Code: ui.ExitFailed}
			}
		}
	}
	if s.data == "" {
		return nil // the server will say so
	}
	for _, dir := range []string{filepath.Dir(s.pidFile()), filepath.Dir(s.outFile())} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			ui.Report(s.streams.Err, err)
		}
	}
	return nil
}

// pid is the process in the pid file, 0 without one.
func (s *server) pid() int {
	text, err := infile.Regular(s.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}

func (s *server) commandLine() string {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return fmt.Sprintf("%q server start-foreground %q", self, s.absolute())
}

func (s *server) absolute() string {
	if file, err := filepath.Abs(s.file); err == nil {
		return file
	}
	return s.file
}

func (s *server) start(ctx context.Context) error {
	if err := s.say("Starting zookeeper ... "); err != nil {
		return err
	}
	if pid := localserver.RunningOn(s.data); pid != 0 {
		if err := s.say("already running as process %d.\n", pid); err != nil {
			return err
		}
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	if pid := supervise.SupervisedBy(s.data); pid != 0 {
		return s.failed(fmt.Errorf("process %d supervises the server on %s, and starts it", pid, s.data))
	}
	out, err := os.OpenFile(s.outFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return s.failed(fmt.Errorf("open the server's log: %w", err))
	}
	defer out.Close()
	args := []string{"server", backgroundCommand, s.absolute()}
	if s.confDir != "" {
		args = append(args, "--config", s.confDir) // for its java.env
	}
	p := &background.Process{Args: args, Log: out, Ready: s.writePID}
	if _, err := p.Start(ctx); errors.Is(err, errWritePID) {
		if err := s.say("FAILED TO WRITE PID\n"); err != nil {
			return err
		}
		return &ui.ExitError{Code: ui.ExitFailed, Err: err}
	} else if err != nil {
		return s.failed(err)
	}
	return s.say("STARTED\n")
}

var errWritePID = errors.New("write the pid file")

func (s *server) writePID(pid int) error {
	if err := os.WriteFile(s.pidFile(), []byte(strconv.Itoa(pid)), 0o600); err != nil {
		return fmt.Errorf("%w: %w", errWritePID, err)
	}
	return nil
}

func (s *server) stop(ctx context.Context) error {
	if err := s.say("Stopping zookeeper ... "); err != nil {
		return err
	}
	if _, err := os.Stat(s.pidFile()); err != nil {
		return s.say("no zookeeper to stop (could not find file %s)\n", s.pidFile())
	}
	pid := s.pid()
	if pid != 0 && background.Alive(pid) {
		// The process of a stale file may be anybody's by now.
		//
		// Differs(stale-pid-file): Apache's script kills whatever process has that id.
		if localserver.RunningOn(s.data) != pid {
			return s.say("no zookeeper to stop (process %d of %s is not the server on %s)\n", pid, s.pidFile(), s.data)
		}
		if err := background.Terminate(pid); err != nil {
			ui.Report(s.streams.Err, err)
		}
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		timeout := time.After(stopTimeout)
		for waiting := true; waiting && background.Alive(pid); {
			select {
			case <-tick.C:
			case <-timeout:
				waiting = false
				fmt.Fprintf(s.streams.Err, "process %d has not ended yet\n", pid)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if err := os.Remove(s.pidFile()); err != nil {
		ui.Report(s.streams.Err, err)
	}
	return s.say("STOPPED\n")
}

// foreground runs the server here; its log goes to stdout, as that of the script's does.
func (s *server) foreground(ctx context.Context) error {
	heapfloor.Hold()
	err := localserver.Serve(ctx, localserver.ServeOptions{Config: s.file, System: s.env.System, Log: s.streams.Out})
	return s.ended(ctx, err)
}

// ended gives what Serve returns the exit code of Apache's main class.
func (s *server) ended(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, localserver.ErrConfig):
		fmt.Fprintln(s.streams.Err, "Invalid config, exiting abnormally")
		return &ui.ExitError{Code: exitInvalidConfig, Err: err}
	case errors.Is(err, localserver.ErrDataDir):
		fmt.Fprintln(s.streams.Err, "Unable to access datadir, exiting abnormally")
		return &ui.ExitError{Code: exitNoDataDir, Err: err}
	case err == nil && ctx.Err() != nil:
		return &ui.ExitError{} // with the signal's code, see interruptible
	}
	return err
}

// background is the process that start makes: stdout is for one line to its parent.
func (s *server) background(ctx context.Context) error {
	signal.Ignore(syscall.SIGHUP) // as nohup does for the script
	heapfloor.Hold()
	return s.ended(ctx, background.Report(func(report func(background.Started)) error {
		return command.Advise(localserver.Serve(ctx, localserver.ServeOptions{Config: s.file, System: s.env.System, Log: os.Stderr,
			Listening: func(addr string) { report(background.Started{ConnectString: addr}) }}))
	}))
}
