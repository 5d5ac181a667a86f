package supervise

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// TestMain makes the test binary the server: the embedded one, or one that does as its last argument says.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "server" && os.Args[2] == ChildCommand {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		err := Child(ctx, os.Args[3], zoocfg.Properties{})
		var exit *ui.ExitError
		switch {
		case errors.As(err, &exit):
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exit.Code)
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 4 && os.Args[1] == "fake" {
		fake(os.Args[2], os.Args[3])
	}
	if len(os.Args) == 3 && os.Args[1] == "supervise" {
		opt := quick(os.Args[2])
		opt.Streams = ui.System()
		if err := Run(context.Background(), opt); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fake is a server that behaves as a test wants it to.
func fake(does, addr string) {
	if code, err := strconv.Atoi(does); err == nil {
		fmt.Println("this is why")
		os.Exit(code)
	}
	if strings.Contains(does, "stubborn") {
		signal.Ignore(syscall.SIGTERM)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		os.Exit(1)
	}
	fmt.Println("hello from the fake server")
	for {
		conn, err := ln.Accept()
		if err != nil {
			os.Exit(1)
		}
		fmt.Println("asked")
		switch {
		case strings.Contains(does, "silent"):
			continue
		case strings.Contains(does, "waits"):
			_, _ = io.WriteString(conn, fourletter.NotServing+"\n")
		default:
			_, _ = io.WriteString(conn, "Zookeeper version: 3\nMode: standalone\n")
		}
		conn.Close()
	}
}

type fakeEngine struct{ does, addr string }

func (f fakeEngine) command() (*exec.Cmd, error) {
	return exec.Command(os.Args[0], "fake", f.does, f.addr), nil
}
func (fakeEngine) fatal(code int) int {
	if code == exitInvalidConfig {
		return code
	}
	return 0
}
func (fakeEngine) reason(output string) string { return strings.TrimSpace(output) }
func (fakeEngine) dumps() bool                 { return false }
func (fakeEngine) close()                      {}

// quick are options for tests.
func quick(config string) Options {
	opt := Default()
	opt.Config = config
	opt.HangLimit, opt.StartLimit, opt.Grace, opt.MaxDelay = time.Second, 30*time.Second, 5*time.Second, 2*time.Second
	opt.minDelay, opt.look = 10*time.Millisecond, 20*time.Millisecond
	return opt
}

// lines collects what a supervisor tells.
type lines struct {
	mu     sync.Mutex
	text   bytes.Buffer
	events []event
	more   chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	var e event
	if err := json.Unmarshal(p, &e); err != nil {
		return 0, err
	}
	l.events = append(l.events, e)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// supervised is a running supervisor.
type supervised struct {
	t    *testing.T
	said *lines
	at   int // events before this one have been waited for
	stop context.CancelFunc
	done chan error
}

// config writes a zoo.cfg with a free client port.
func config(t *testing.T, more string) (file, addr string) {
	t.Helper()
	p, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file = filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("dataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n%s", filepath.ToSlash(filepath.Join(dir, "data")), p, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, fmt.Sprintf("127.0.0.1:%d", p)
}

// supervise runs a supervisor until the test ends.
func supervise(t *testing.T, opt Options) *supervised {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &supervised{t: t, said: &lines{more: make(chan struct{}, 1)}, stop: stop, done: make(chan error, 1)}
	opt.JSON, opt.Streams = true, &ui.Streams{Out: s.said, Err: io.Discard}
	if opt.LogFile == "" {
		opt.LogFile = filepath.Join(filepath.Dir(opt.Config), "log", "server.out")
	}
	go func() { s.done <- Run(ctx, opt) }()
	t.Cleanup(func() {
		stop()
		<-s.done
		if t.Failed() {
			t.Logf("the supervisor said:\n%s", s.said.text.String())
			text, _ := os.ReadFile(opt.LogFile)
			t.Logf("the server said:\n%s", text[max(0, len(text)-4000):])
		}
	})
	return s
}

// until waits for an event that is as the test wants it.
func (s *supervised) until(what string, is func(event) bool) event {
	s.t.Helper()
	timeout := time.After(60 * time.Second)
	for {
		s.said.mu.Lock()
		for s.at < len(s.said.events) {
			e := s.said.events[s.at]
			if s.at++; is(e) {
				s.said.mu.Unlock()
				return e
			}
		}
		s.said.mu.Unlock()
		select {
		case <-s.said.more:
		case err := <-s.done:
			s.done <- err
			s.t.Fatalf("the supervisor ended before %s: %v", what, err)
		case <-timeout:
			s.t.Fatalf("no %s", what)
		}
	}
}

func (s *supervised) state(want State) event {
	s.t.Helper()
	return s.until(string(want), func(e event) bool { return e.Event == "state" && e.State == want })
}

// ended waits for the end of the supervisor.
func (s *supervised) ended() error {
	s.t.Helper()
	select {
	case err := <-s.done:
		s.done <- nil
		return err
	case <-time.After(60 * time.Second):
		s.t.Fatal("the supervisor does not end")
		return nil
	}
}

func signalTo(t *testing.T, pid int, sig os.Signal) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Signal(sig)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCrashLoop: a server that ends at once is started again after pauses that grow, not in a busy loop.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	opt := quick(file)
	opt.minDelay, opt.MaxDelay = 100*time.Millisecond, 400*time.Millisecond
	opt.engine = fakeEngine{"1", addr}
	s := supervise(t, opt)
	var at []int64
	for range 6 {
		at = append(at, s.state(Starting).Time)
		if e := s.state(Down); !strings.Contains(e.Message, "ended with exit code 1: this is why; the next start is in ") {
			t.Errorf("it says %q", e.Message)
		}
	}
	for i, least := range []int64{100, 200, 400, 400, 400} {
		if gap := at[i+1] - at[i]; gap < least {
			t.Errorf("pause %d took %d ms, less than %d", i, gap, least)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{5 * time.Second / 3: "1.667s", 24 * time.Hour: "24h", 90 * time.Minute: "1h30m", 2 * time.Minute: "2m", 0: "0s", time.Microsecond: "1µs"} {
		if got := brief(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestPause(t *testing.T) {
	for failures, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
		if got := pause(failures, time.Second, 10*time.Second); got != want*time.Second {
			t.Errorf("after %d failures: %v, want %v", failures, got, want*time.Second)
		}
	}
	if got := pause(1<<30, time.Second, time.Minute); got != time.Minute {
		t.Errorf("after very many failures: %v", got)
	}
}

// TestNotServingIsNoHang: a member that waits for its quorum is left alone, however long that takes.
func TestNotServingIsNoHang(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	opt := quick(file)
	opt.HangLimit = 600 * time.Millisecond
	opt.engine = fakeEngine{"waits", addr}
	s := supervise(t, opt)
	s.state(NotServing)
	await.That(t, 30*time.Second, "ten questions", func() bool { // a third of the limit apart
		text, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "log", "server.out"))
		return bytes.Count(text, []byte("asked\n")) >= 10
	})
	s.said.mu.Lock()
	defer s.said.mu.Unlock()
	for _, e := range s.said.events {
		if e.State == Down || e.State == Stopping || strings.Contains(e.Message, "hangs") {
			t.Errorf("it says %+v", e)
		}
	}
}

// TestStartLimit: a server that is silent from the start on has more time than one that has answered.
func TestStartLimit(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	opt := quick(file)
	opt.HangLimit, opt.StartLimit = 50*time.Millisecond, time.Second
	opt.engine = fakeEngine{"silent", addr}
	s := supervise(t, opt)
	began := s.state(Starting)
	hung := s.state(NotServing)
	if took := hung.Time - began.Time; took < 1000 || !strings.Contains(hung.Message, "no answer within 1s after the start") {
		t.Errorf("after %d ms: %s", took, hung.Message)
	}
	s.state(Starting)
}

// TestStubborn: a server that ignores SIGTERM is killed.
func TestStubborn(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	opt := quick(file)
	opt.Grace = 100 * time.Millisecond
	opt.engine = fakeEngine{"stubborn", addr}
	s := supervise(t, opt)
	s.state(Serving)
	s.stop()
	s.state(Stopping)
	if e := s.state(Down); !strings.Contains(e.Message, "killed") {
		t.Errorf("it says %q", e.Message)
	}
	if err := s.ended(); err != nil {
		t.Error(err)
	}
}

// TestInvalidConfig: nothing but a person can help, so the supervisor ends with the server's exit code.
func TestInvalidConfig(t *testing.T) {
	t.Parallel()
	code := func(err error) int {
		var exit *ui.ExitError
		if !errors.As(err, &exit) {
			return 0
		}
		return exit.Code
	}
	file, _ := config(t, "tickTime=soon\n")
	if err := supervise(t, quick(file)).ended(); code(err) != exitInvalidConfig || !strings.Contains(err.Error(), "tickTime=soon") {
		t.Errorf("at the start: %v", err)
	}
	file, addr := config(t, "")
	opt := quick(file)
	opt.engine = fakeEngine{"2", addr}
	if err := supervise(t, opt).ended(); code(err) != exitInvalidConfig || !strings.Contains(err.Error(), "this is why") {
		t.Errorf("as the server says: %v", err)
	}
	file, addr = config(t, "")
	opt = quick(file)
	opt.engine = fakeEngine{"serves", addr}
	s := supervise(t, opt)
	e := s.state(Serving)
	if err := os.WriteFile(file, []byte("dataDir=/nowhere\nclientPort=none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	signalTo(t, e.PID, os.Kill)
	if err := s.ended(); code(err) != exitInvalidConfig {
		t.Errorf("at a restart: %v", err)
	}
}

// TestApacheIsMissing: the supervisor says what it has not found.
func TestApacheIsMissing(t *testing.T) {
	t.Setenv("ZOOKEEPER_HOME", t.TempDir())
	file, _ := config(t, "")
	opt := quick(file)
	opt.Engine = Apache
	if err := supervise(t, opt).ended(); err == nil || !strings.Contains(err.Error(), "find Apache ZooKeeper") {
		t.Errorf("without Apache ZooKeeper: %v", err)
	}
}

// TestPortTaken: it says so, and starts once the port is free.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	opt := quick(file)
	opt.engine = fakeEngine{"serves", addr}
	s := supervise(t, opt)
	if e := s.state(Down); !strings.Contains(e.Message, "another program listens on port") {
		t.Errorf("it says %q", e.Message)
	}
	ln.Close()
	s.state(Serving)
}

// TestTwoSupervisors: the second of one data directory is refused, and says who the first is.
func TestTwoSupervisors(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	opt := quick(file)
	opt.engine = fakeEngine{"serves", addr}
	supervise(t, opt).state(Serving)
	want := fmt.Sprintf("process %d supervises it already", os.Getpid())
	if err := supervise(t, opt).ended(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the second: %v", err)
	}
}

// TestConfigChanges: a changed file is reported by its keys, without values, and the server keeps what it has read.
func TestConfigChanges(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "tickTime=2000\n")
	opt := quick(file)
	opt.engine = fakeEngine{"serves", addr}
	s := supervise(t, opt)
	e := s.state(Serving)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changes := func(want string) {
		t.Helper()
		e := s.until("change", func(e event) bool { return e.Event == "config" })
		if !strings.Contains(e.Message, want) || strings.Contains(e.Message, "secret") {
			t.Errorf("it says %q, not %q", e.Message, want)
		}
	}
	write(string(text) + "tickTime=3000\nssl.keyStore.password=secret\n")
	changes("was changed: ssl.keyStore.password, tickTime; the server keeps what it has read")
	write(string(text))
	changes("is again as the server has read it")
	write(string(text) + "tickTime=3000\n")
	changes("was changed: tickTime")
	signalTo(t, e.PID, os.Kill)
	changes("the server starts with what was changed")
	s.state(Serving)
}

// TestStatusPage: the page shows what the lines say, as HTML and as JSON, to this machine alone.
func TestStatusPage(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	renamed := filepath.Join(filepath.Dir(file), "<b>&.cfg")
	if err := os.Rename(file, renamed); err != nil {
		t.Fatal(err)
	}
	opt := quick(renamed)
	opt.engine, opt.Listen = fakeEngine{"serves", addr}, "127.0.0.1:0"
	s := supervise(t, opt)
	message := s.until("page", func(e event) bool { return e.Event == "page" }).Message
	url := message[strings.LastIndexByte(message, ' ')+1:]
	serving := s.state(Serving)
	get := func(path, host string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	if code, text := get("", ""); code != 200 || !strings.Contains(text, "&lt;b&gt;&amp;.cfg") || strings.Contains(text, "<b>") || !strings.Contains(text, "standalone at "+addr) {
		t.Errorf("the page, %d: %s", code, text)
	}
	code, text := get("status.json", "localhost")
	var st status
	if err := json.Unmarshal([]byte(text), &st); err != nil || code != 200 {
		t.Fatal(code, err, text)
	}
	if st.State != Serving || st.PID != serving.PID || st.Mode != "standalone" || st.Starts != 1 || st.Address != addr || st.Purge.By != "supervisor" {
		t.Errorf("the status is %+v", st)
	}
	if code, text := get("ready", ""); code != 200 || text != "serving\n" {
		t.Errorf("ready: %d %q", code, text)
	}
	if code, _ := get("", "evil.example"); code != http.StatusForbidden {
		t.Errorf("a name that others give this machine is answered with %d", code)
	}
	for addr, fine := range map[string]bool{"127.0.0.1:0": true, "[::1]:80": true, "localhost:80": true, "0.0.0.0:80": false, ":80": false, "10.0.0.1:80": false, "80": false} {
		if err := CheckListen(addr); (err == nil) != fine {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// TestNobodyReads: a reader of the lines that has stopped reading, or has gone, keeps the supervisor from nothing.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	opt := quick(file)
	opt.minDelay, opt.MaxDelay = time.Millisecond, time.Millisecond
	opt.engine, opt.LogFile = fakeEngine{"1", addr}, filepath.Join(filepath.Dir(file), "server.out")
	in, out := io.Pipe()
	defer in.Close()
	opt.Streams = &ui.Streams{Out: out, Err: io.Discard}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, opt) }()
	await.That(t, 30*time.Second, "many starts", func() bool {
		text, _ := os.ReadFile(opt.LogFile)
		return bytes.Count(text, []byte("this is why\n")) > 20
	})
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it does not end")
	}
}

// TestReconfiguration: what a member rewrites is no change, and its new client port is the one that is asked.
func TestReconfiguration(t *testing.T) {
	t.Parallel()
	file, addr := config(t, "")
	_, moved := config(t, "")
	opt := quick(file)
	opt.engine = fakeEngine{"serves", addr}
	s := supervise(t, opt)
	s.state(Serving)
	dynamic := file + ".dynamic.100000001"
	ports, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dynamic, fmt.Appendf(nil, "server.1=127.0.0.1:%d:%d:participant;%s", ports, ports+1, moved), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(filepath.Dir(file), "data")
	if err := zoocfg.WriteMyID(data, 1); err != nil {
		t.Fatal(err)
	}
	if err := zoocfg.EditStatic(file, dynamic, true); err != nil {
		t.Fatal(err)
	}
	if e := s.until("change", func(e event) bool { return e.Event == "config" }); !strings.HasSuffix(e.Message, "moved the client port to "+moved) {
		t.Errorf("it says %q", e.Message)
	}
}
