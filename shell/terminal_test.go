//go:build unix

package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

func TestLeavingLeavesTheTerminal(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	conn, ctx := other(t, addr)
	create(t, conn, ctx, "/leave")
	if _, err := conn.Set(ctx, "/leave", []byte("PANIC"), -1); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		do   func(tt *terminalTest)
		code int
		left bool // the session is
	}{
		{"quit", func(tt *terminalTest) { tt.send("quit\r") }, 0, false},
		{"Ctrl-D", func(tt *terminalTest) { tt.send("\x04") }, 0, false},
		{"SIGTERM", func(tt *terminalTest) { tt.signal(syscall.SIGTERM) }, 143, false},
		{"SIGTERM on half a line", func(tt *terminalTest) { tt.send("ls /ha"); tt.see("ls /ha"); tt.signal(syscall.SIGTERM) }, 143, false},
		{"SIGTERM while a command runs", func(tt *terminalTest) {
			tt.send("set /none -\r") // reads its data from the terminal
			tt.await("a command that runs", func(string) bool { return tt.cursorRow() == "" })
			tt.signal(syscall.SIGTERM)
		}, 143, false},
		{"SIGTERM while a program runs", func(tt *terminalTest) {
			tt.send("help | (echo star''ted; exec sleep 1000)\r")
			tt.see("\nstarted")
			tt.signal(syscall.SIGTERM)
		}, 143, false},
		{"SIGHUP", func(tt *terminalTest) { tt.signal(syscall.SIGHUP) }, 129, false},
		{"a panic while a line is edited", func(tt *terminalTest) { tt.send("PANIC") }, 2, true},
		{"a panic in a search", func(tt *terminalTest) { tt.send("\x12PANIC") }, 2, true},
		{"a panic in a command", func(tt *terminalTest) { tt.send("get /leave\r") }, 2, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			tt := openTest(t, terminalOptions{servers: addr})
			tt.seeLine(promptOf(addr, "CONNECTED", 0))
			name := "/leave-" + strconv.Itoa(os.Getpid())
			tt.send("create -e " + name + "\r")
			tt.seeLine(promptOf(addr, "CONNECTED", 1))
			test.do(tt)
			tt.left(test.code)
			if test.code == 2 {
				if tt.mu.Lock(); !strings.Contains(tt.raw.String(), "panic: as told") {
					t.Error("the panic is not shown")
				}
				tt.mu.Unlock()
			}
			// The session is closed rather than left to expire; a panic in every painting goroutine
			// leaves no time for that.
			if test.left {
				_ = conn.Delete(ctx, name, -1)
				return
			}
			if _, err := conn.Exists(ctx, name, false); !errors.Is(err, proto.ErrNoNode) {
				t.Errorf("the ephemeral znode of the session is still there: %v", err)
			}
		})
	}
}

func TestCtrlC(t *testing.T) {
	server := apachetest.Test(t, apache.Options{})
	addr := server.Addr()
	conn, ctx := other(t, addr)
	create(t, conn, ctx, "/big")
	for batch := range 20 {
		var ops []proto.MultiOp
		for i := range 1000 {
			ops = append(ops, client.CreateOp(fmt.Sprintf("/big/a-name-of-some-length-%05d", batch*1000+i), nil, proto.OpenACL, proto.Persistent, 0))
		}
		if _, err := conn.Multi(ctx, ops); err != nil {
			t.Fatal(err)
		}
	}
	tt := openTest(t, terminalOptions{servers: addr})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("half a line")
	tt.see("half a line")
	tt.send("\x03") // at the prompt it begins a new line
	tt.see("half a line^C")
	tt.seeLine(promptOf(addr, "CONNECTED", 0))

	tt.send("ls -R -y /big | (echo star''ted; sleep 1000)\r") // a reader that does not read
	tt.see("\nstarted")
	tt.send("\x03")
	tt.seeLine(promptOf(addr, "CONNECTED", 1))

	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	tt.send("\x15ls /\r") // no server answers
	tt.await("a command that runs", func(string) bool { return tt.cursorRow() == "" })
	tt.send("\x03")
	tt.see("^C\ninterrupted\n")
	tt.await("a prompt", func(string) bool { return strings.HasSuffix(tt.cursorRow(), " 2]") })
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	tt.send("set /big -\r") // reads the keyboard
	tt.await("a command that runs", func(string) bool { return tt.cursorRow() == "" })
	tt.send("\x03")
	tt.await("a prompt", func(string) bool { return strings.HasSuffix(tt.cursorRow(), " 3]") })
	tt.send("pwd\r")
	tt.see("\n/\n")
}

func TestServerGoesAndComesBack(t *testing.T) {
	server := apachetest.Test(t, apache.Options{})
	addr := server.Addr()
	tt := openTest(t, terminalOptions{servers: addr})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("create -e /mine\r")
	tt.seeLine(promptOf(addr, "CONNECTED", 1))
	tt.send("getEphem")
	tt.see("getEphem")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	tt.see("state:Disconnected type:None")
	tt.seeLine(promptOf(addr, "CONNECTING", 1) + " getEphem")
	tt.see("No connection yet: ")
	if err := server.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	tt.see("state:SyncConnected type:None")
	tt.seeLine(promptOf(addr, "CONNECTED", 1) + " getEphem")
	tt.send("erals\r")
	tt.see("\n[/mine]\n") // of this session, which is still the same

	// The next time, the reason is reported again.
	tt.send("\x0c")
	tt.await("a clear screen", func(screen string) bool { return !strings.Contains(screen, "No connection") })
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	tt.see("No connection yet: ")
}

func TestNoServerAtAll(t *testing.T) {
	tt := openTest(t, terminalOptions{servers: "127.0.0.1:1"})
	tt.seeLine(promptOf("127.0.0.1:1", "CONNECTING", 0))
	tt.see("No connection yet: ")
	tt.see("refused")
	tt.send("pwd\r")
	tt.see("\n/\n")
	tt.send("quit\r")
	tt.left(0)
}

func TestExpiry(t *testing.T) {
	const timeout = 3 * time.Second
	server := apachetest.Test(t, apache.Options{TickTime: timeout / 6})
	addr := server.Addr()
	conn, ctx := other(t, addr)
	tt := openTest(t, terminalOptions{servers: addr, timeout: timeout})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("create -e /mine\r")
	tt.seeLine(promptOf(addr, "CONNECTED", 1))
	tt.send("half")
	tt.see("half")
	tt.signal(syscall.SIGSTOP)
	for {
		_, err := conn.Exists(ctx, "/mine", false)
		if errors.Is(err, proto.ErrNoNode) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	tt.signal(syscall.SIGCONT)
	tt.see("The session has expired")
	tt.see("Opening a new session")
	tt.seeLine(promptOf(addr, "CONNECTED", 1) + " half")
	tt.send("\x15create -e /mine\r")
	tt.see("Created /mine\n" + promptOf(addr, "CONNECTED", 2))
}

// On a narrow terminal, an error wraps between words, and is red.
func TestErrorOnANarrowTerminal(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	tt := openTest(t, terminalOptions{servers: addr, cols: 40, rows: 30})
	tt.await("a prompt", func(string) bool { return strings.HasSuffix(tt.cursorRow(), " 0]") })
	tt.send("get -zz /\r")
	tt.await("a prompt", func(string) bool { return strings.HasSuffix(tt.cursorRow(), " 1]") })
	if text, want := strings.ReplaceAll(tt.screen(), "\n", " "), "an argument that starts with a dash after"; !strings.Contains(text, want) {
		t.Errorf("%q is broken within words in\n%s", want, tt.screen())
	}
	tt.mu.Lock()
	defer tt.mu.Unlock()
	if !strings.Contains(tt.raw.String(), "\x1b[31mget ") {
		t.Error("the error is not red")
	}
}

// What a command prints without a line break at its end stays on the screen.
func TestDumbTerminal(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	tt := openTest(t, terminalOptions{servers: addr, term: "dumb"})
	tt.see("[zk: " + addr)
	tt.send("set /none -\rdata\r\x04")
	tt.see("Node does not exist: /none")
	tt.await("a prompt", func(string) bool { return strings.HasSuffix(tt.cursorRow(), " 1]") })
	tt.send("pwd\r")
	tt.see("\n/\n")
	tt.mu.Lock()
	if strings.Contains(tt.raw.String(), "\x1b") {
		t.Error("control sequences are sent to a terminal that has none")
	}
	tt.mu.Unlock()
	tt.send("\x04")
	tt.left(0)
}

// addauth with only a user prompts for the password without showing it.
func TestAddAuthAsks(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	tt := openTest(t, terminalOptions{servers: addr})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("addauth digest ann\r")
	tt.await("a question", func(string) bool { return strings.HasSuffix(tt.cursorRow(), "Password of ann:") })
	tt.send("op\x7f\x7fsesame\r")
	tt.seeLine(promptOf(addr, "CONNECTED", 1))
	tt.send("whoami\r")
	tt.see("\ndigest: ann\n")
	tt.send("addauth digest bob\r")
	tt.await("a question", func(string) bool { return strings.HasSuffix(tt.cursorRow(), "Password of bob:") })
	tt.send("half\x03")
	tt.see("\ninterrupted\n")
	tt.send("whoami\r")
	tt.see("\nip: 127.0.0.1\n")
	tt.send("addauth digest eve\rpwd\r") // typed ahead: a line, no password
	tt.await("a question", func(string) bool { return strings.HasSuffix(tt.cursorRow(), "Password of eve:") })
	tt.send("sesame\r")
	tt.see("\n/\n") // which ran afterwards
	tt.mu.Lock()
	defer tt.mu.Unlock()
	if raw := tt.raw.String(); strings.Contains(raw, "sesame") || strings.Contains(raw, "half") || strings.Contains(raw, "digest: bob") {
		t.Errorf("a password is shown: %q", raw)
	}
}
