package apache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/tempdir"
)

// startTimeout bounds a start whose context has no deadline.
const startTimeout = 60 * time.Second

// Options describe one standalone server. The zero value is useful.
type Options struct {
	// Dir is the data directory. Empty means a new temporary one, which Stop
	// removes.
	Dir string

	// Port is the client port on 127.0.0.1. 0 means a free one.
	Port int

	// TickTime is ZooKeeper's tickTime; 0 means 2 s, ZooKeeper's default. The
	// shortest session timeout is two ticks.
	TickTime time.Duration

	// MaxSessionTimeout is the longest session timeout; 0 means 20 ticks.
	MaxSessionTimeout time.Duration

	// Properties are further lines of zoo.cfg; they override those that Start writes. ZooKeeper
	// turns an unknown key into the system property "zookeeper.<key>".
	Properties map[string]string

	// JVM are further options of the JVM, such as
	// "-Dzookeeper.extendedTypesEnabled=true" or "-Xmx1g".
	JVM []string

	// Secure opens a second client port that speaks TLS.
	Secure *TLSFiles

	// Died, if not nil, is called with the reason when the server's process ends
	// after Start or Restart, unless a method ended it.
	Died func(error)
}

// TLSFiles are the key material of a secure client port. The extension determines the type: .jks,
// .p12 or .pem.
type TLSFiles struct {
	KeyStore, KeyStorePassword     string
	TrustStore, TrustStorePassword string

	// ClientAuth is "none", "want" or "need"; empty means "need",
	// ZooKeeper's default. "none" needs no trust store.
	ClientAuth string
}

// Server is a standalone ZooKeeper server, a child of this process. It listens only on 127.0.0.1,
// and on Unix it ends with this process, however that ends. Methods may be called from any
// goroutine, but not concurrently.
type Server struct {
	in         *Installation
	opt        Options
	port       int
	securePort int
	dir        string // dataDir
	temp       *tempdir.Dir
	work       string // temp's path: configuration and log, and dir if that is temporary
	guard      *guard

	mu   sync.Mutex
	proc *process
}

// process is one run of the server's JVM.
type process struct {
	cmd    *exec.Cmd
	done   chan struct{} // closed after Wait
	err    error         // what Wait returned; valid once done is closed
	wanted atomic.Bool   // it serves, and should not end
}

// Start starts a standalone server and returns when it serves clients. If the server does not
// start, the error ends with the tail of its log; it wraps port.ErrTaken if another process has one
// of its ports.
func (in *Installation) Start(ctx context.Context, opt Options) (*Server, error) {
	temp, err := tempdir.Make("zookeeper")
	if err != nil {
		return nil, fmt.Errorf("start ZooKeeper: %w", err)
	}
	s := &Server{in: in, opt: opt, dir: opt.Dir, temp: temp, work: temp.Path()}
	if s.dir == "" {
		s.dir = filepath.Join(s.work, "data")
	}
	if s.guard, err = newGuard(s.work); err != nil {
		_ = temp.Remove()
		return nil, fmt.Errorf("start ZooKeeper: %w", err)
	}
	// Another process may take a port between its choice and the JVM's start.
	for attempt := 1; ; attempt++ {
		if err = s.choosePorts(); err == nil {
			err = s.launch(ctx)
		}
		if err == nil {
			return s, nil
		}
		if attempt == 3 || !errors.Is(err, port.ErrTaken) || opt.Port != 0 {
			_ = s.Stop()
			return nil, err
		}
	}
}

// Pid returns the process id of the server's JVM, or 0 if it is not running.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	select {
	case <-s.proc.done:
		return 0
	default:
		return s.proc.cmd.Process.Pid
	}
}

// Addr returns the client address, "127.0.0.1:port".
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port returns the client port.
func (s *Server) Port() int { return s.port }

// SecureAddr returns the address of the TLS client port, or "" without Options.Secure.
func (s *Server) SecureAddr() string {
	if s.securePort == 0 {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.securePort))
}

// Dir returns the data directory; logs and snapshots are in its folder version-2.
func (s *Server) Dir() string { return s.dir }

// LogTail returns the end of LogFile.
func (s *Server) LogTail() string { return s.logTail(0) }

// LogFile returns the path of the server's own log, which Stop removes. Every run appends to it.
func (s *Server) LogFile() string { return filepath.Join(s.work, "server.log") }

// Shutdown ends the server gracefully, keeping its data for Restart.
func (s *Server) Shutdown() error { return s.end(terminate, 15*time.Second) }

// Stop ends the server gracefully and removes what Start created, including a temporary data
// directory. A second Stop does nothing.
func (s *Server) Stop() error {
	err := s.Shutdown()
	s.guard.release()
	if rmErr := s.temp.Remove(); err == nil && rmErr != nil {
		err = fmt.Errorf("stop ZooKeeper: %w", rmErr)
	}
	return err
}

// Kill ends the server as a power cut would (SIGKILL), keeping its data for
// Restart.
func (s *Server) Kill() error { return s.end((*os.Process).Kill, 15*time.Second) }

// Restart starts the server again with the same data and port, unless it has Moved. A running
// server is shut down first.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Shutdown(); err != nil {
		return err
	}
	return s.launch(ctx)
}

// Moved records that a reconfiguration has changed the server's client port.
func (s *Server) Moved(port int) { s.port = port }

// Pause suspends the server's process (SIGSTOP): connections stay open, but get no answers once it
// has returned (on Linux; soon after that on macOS). Not on Windows.
func (s *Server) Pause() error { return s.signal("pause", pause) }

// Resume continues a paused server (SIGCONT).
func (s *Server) Resume() error { return s.signal("resume", resume) }

// FourLetter asks the server for a four-letter word, such as "srvr" or "mntr".
func (s *Server) FourLetter(ctx context.Context, word string) (string, error) {
	answer, err := fourletter.Ask(ctx, nil, s.Addr(), word)
	return string(answer), err
}

// choosePorts uses the requested port, or free ones.
func (s *Server) choosePorts() (err error) {
	s.port = s.opt.Port
	if s.port == 0 {
		if s.port, err = port.Free(); err != nil {
			return fmt.Errorf("start ZooKeeper: %w", err)
		}
	}
	if s.opt.Secure != nil {
		for s.securePort = 0; s.securePort == 0 || s.securePort == s.port; {
			if s.securePort, err = port.Free(); err != nil {
				return fmt.Errorf("start ZooKeeper: %w", err)
			}
		}
	}
	return nil
}

// launch writes the configuration, starts the JVM and waits until it serves clients.
func (s *Server) launch(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, startTimeout)
		defer cancel()
	}
	if err := s.writeConfig(); err != nil {
		return fmt.Errorf("start ZooKeeper: %w", err)
	}
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start ZooKeeper: %w", err)
	}
	defer log.Close()
	logStart, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("start ZooKeeper: %w", err)
	}

	cmd := s.command()
	cmd.Dir = s.work
	cmd.Stdout, cmd.Stderr = log, log
	Detach(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start ZooKeeper: %w", err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	s.guard.watch(cmd.Process.Pid)
	go func() {
		p.err = cmd.Wait()
		s.guard.watch(0)
		close(p.done)
		s.reportDeath(p)
	}()
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()

	if err := s.awaitService(ctx, p); err != nil {
		_ = s.Kill()
		tail := s.logTail(logStart)
		if strings.Contains(tail, "Address already in use") {
			err = fmt.Errorf("%w: %w", err, port.ErrTaken)
		}
		return fmt.Errorf("start ZooKeeper on %s: %w; its log ends:\n%s", s.Addr(), err, tail)
	}
	p.wanted.Store(true)
	select {
	case <-p.done:
		s.reportDeath(p)
	default:
	}
	return nil
}

// reportDeath calls Options.Died, once, if p should still serve. p must have ended.
func (s *Server) reportDeath(p *process) {
	if p.wanted.CompareAndSwap(true, false) && s.opt.Died != nil {
		s.opt.Died(fmt.Errorf("the server's process ended by itself (%v); its log ends:\n%s", p.cmd.ProcessState, s.LogTail()))
	}
}

// awaitService polls until the server reports its mode, which it does once it has loaded its data
// and serves sessions. The working directory distinguishes it from another server on the same port.
func (s *Server) awaitService(ctx context.Context, p *process) error {
	exited := false
	err := await.Until(ctx, func() bool {
		select {
		case <-p.done:
			exited = true
		default:
		}
		return exited || s.serves(ctx)
	})
	switch {
	case exited:
		return fmt.Errorf("the server exited: %v", p.err)
	case err != nil:
		return fmt.Errorf("the server did not serve in time: %w", err)
	}
	return nil
}

func (s *Server) serves(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	// If the whitelist lacks envi, this server cannot be told from another one. But it exits at once if another one has the port.
	envi, err := s.FourLetter(ctx, "envi")
	if err != nil || !strings.Contains(envi, "user.dir="+s.work+"\n") && strings.TrimSpace(envi) != fourletter.NotWhitelisted("envi") {
		return false
	}
	srvr, err := s.FourLetter(ctx, "srvr")
	if err != nil || !strings.Contains(srvr, "Mode: ") {
		return false
	}
	if s.securePort == 0 {
		return true
	}
	// The secure port opens last.
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.SecureAddr())
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// end ends the process with send and waits for it; it kills one that ignores that.
func (s *Server) end(send func(*os.Process) error, patience time.Duration) error {
	s.mu.Lock()
	p := s.proc
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	p.wanted.Store(false)
	_ = resume(p.cmd.Process) // a suspended process does not handle SIGTERM
	if err := send(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop ZooKeeper: %w", err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(patience):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("stop ZooKeeper: it did not end within %v and was killed", patience)
}

func (s *Server) signal(what string, send func(*os.Process) error) error {
	s.mu.Lock()
	p := s.proc
	s.mu.Unlock()
	if p == nil {
		return fmt.Errorf("%s ZooKeeper: it was never started", what)
	}
	if err := send(p.cmd.Process); err != nil {
		return fmt.Errorf("%s ZooKeeper: %w", what, err)
	}
	return nil
}

// command returns the command of the server.
func (s *Server) command() *exec.Cmd {
	if s.in.Instead != nil {
		return s.in.Instead(s.configPath("zoo.cfg"), s.opt.JVM)
	}
	cmd := exec.Command(s.in.Java, s.jvmArgs()...)
	cmd.Env = javaEnv()
	return cmd
}

func (s *Server) jvmArgs() []string {
	args := append([]string{}, localeFlags...)
	args = append(args, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Djava.awt.headless=true",
		"-Dlog4j.configuration="+fileURL(s.configPath("log4j.properties")),
		"-Dlogback.configurationFile="+s.configPath("logback.xml"))
	args = append(args, s.in.ServerJVM...)
	if !strings.Contains(strings.Join(s.opt.JVM, " "), "GC") {
		args = append(args, "-XX:+UseSerialGC")
	}
	if len(s.opt.JVM) > 0 {
		if s.in.takesArgFiles() {
			args = append(args, "@"+s.configPath(jvmOptions))
		} else {
			args = append(args, s.opt.JVM...)
		}
	}
	return append(args, "-cp", strings.Join(s.in.ServerClassPath, string(os.PathListSeparator)),
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", s.configPath("zoo.cfg"))
}

// jvmOptions is the file with Options.JVM. They may contain passwords, which every user of the
// machine could read on a command line.
const jvmOptions = "jvm.options"

// argFile returns the content of a file for java's @file: a quoted option per line.
func argFile(options []string) []byte {
	var b bytes.Buffer
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`)
	for _, option := range options {
		b.WriteString(`"` + quote.Replace(option) + "\"\n")
	}
	return b.Bytes()
}

// takesArgFiles reports whether Java supports @file; Java 8 does not.
func (in *Installation) takesArgFiles() bool {
	java, err := filepath.EvalSymlinks(in.Java)
	if err != nil {
		return true
	}
	home := filepath.Dir(filepath.Dir(java))
	for _, rt := range []string{"lib/rt.jar", "jre/lib/rt.jar"} {
		if _, err := os.Stat(filepath.Join(home, rt)); err == nil {
			return false
		}
	}
	return true
}

func (s *Server) configPath(name string) string { return filepath.Join(s.work, name) }

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return "file:" + path
}

func (s *Server) writeConfig() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	tick := s.opt.TickTime
	if tick == 0 {
		tick = 2 * time.Second
	}
	config := map[string]string{
		"dataDir":                filepath.ToSlash(s.dir),
		"tickTime":               strconv.FormatInt(tick.Milliseconds(), 10),
		"clientPort":             strconv.Itoa(s.port),
		"clientPortAddress":      "127.0.0.1",
		"admin.enableServer":     "false",
		"4lw.commands.whitelist": "*",
		"maxClientCnxns":         "0",
	}
	if s.opt.MaxSessionTimeout != 0 {
		config["maxSessionTimeout"] = strconv.FormatInt(s.opt.MaxSessionTimeout.Milliseconds(), 10)
	}
	if t := s.opt.Secure; t != nil {
		config["serverCnxnFactory"] = "org.apache.zookeeper.server.NettyServerCnxnFactory"
		config["secureClientPort"] = strconv.Itoa(s.securePort)
		config["secureClientPortAddress"] = "127.0.0.1"
		config["ssl.keyStore.location"] = filepath.ToSlash(t.KeyStore)
		config["ssl.keyStore.password"] = t.KeyStorePassword
		if t.TrustStore != "" {
			config["ssl.trustStore.location"] = filepath.ToSlash(t.TrustStore)
			config["ssl.trustStore.password"] = t.TrustStorePassword
		}
		if t.ClientAuth != "" {
			config["ssl.clientAuth"] = t.ClientAuth
		}
	}
	for key, value := range s.opt.Properties {
		config[key] = value
	}
	keys := make([]string, 0, len(config))
	for key := range config {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	var cfg bytes.Buffer
	for _, key := range keys {
		fmt.Fprintf(&cfg, "%s=%s\n", key, config[key])
	}
	for name, text := range map[string][]byte{
		"zoo.cfg": cfg.Bytes(), "log4j.properties": []byte(log4jConfig), "logback.xml": []byte(logbackConfig), jvmOptions: argFile(s.opt.JVM),
	} {
		if name == "zoo.cfg" {
			// A reconfigured server has rewritten it, and its version is newer.
			if old, err := os.ReadFile(s.configPath(name)); err == nil && bytes.Contains(old, []byte("dynamicConfigFile=")) {
				continue
			}
		}
		if err := os.WriteFile(s.configPath(name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// logTail returns the last lines that the server has logged since offset.
func (s *Server) logTail(offset int64) string {
	text, err := os.ReadFile(s.LogFile())
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	if offset < int64(len(text)) {
		text = text[offset:]
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > 30 {
		lines = lines[len(lines)-30:]
	}
	return strings.Join(lines, "\n")
}

const log4jConfig = `log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} [myid:%X{myid}] - %-5p [%t:%C{1}@%L] - %m%n
`

const logbackConfig = `<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} [myid:%X{myid}] - %-5p [%t:%C{1}@%L] - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
`
