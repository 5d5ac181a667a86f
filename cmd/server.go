package cmd

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

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver"
)

// Exit codes of a server that runs in the foreground (org.apache.zookeeper.server.ExitCode).
const (
	exitInvalidConfig = 2
	exitNoDataDir     = 3
)

var serverCommands = []string{
	"start\tstart the server in the background", "start-foreground\trun it until Ctrl-C",
	"stop\tend the one in the background", "restart\tstop and start", "status\tsay what it does",
	"version\tshow the version", "print-cmd\tprint the command line that start runs",
}

// serverCommand is zkctl server, the counterpart of zkServer.sh.
func (a *app) serverCommand() *cobra.Command {
	var confDir string
	c := &cobra.Command{
		Use:   "server start|start-foreground|stop|restart|status|version|print-cmd [zoo.cfg]",
		Short: "run one server from its zoo.cfg, as zkServer.sh does",
		Long: `Run one embedded server from its zoo.cfg, as zkServer.sh runs Apache's, with the
same answers, exit codes and pid file. With server.N lines and a myid it is a
member of an ensemble; the others may be Apache ZooKeeper.

  start             start it in the background
  start-foreground  run it here, until Ctrl-C
  stop              end the one in the background
  restart           stop and start
  status            say what it does: Mode: standalone, leader, follower, observer
  version           show the version
  print-cmd         print the command line that start runs

ZOOCFGDIR, ZOOCFG, ZOOPIDFILE, ZOO_LOG_DIR, SERVER_JVMFLAGS, JVMFLAGS and
ZOO_DATADIR_AUTOCREATE_DISABLE mean what they mean to zkServer.sh, and
zookeeper-env.sh and java.env in the configuration's folder are read.`,
		Example: `  zkctl server start ./zoo.cfg
  zkctl server status ./zoo.cfg
  SERVER_JVMFLAGS=-Djute.maxbuffer=4194304 zkctl server start-foreground ./zoo.cfg`,
		Args: cobra.MaximumNArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, words []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(words) == 0 {
				return serverCommands, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	c.Flags().StringVar(&confDir, "config", "", "`folder` of zoo.cfg")
	_ = c.MarkFlagDirname("config")
	c.RunE = func(c *cobra.Command, words []string) error {
		if len(words) == 0 {
			return c.Help()
		}
		s := &zkServer{app: a}
		var warnings []zoocfg.Warning
		s.env, warnings = zoocfg.FromEnvironment(os.LookupEnv, confDir)
		for _, w := range warnings {
			ui.Warn(a.streams.Err, "%s", w)
		}
		s.file = s.configFile(strings.Join(words[1:], ""), confDir)
		return s.run(c.Context(), words[0])
	}
	return c
}

// zkServer is one run of zkctl server.
type zkServer struct {
	app   *app
	env   zoocfg.Environment
	file  string // zoo.cfg
	text  string // its text, "" when it cannot be read
	data  string // its dataDir, "" without one
	wrong error  // why a server does not start with it
}

// configFile is the script's choice, except that a bare name is one in the current folder
// when nobody has said where the configuration is.
func (s *zkServer) configFile(arg, confDir string) string {
	if _, set := os.LookupEnv("ZOOCFGDIR"); !set && confDir == "" && arg != "" {
		if _, err := os.Stat(arg); err == nil {
			return arg
		}
	}
	return s.env.ConfigFile(arg)
}

func (s *zkServer) run(ctx context.Context, command string) error {
	switch command {
	case "version":
		return s.say("Apache ZooKeeper, version %s (embedded in zkctl)\n", localserver.Version())
	case "background":
		return s.background(ctx)
	case "start", "start-foreground", "stop", "restart", "status", "print-cmd":
	default:
		usage := "Usage: zkctl server [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}"
		var names []string
		for _, c := range serverCommands {
			name, _, _ := strings.Cut(c, "\t")
			names = append(names, name)
		}
		if q := ui.DidYouMean(command, "", names); q != "" {
			usage += "\n" + q
		}
		return errors.New(usage)
	}
	fmt.Fprintln(s.app.streams.Err, "Using config:", s.file)
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
			ui.Report(s.app.streams.Err, err)
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

func (s *zkServer) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.app.streams.Out, format, args...)
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

func (s *zkServer) pidFile() string { return s.env.PIDFileFor(s.data) }
func (s *zkServer) outFile() string { return s.env.OutFile(s.data) }

// check refuses a configuration before anything is made or stopped.
func (s *zkServer) check() error {
	if s.wrong == nil {
		return nil
	}
	if err := s.say("Starting zookeeper ... "); err != nil {
		return err
	}
	return s.failed(s.wrong)
}

func (s *zkServer) failed(err error) error {
	if sayErr := s.say("FAILED TO START\n"); sayErr != nil {
		return sayErr
	}
	return &ui.ExitError{Code: ui.ExitFailed, Err: err}
}

// prepare makes the folders that the script makes.
func (s *zkServer) prepare() error {
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
			ui.Report(s.app.streams.Err, err)
		}
	}
	return nil
}

// pid is the process in the pid file, 0 without one.
func (s *zkServer) pid() int {
	text, err := os.ReadFile(s.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}

func (s *zkServer) commandLine() string {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return fmt.Sprintf("%q server start-foreground %q", self, s.absolute())
}

func (s *zkServer) absolute() string {
	if file, err := filepath.Abs(s.file); err == nil {
		return file
	}
	return s.file
}

func (s *zkServer) start(ctx context.Context) error {
	if err := s.say("Starting zookeeper ... "); err != nil {
		return err
	}
	if pid := localserver.RunningOn(s.data); pid != 0 {
		if err := s.say("already running as process %d.\n", pid); err != nil {
			return err
		}
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	out, err := os.OpenFile(s.outFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return s.failed(fmt.Errorf("open the server's log: %w", err))
	}
	defer out.Close()
	b := &backgroundProcess{args: []string{"server", "background", s.absolute()}, log: out}
	b.serves = func(pid int) error {
		return os.WriteFile(s.pidFile(), []byte(strconv.Itoa(pid)), 0o600)
	}
	if _, err := b.spawn(ctx); errors.Is(err, errWritePID) {
		if err := s.say("FAILED TO WRITE PID\n"); err != nil {
			return err
		}
		return &ui.ExitError{Code: ui.ExitFailed, Err: err}
	} else if err != nil {
		return s.failed(err)
	}
	return s.say("STARTED\n")
}

func (s *zkServer) stop(ctx context.Context) error {
	if err := s.say("Stopping zookeeper ... "); err != nil {
		return err
	}
	if _, err := os.Stat(s.pidFile()); err != nil {
		return s.say("no zookeeper to stop (could not find file %s)\n", s.pidFile())
	}
	pid := s.pid()
	if pid != 0 && alive(pid) {
		// The process of a stale file may be anybody's by now.
		//
		// Differs(stale-pid-file): Apache's script kills whatever process has that id.
		if localserver.RunningOn(s.data) != pid {
			return s.say("no zookeeper to stop (process %d of %s is not the server on %s)\n", pid, s.pidFile(), s.data)
		}
		if err := terminate(pid); err != nil {
			ui.Report(s.app.streams.Err, err)
		}
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		timeout := time.After(localStopTimeout)
		for waiting := true; waiting && alive(pid); {
			select {
			case <-tick.C:
			case <-timeout:
				waiting = false
				fmt.Fprintf(s.app.streams.Err, "process %d has not ended yet\n", pid)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if err := os.Remove(s.pidFile()); err != nil {
		ui.Report(s.app.streams.Err, err)
	}
	return s.say("STOPPED\n")
}

// foreground runs the server here; its log goes to stdout, as that of the script's does.
func (s *zkServer) foreground(ctx context.Context) error {
	err := localserver.Serve(ctx, localserver.ServeOptions{Config: s.file, System: s.env.System, Log: s.app.streams.Out})
	return s.ended(ctx, err)
}

// ended gives what Serve returns the exit code of Apache's main class.
func (s *zkServer) ended(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, localserver.ErrConfig):
		fmt.Fprintln(s.app.streams.Err, "Invalid config, exiting abnormally")
		return &ui.ExitError{Code: exitInvalidConfig, Err: err}
	case errors.Is(err, localserver.ErrDataDir):
		fmt.Fprintln(s.app.streams.Err, "Unable to access datadir, exiting abnormally")
		return &ui.ExitError{Code: exitNoDataDir, Err: err}
	case err == nil && ctx.Err() != nil:
		return &ui.ExitError{} // with the signal's code, see interruptible
	}
	return err
}

// background is the process that start makes: stdout is for one line to its parent.
func (s *zkServer) background(ctx context.Context) error {
	signal.Ignore(syscall.SIGHUP) // as nohup does for the script
	said := false
	err := localserver.Serve(ctx, localserver.ServeOptions{Config: s.file, System: s.env.System, Log: os.Stderr,
		Listening: func(addr string) {
			said = true
			tellParent(started{ConnectString: addr})
		}})
	if err != nil && !said {
		tellParent(started{Error: err.Error()})
	}
	return s.ended(ctx, err)
}
