//go:build unix

package shell

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
)

func TestTabCompletes(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	conn, ctx := other(t, addr)
	create(t, conn, ctx, "/tab", "/tab/alpha", "/tab/alpha/gamma", "/tab/alpha/gamma/leaf", "/tab/alpha/gamma two", "/tab/alpha/日本")
	tt := openTest(t, terminalOptions{servers: addr})
	p := promptOf(addr, "CONNECTED", 0)
	tt.seeLine(p)
	tt.send("getAllC\t")
	tt.seeLine(p + " getAllChildrenNumber")
	tt.send("\x15ls --out\t")
	tt.seeLine(p + " ls --output")
	tt.send("j\t")
	tt.seeLine(p + " ls --output json")
	tt.send("\x15ls /tab/a\t")
	tt.seeLine(p + " ls /tab/alpha")
	tt.see("3 children, 1 byte")
	tt.send("\t")
	tt.seeLine(p + " ls /tab/alpha/")
	tt.see("gamma two")
	tt.send("g\t") // up to the first choice
	tt.seeLine(p + " ls /tab/alpha/gamma")
	tt.send("\t\t") // the second of two
	tt.seeLine(p + " ls '/tab/alpha/gamma two'")
	tt.send("\x1b[Z") // the first
	tt.seeLine(p + " ls /tab/alpha/gamma")
	tt.send("/\t")
	tt.seeLine(p + " ls /tab/alpha/gamma/leaf")
	tt.send("\r")
	tt.see("\n[]\n")
	p = promptOf(addr, "CONNECTED", 1)
	tt.seeLine(p)
	tt.send("cd /tab\r")
	p = strings.Replace(promptOf(addr, "CONNECTED", 2), ") ", ") /tab ", 1)
	tt.seeLine(p)
	tt.send("ls alpha/\xe6\x97") // half a character
	tt.send("\xa5\t")
	tt.await("a relative path that is not ASCII", func(string) bool { return strings.HasPrefix(tt.cursorRow(), p+" ls alpha/日本") })
	tt.send("\x1b") // Escape hides the menu
	tt.await("no menu", func(s string) bool { return !strings.Contains(s, "0 children") })
	tt.send("\x15\t") // all commands
	tt.see("in total")
	tt.send("\x04") // ends the shell only from an empty line, which this is
	tt.left(0)
}

func TestEventsAboveTheLine(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	conn, ctx := other(t, addr)
	create(t, conn, ctx, "/watched")
	tt := openTest(t, terminalOptions{servers: addr})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("addWatch /watched\r")
	p := promptOf(addr, "CONNECTED", 1)
	tt.seeLine(p)
	tt.send("get /watched\x1b[D\x1b[D\x1b[D") // the cursor is inside
	tt.see("get /watched")
	if _, err := conn.Set(ctx, "/watched", []byte("new"), -1); err != nil {
		t.Fatal(err)
	}
	tt.see("WATCHER::\nWatchedEvent state:SyncConnected type:NodeDataChanged path:/watched\n" + p + " get /watched")
	tt.seeLine(p + " get /watched")
	tt.send("\x05\r")
	tt.see("get /watched\nnew\n")
	tt.send("printwatches off\r")
	tt.seeLine(promptOf(addr, "CONNECTED", 3))
	if _, err := conn.Set(ctx, "/watched", []byte("silent"), -1); err != nil {
		t.Fatal(err)
	}
	tt.send("get /watched\r")
	tt.see("silent")
	if n := strings.Count(tt.screen(), "NodeDataChanged"); n != 1 {
		t.Errorf("%d events are on the screen", n)
	}
}

func TestPaste(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	for name, marks := range map[string][2]string{"with marks": {"\x1b[200~", "\x1b[201~"}, "without": {}} {
		t.Run(name, func(t *testing.T) {
			tt := openTest(t, terminalOptions{servers: addr})
			tt.seeLine(promptOf(addr, "CONNECTED", 0))
			tt.send(marks[0] + "create /paste x\rget /paste\rls '/zookeeper\t'\rdelete /paste\rget /half" + marks[1])
			tt.seeLine(promptOf(addr, "CONNECTED", 4) + " get /half")
			screen := tt.screen()
			for _, want := range []string{"Created /paste\n", "get /paste\nx\n", promptOf(addr, "CONNECTED", 3) + " delete /paste\n"} {
				if !strings.Contains(screen, want) {
					t.Errorf("%q is not on the screen", want)
				}
			}
		})
	}
}

func TestTransientServerIsNotRemembered(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	state := filepath.Join(t.TempDir(), "state")
	tt := openTest(t, terminalOptions{servers: addr, state: state, transient: true})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("ls /zookeeper\rquit\r")
	tt.left(0)
	if seen := completions.SeenServers(state); len(seen) > 0 {
		t.Errorf("servers remembered: %v", seen)
	}
	if text, err := os.ReadFile(filepath.Join(state, "history")); err != nil || !strings.Contains(string(text), "ls /zookeeper\n") {
		t.Errorf("the history holds %q, %v", text, err)
	}
}

func TestHistoryOnATerminal(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	state := filepath.Join(t.TempDir(), "state")
	tt := openTest(t, terminalOptions{servers: addr, state: state})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("ls /zookeeper\rpwd\rpwd\raddauth digest bob:secret\rredo 0\rhistory\r")
	tt.see("3 - addauth digest ****\n4 - ls /zookeeper\n5 - history\n")
	tt.send("quit\r")
	tt.left(0)
	text, err := os.ReadFile(filepath.Join(state, "history"))
	if err != nil || string(text) != "ls /zookeeper\npwd\nls /zookeeper\nhistory\nquit\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	for name, want := range map[string]os.FileMode{state: 0o700, filepath.Join(state, "history"): 0o600, filepath.Join(state, "servers"): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, want mode %o", name, err, want)
		}
	}

	tt = openTest(t, terminalOptions{servers: addr, state: state})
	p := promptOf(addr, "CONNECTED", 0)
	tt.seeLine(p)
	tt.send("\x1b[A\x1b[A")
	tt.seeLine(p + " history")
	tt.send("\x15\x12zoo")
	tt.seeLine("(reverse-i-search)`zoo': ls /zookeeper")
	tt.send("x")
	tt.seeLine("(failed reverse-i-search)`zoox': ls /zookeeper")
	tt.send("\x7f\x05 ") // End continues with the line found
	tt.seeLine(p + " ls /zookeeper")
	tt.send("-s\x03\x12pw")
	tt.seeLine("(reverse-i-search)`pw': pwd")
	tt.send("\x07") // takes it back
	tt.seeLine(p)
	tt.send("\x12pw\r")
	tt.see(p + " pwd\n/\n")
}

func TestNarrowTerminals(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	conn, ctx := other(t, addr)
	create(t, conn, ctx, "/narrow", "/narrow/a-znode-with-a-name-that-is-long", "/narrow/b")
	for _, test := range []struct {
		cols   uint16
		prompt string
	}{{60, "[zk: " + addr + "(CONNECTED) 0]"}, {20, "[zk 0]"}} {
		t.Run(fmt.Sprint(test.cols), func(t *testing.T) {
			tt := openTest(t, terminalOptions{servers: addr, cols: test.cols, rows: 24})
			tt.seeLine(test.prompt)
			tt.send("ls /narrow/")
			tt.see("a-znode")
			tt.see(" b")
			text := "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"
			tt.send("\x15create /narrow/x " + text)
			whole := test.prompt + " create /narrow/x " + text
			joined := func(s string) bool { return strings.HasPrefix(strings.ReplaceAll(s, "\n", ""), whole) }
			tt.await("a line of several rows", joined)
			tt.send("\x01\x05\x1b[D\x1b[D\x1b[C\x1b[C")
			tt.await("the same line", joined)
			for range 3 { // prompts do not pile up
				tt.send("\x0c")
			}
			tt.await("the same line on a clear screen", joined)
			tt.send("\x15pwd\r")
			tt.see("\n/\n")
			if !strings.HasPrefix(tt.screen(), test.prompt+" pwd\n/\n") {
				t.Errorf("rows of the long line are left")
			}
		})
	}
}

// A terminal that does not rewrap rows when its width changes, like the emulator, with and without
// reports of the cursor position.
func TestResize(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	for _, answers := range []bool{true, false} {
		tt := openTest(t, terminalOptions{servers: addr, answers: answers})
		tt.seeLine(promptOf(addr, "CONNECTED", 0))
		tt.send("pwd\r")
		tt.seeLine(promptOf(addr, "CONNECTED", 1))
		text := " set /resize some data that takes more than a row where the window is not so wide"
		tt.send(text[1:])
		tt.await("the whole line", func(s string) bool {
			tt.mu.Lock()
			defer tt.mu.Unlock()
			return strings.HasSuffix(s, "not so wide") && strings.HasSuffix(tt.raw.String(), showCursor)
		})
		for _, cols := range []int{70, 20, 100, 40, 60, 61, 200, 90, 40, 100} {
			tt.mu.Lock()
			tt.vt.Resize(cols, 30)
			err := pty.Setsize(tt.pty, &pty.Winsize{Rows: 30, Cols: uint16(cols)})
			tt.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			want := promptOf(addr, "CONNECTED", 1)
			switch cols {
			case 20:
				want = "[zk 1]"
			case 40:
				want = "[zk(CONNECTED) 1]"
			}
			var rows []string
			for line := want + text; line != ""; {
				n := min(cols, len(line))
				rows, line = append(rows, strings.TrimRight(line[:n], " ")), line[n:]
			}
			tt.await(fmt.Sprintf("the line at %d columns, and no other, with answers %v,", cols, answers), func(s string) bool {
				_, line, _ := strings.Cut(s, "\n/\n") // which pwd has printed
				tt.mu.Lock()
				defer tt.mu.Unlock()
				return strings.HasSuffix(tt.raw.String(), showCursor) && line == strings.Join(rows, "\n")
			})
		}
	}
}

// TestPaintMeetsANewSize: a line is painted, as when it has become known that a path exists, before the signal of the terminal's new
// size has arrived. The rows into which the terminal has wrapped the line are gone.
func TestPaintMeetsANewSize(t *testing.T) {
	ptm, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer ptm.Close()
	defer tty.Close()
	var out bytes.Buffer
	vt := vt10x.New(vt10x.WithSize(100, 30), vt10x.WithWriter(io.Discard))
	size := func(cols int) {
		vt.Resize(cols, 30)
		if err := pty.Setsize(ptm, &pty.Winsize{Rows: 30, Cols: uint16(cols)}); err != nil {
			t.Fatal(err)
		}
	}
	size(100)
	text := "set /a " + strings.Repeat("word ", 15)
	e := &editor{
		term: &terminal{in: tty, out: tty}, label: func(int) []span { return []span{{text: "> "}} },
		screen: screen{out: &out, color: true, width: 100, height: 30}, suggested: suggested{line: at(text + "|"), selected: -1}, active: true,
	}
	show := func() {
		e.paint()
		_, _ = vt.Write(out.Bytes())
		out.Reset()
	}
	show()
	for i, cols := range []int{30, 90, 20} {
		size(cols)
		e.parts = func(string, int) []completions.Part {
			return []completions.Part{{Start: 4, End: 6, Class: completions.Class(i + 1)}}
		}
		show()
		e.mu.Lock()
		e.located(vt.Cursor().X) // if it was asked for
		e.mu.Unlock()
		show()
		if got := strings.Count(vt.String(), "> set"); got != 1 {
			t.Errorf("at %d columns:\n%s", cols, strings.TrimSpace(vt.String()))
		}
	}
}

// tmux treats what is erased from the top of the screen as an old screen, and restores it when the
// window gets wider.
func TestNothingIsErasedFromTheTop(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	tt := openTest(t, terminalOptions{servers: addr})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("ls /zoo")
	tt.see("zookeeper")
	tt.mu.Lock()
	raw := tt.raw.String()
	tt.mu.Unlock()
	vt := vt10x.New(vt10x.WithSize(100, 30), vt10x.WithWriter(io.Discard))
	for _, part := range strings.SplitAfter(raw, "\x1b[J") {
		text, erases := strings.CutSuffix(part, "\x1b[J")
		_, _ = vt.Write([]byte(text))
		if c := vt.Cursor(); erases && c.X == 0 && c.Y == 0 {
			t.Fatalf("it erases all after %q", text[max(0, len(text)-100):])
		}
		if erases {
			_, _ = vt.Write([]byte("\x1b[J"))
		}
	}
}

func TestOutputWithoutLineBreak(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	tt := openTest(t, terminalOptions{servers: addr})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("pwd | tr -d '\\n'\r")
	tt.see("\n/\n" + promptOf(addr, "CONNECTED", 1))
}

// TestEditInTheShell: edit gives the terminal to the editor, and the shell has it back afterwards.
func TestEditInTheShell(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	conn, ctx := other(t, addr)
	create(t, conn, ctx, "/edited")
	script := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nstty -a </dev/tty | grep -q ' icanon' && printf 'your text: ' && read text </dev/tty && printf '%s' \"$text\" >\"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VISUAL", script)
	tt := openTest(t, terminalOptions{servers: addr})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("edit /edited\r")
	tt.see("your text:")
	tt.send("by hand\r")
	tt.see("+by hand")
	tt.see("[y/N]")
	tt.send("y\r")
	tt.seeLine(promptOf(addr, "CONNECTED", 1))
	if data, _, err := conn.Get(ctx, "/edited", false); err != nil || string(data) != "by hand" {
		t.Errorf("%q, %v\n%s", data, err, tt.screen())
	}
	tt.send("quit\r")
	tt.left(0)
}
