//go:build unix

package top

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	zk "github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
)

// The test binary runs top itself if a variable says so.
func TestMain(m *testing.M) {
	if servers := os.Getenv("ZKCTL_TEST_SERVERS"); servers != "" {
		os.Exit(testTop(servers))
	}
	os.Exit(m.Run())
}

func testTop(servers string) int {
	if err := os.WriteFile("pid", fmt.Append(nil, os.Getpid()), 0o600); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stop := make(chan os.Signal, 1)
	notifyTerm(stop)
	go func() { <-stop; cancel() }()
	streams := ui.System()
	streams.Out = ui.Terminal(&panicWriter{ui.Raw(streams.Out)})
	_, err := Run(ctx, Options{
		Streams: streams, Prober: &probe.Prober{Client: zk.Config{Servers: servers}},
		Every: 200 * time.Millisecond, Timeout: time.Second, Log: os.Getenv("ZKCTL_TEST_LOG"),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// panicWriter panics when it is to write what a person types to make it.
type panicWriter struct {
	w interface{ Write([]byte) (int, error) }
}

func (p *panicWriter) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "/PANIC") {
		panic("as told")
	}
	return p.w.Write(b)
}

// terminal is top on its own terminal, started by sh.
type terminal struct {
	t       *testing.T
	dir     string
	pty     *os.File
	vt      vt10x.Terminal
	mu      sync.Mutex
	raw     strings.Builder
	changed chan struct{} // closed and replaced when the terminal has shown something
}

func open(t *testing.T, servers string, cols int, env ...string) *terminal {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tt := &terminal{t: t, dir: t.TempDir(), changed: make(chan struct{})}
	cmd := exec.Command("/bin/sh", "-c", `stty -g >before; "$0"; echo "left with $?"; stty -g >after; echo over`, self)
	cmd.Dir = tt.dir
	cmd.Env = append(append(os.Environ(), "ZKCTL_TEST_SERVERS="+servers, "TERM=xterm-256color", "NO_COLOR="), env...)
	const rows = 32
	if tt.pty, err = pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: uint16(cols)}); err != nil {
		t.Fatal(err)
	}
	tt.vt = vt10x.New(vt10x.WithSize(cols, rows))
	done := make(chan struct{})
	go func() {
		defer close(done)
		var rest []byte // half a character, which the emulator would drop
		buf := make([]byte, 4096)
		for {
			n, err := tt.pty.Read(buf)
			text := append(rest, buf[:n]...)
			end := len(text)
			for i := max(0, end-utf8.UTFMax); i < end; i++ {
				if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
					end = i
				}
			}
			tt.mu.Lock()
			_, _ = tt.vt.Write(text[:end])
			tt.raw.Write(buf[:n])
			close(tt.changed)
			tt.changed = make(chan struct{})
			tt.mu.Unlock()
			rest = append([]byte(nil), text[end:]...)
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tt.pty.Close()
		<-done
	})
	return tt
}

func (tt *terminal) sent() string {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	return tt.raw.String()
}

// await waits until what is shown is as said, and returns it.
func (tt *terminal) await(what string, is func(string) bool) string {
	tt.t.Helper()
	late := time.After(20 * time.Second)
	for {
		tt.mu.Lock()
		text, changed := tt.vt.String(), tt.changed
		tt.mu.Unlock()
		if is(text) {
			return text
		}
		select {
		case <-changed:
		case <-late:
			tt.t.Fatalf("no %s on\n%s", what, text)
		}
	}
}

func (tt *terminal) see(want string) string {
	tt.t.Helper()
	return tt.await(want, func(text string) bool { return strings.Contains(text, want) })
}

func (tt *terminal) send(keys string) {
	tt.t.Helper()
	if _, err := tt.pty.WriteString(keys); err != nil {
		tt.t.Fatal(err)
	}
}

func (tt *terminal) signal(sig syscall.Signal) {
	tt.t.Helper()
	var pid int
	text, _ := os.ReadFile(filepath.Join(tt.dir, "pid"))
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		tt.t.Fatal(err)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		tt.t.Fatal(err)
	}
}

// left checks that top has ended with the code and left the terminal as it was.
func (tt *terminal) left(code int) {
	tt.t.Helper()
	tt.see(fmt.Sprintf("left with %d", code))
	tt.see("over")
	before, _ := os.ReadFile(filepath.Join(tt.dir, "before"))
	after, _ := os.ReadFile(filepath.Join(tt.dir, "after"))
	if string(before) != string(after) || len(before) == 0 {
		tt.t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
	}
	raw := tt.sent()
	for on, off := range map[string]string{"\x1b[?1049h": "\x1b[?1049l", "\x1b[?25l": "\x1b[?25h", "\x1b[?7l": "\x1b[?7h"} {
		if strings.LastIndex(raw, on) < 0 || strings.LastIndex(raw, off) < strings.LastIndex(raw, on) {
			tt.t.Errorf("%q is not undone", on)
		}
	}
}

func (tt *terminal) resize(cols, rows int) {
	tt.t.Helper()
	tt.mu.Lock()
	tt.vt.Resize(cols, rows)
	tt.mu.Unlock()
	if err := pty.Setsize(tt.pty, &pty.Winsize{Rows: uint16(rows), Cols: uint16(cols)}); err != nil {
		tt.t.Fatal(err)
	}
}
