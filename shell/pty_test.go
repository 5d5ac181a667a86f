//go:build unix

package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// The test binary runs the shell itself on request.
func TestMain(m *testing.M) {
	if os.Getenv("ZKCTL_TEST_SERVERS") != "" {
		os.Exit(testShell())
	}
	os.Exit(apachetest.Main(m))
}

func testShell() int {
	if err := os.WriteFile(os.Getenv("ZKCTL_TEST_PID"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		panic(err)
	}
	timeout, _ := time.ParseDuration(os.Getenv("ZKCTL_TEST_TIMEOUT"))
	prompt, err := ParsePrompt(os.Getenv("ZKCTL_TEST_PROMPT"))
	if err != nil {
		panic(err)
	}
	streams := ui.System()
	streams.Out = ui.Terminal(&panicWriter{w: ui.Raw(streams.Out)})
	err = Run(context.Background(), Options{
		Session:   sessionWith(client.Config{Servers: os.Getenv("ZKCTL_TEST_SERVERS"), SessionTimeout: timeout}),
		Streams:   streams,
		StateDir:  os.Getenv("ZKCTL_TEST_STATE"),
		Transient: os.Getenv("ZKCTL_TEST_TRANSIENT") == "true",
		Pager:     os.Getenv("ZKCTL_TEST_PAGER"),
		Prompt:    prompt,
	})
	if err != nil && err.Error() != "" {
		fmt.Fprintln(os.Stderr, err)
	}
	return exitCode(err)
}

// panicWriter panics on a special input, which a test types.
type panicWriter struct{ w io.Writer }

func (p *panicWriter) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "PANIC") {
		panic("as told")
	}
	return p.w.Write(b)
}

// terminalTest is a shell on its own terminal, started by sh.
type terminalTest struct {
	t       *testing.T
	dir     string
	pty     *os.File
	vt      vt10x.Terminal
	mu      sync.Mutex
	changed chan struct{} // closed and replaced when the terminal has shown something
	raw     strings.Builder
	over    bool
}

type terminalOptions struct {
	servers    string
	cols, rows uint16
	timeout    time.Duration
	state      string
	term       string
	transient  bool
	answers    bool // the terminal reports its cursor position
	pager      string
	prompt     string
	noColor    bool
}

func openTest(t *testing.T, o terminalOptions) *terminalTest {
	t.Helper()
	if o.cols == 0 {
		o.cols, o.rows = 100, 30
	}
	tt := &terminalTest{t: t, dir: t.TempDir(), changed: make(chan struct{})}
	if o.term == "" {
		o.term = "xterm-256color"
	}
	if o.state == "" {
		o.state = filepath.Join(tt.dir, "state")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `stty -a >before; "$0"; echo "left with $?"; stty -a >after; echo over`, self)
	cmd.Dir = tt.dir
	noColor := ""
	if o.noColor {
		noColor = "1"
	}
	cmd.Env = append(os.Environ(), "ZKCTL_TEST_PAGER="+o.pager, "ZKCTL_TEST_PROMPT="+o.prompt,
		"ZKCTL_TEST_SERVERS="+o.servers, "ZKCTL_TEST_STATE="+o.state, "ZKCTL_TEST_PID="+tt.file("pid"),
		"ZKCTL_TEST_TIMEOUT="+o.timeout.String(), "ZKCTL_TEST_TRANSIENT="+strconv.FormatBool(o.transient), "TERM="+o.term, "SHELL=/bin/sh", "NO_COLOR="+noColor)
	tt.pty, err = pty.StartWithSize(cmd, &pty.Winsize{Rows: o.rows, Cols: o.cols})
	if err != nil {
		t.Fatal(err)
	}
	var answers io.Writer = io.Discard
	if o.answers {
		answers = tt.pty
	}
	tt.vt = vt10x.New(vt10x.WithSize(int(o.cols), int(o.rows)), vt10x.WithWriter(answers))
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		var rest []byte // half a character, which the emulator would drop
		for {
			n, err := tt.pty.Read(buf)
			text := append(rest, buf[:n]...)
			whole := len(text)
			for whole > 0 && len(text)-whole < utf8.UTFMax && !utf8.RuneStart(text[whole-1]) {
				whole--
			}
			if whole > 0 && utf8.FullRune(text[whole-1:]) {
				whole = len(text)
			} else {
				whole = max(0, whole-1)
			}
			tt.mu.Lock()
			_, _ = tt.vt.Write(text[:whole])
			rest = append([]byte(nil), text[whole:]...)
			tt.raw.Write(buf[:n])
			tt.over = err != nil
			close(tt.changed)
			tt.changed = make(chan struct{})
			tt.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the screen at the end:\n%s", tt.screen())
		}
		if pid := tt.pid(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = cmd.Process.Kill()
		_ = tt.pty.Close()
		<-read
		_ = cmd.Wait()
	})
	return tt
}

func (tt *terminalTest) file(name string) string { return filepath.Join(tt.dir, name) }

// pid returns the shell's process id, or 0 if it has not started.
func (tt *terminalTest) pid() int {
	text, _ := os.ReadFile(tt.file("pid"))
	pid, _ := strconv.Atoi(string(text))
	return pid
}

// screen returns what the terminal shows, without trailing spaces and trailing empty rows.
func (tt *terminalTest) screen() string {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	rows := strings.Split(tt.vt.String(), "\n")
	for i := range rows {
		rows[i] = strings.TrimRight(rows[i], " \x00")
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

// await waits until the screen is as wanted.
func (tt *terminalTest) await(what string, ok func(screen string) bool) {
	tt.t.Helper()
	timeout := time.After(40 * time.Second)
	for {
		tt.mu.Lock()
		changed, over := tt.changed, tt.over
		tt.mu.Unlock()
		if ok(tt.screen()) {
			return
		}
		if over {
			tt.t.Fatalf("the terminal is closed, and %s has not shown", what)
		}
		select {
		case <-changed:
		case <-timeout:
			tt.t.Fatalf("%s does not show", what)
		}
	}
}

func (tt *terminalTest) see(text string) {
	tt.t.Helper()
	tt.await(fmt.Sprintf("%q", text), func(s string) bool { return strings.Contains(s, text) })
}

// seeRaw waits until the terminal has been sent text.
func (tt *terminalTest) seeRaw(text string) {
	tt.t.Helper()
	tt.await(fmt.Sprintf("%q", text), func(string) bool {
		tt.mu.Lock()
		defer tt.mu.Unlock()
		return strings.Contains(tt.raw.String(), text)
	})
}

// seeLine waits until the row of the cursor is text.
func (tt *terminalTest) seeLine(text string) {
	tt.t.Helper()
	tt.await(fmt.Sprintf("the line %q", text), func(string) bool { return tt.cursorRow() == text })
}

func (tt *terminalTest) cursorRow() string {
	rows := strings.Split(tt.screen(), "\n")
	tt.mu.Lock()
	y := tt.vt.Cursor().Y
	tt.mu.Unlock()
	if y >= len(rows) {
		return ""
	}
	return rows[y]
}

func (tt *terminalTest) send(keys string) {
	tt.t.Helper()
	if _, err := io.WriteString(tt.pty, keys); err != nil {
		tt.t.Fatal(err)
	}
}

func (tt *terminalTest) signal(sig syscall.Signal) {
	tt.t.Helper()
	if err := syscall.Kill(tt.pid(), sig); err != nil {
		tt.t.Fatal(err)
	}
}

// left waits until the shell has ended, and checks its exit code and that the terminal is restored.
func (tt *terminalTest) left(code int) {
	tt.t.Helper()
	tt.see(fmt.Sprintf("left with %d", code))
	tt.await("the end", func(s string) bool { return strings.HasSuffix(s, "over") })
	before, _ := os.ReadFile(tt.file("before"))
	after, _ := os.ReadFile(tt.file("after"))
	if len(before) == 0 || string(before) != string(after) {
		tt.t.Errorf("stty -a before:\n%safter:\n%s", before, after)
	}
	tt.mu.Lock()
	defer tt.mu.Unlock()
	raw := tt.raw.String()
	for _, mode := range []struct{ on, off string }{{pasteOn, pasteOff}, {showCursor, hideCursor}} {
		if on, off := strings.LastIndex(raw, mode.on), strings.LastIndex(raw, mode.off); mode.on == pasteOn && on > off || mode.on == showCursor && on < off {
			tt.t.Errorf("a mode of the terminal is left on: %q", raw[max(0, on-20):])
		}
	}
}

func promptOf(addr, state string, number int) string {
	return fmt.Sprintf("[zk: %s(%s) %d]", addr, state, number)
}

// other is a second session besides the shell's.
func other(t *testing.T, addr string) (*client.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	conn, err := client.Open(client.Config{Servers: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); cancel() })
	return conn, ctx
}

func create(t *testing.T, conn *client.Conn, ctx context.Context, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if _, _, err := conn.Create(ctx, p, []byte("x"), proto.OpenACL, proto.Persistent, 0); err != nil && !errors.Is(err, proto.ErrNodeExists) {
			t.Fatal(err)
		}
	}
}
