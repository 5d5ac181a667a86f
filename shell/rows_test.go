//go:build unix

package shell

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

func data(t *testing.T, conn *client.Conn, ctx context.Context, path string) string {
	t.Helper()
	got, _, err := conn.Get(ctx, path, false)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(got)
}

func TestContinuedLine(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	conn, ctx := other(t, addr)
	state := filepath.Join(t.TempDir(), "state")
	tt := openTest(t, terminalOptions{servers: addr, state: state})
	p := promptOf(addr, "CONNECTED", 0)
	tt.seeLine(p)
	tt.send("create /rows '{\r")
	tt.seeLine(">")
	tt.send("\t\"a\": 1")
	tt.seeLine(`>       "a": 1`) // the tab extends to the eighth column
	tt.send("\r}'\r")
	tt.see("Created /rows")
	want := "{\n\t\"a\": 1\n}"
	if got := data(t, conn, ctx, "/rows"); got != want {
		t.Errorf("stored %q", got)
	}
	p = promptOf(addr, "CONNECTED", 1)
	tt.seeLine(p)

	tt.send("set /rows \"no\rmore") // Ctrl-C leaves
	tt.seeLine("> more")
	tt.send("\x03")
	tt.see("> more^C")
	tt.seeLine(p)

	tt.send("ls /zookeeper\r")
	tt.seeLine(promptOf(addr, "CONNECTED", 2))
	tt.send("\x1b[A\x1b[A") // the line of several rows, whole; the cursor goes up in it
	tt.seeLine("> }'")
	tt.send("\x1b[A\x1b[A\x05!\x01")
	tt.see("create /rows '{!\n>")
	p = promptOf(addr, "CONNECTED", 2)
	tt.seeLine(p + " create /rows '{!")
	tt.send("\x1b[C\x1b[C\x1b[C\x1b[C\x1b[C\x1b[C \x1b[B\x1b[B\x05\x7f,\"-r\":2}'\x1b[A\x1b[A\x01\x1bdset\x05\x7f\r")
	tt.seeLine(promptOf(addr, "CONNECTED", 3))
	want = "{\n\t\"a\": 1\n},\"-r\":2}"
	if got := data(t, conn, ctx, "/rows"); got != want {
		t.Errorf("stored by the line that was edited: %q, want %q", got, want)
	}
	if _, err := conn.Set(ctx, "/rows", nil, -1); err != nil {
		t.Fatal(err)
	}
	tt.send("redo 2\rquit\r")
	tt.left(0)
	if got := data(t, conn, ctx, "/rows"); got != want {
		t.Errorf("stored by redo: %q", got)
	}
	text, err := os.ReadFile(filepath.Join(state, "history"))
	if line := "set  /rows '{\n\t\t\"a\": 1\n\t},\"-r\":2}'\n"; err != nil || strings.Count(string(text), line) != 1 {
		t.Errorf("the file holds %q, %v", text, err)
	}

	if _, err := conn.Set(ctx, "/rows", nil, -1); err != nil {
		t.Fatal(err)
	}
	tt = openTest(t, terminalOptions{servers: addr, state: state})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("\x12\"a\": 1") // the search finds it by its second row
	tt.see("(reverse-i-search)`\"a\": 1': set  /rows '{")
	tt.send("\r")
	tt.seeLine(promptOf(addr, "CONNECTED", 1))
	if got := data(t, conn, ctx, "/rows"); got != want {
		t.Errorf("stored by the line of an earlier shell: %q", got)
	}
}

func TestContinuedLineOnADumbTerminal(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	conn, ctx := other(t, addr)
	tt := openTest(t, terminalOptions{servers: addr, term: "dumb"})
	tt.await("a prompt", func(string) bool { return strings.HasSuffix(tt.cursorRow(), " 0]") })
	tt.send("create /dumb 'one\r")
	tt.seeLine(">")
	tt.send("tw\x03") // leaves
	tt.await("a prompt", func(string) bool { return strings.HasSuffix(tt.cursorRow(), " 0]") })
	tt.send("create /dumb 'one\r")
	tt.seeLine(">")
	tt.send("two'\r")
	tt.see("Created /dumb")
	if got := data(t, conn, ctx, "/dumb"); got != "one\ntwo" {
		t.Errorf("stored %q", got)
	}
}

// block is what a person pastes: twenty rows, JSON over several of them, and a question.
const block = `# set up
create /block
create /block/json '{
	"servers": ["a", "b"],
	"note": "it\"s \\ #1 > 0 | x"
}'

get /block/json
create /block/win C:\new
create /block/inline {"a":1}
create "/block/it's \"odd\"" 'x  y'
deleteall /block/big
set /block/win "two
rows"
multi 'set /block/inline {"m":1}' 'create /block/multi "
  {\"n\": [
  2]}"'
ls /block | sed '
	s/win/WIN/'
create /block/last done # the end
`

func TestPasteOfABlock(t *testing.T) {
	if n := strings.Count(block, "\n"); n != 20 {
		t.Fatalf("%d rows", n)
	}
	addr := apachetest.Shared(t).Addr()
	for _, marks := range []struct {
		name       string
		begin, end string
	}{{"with marks", "\x1b[200~", "\x1b[201~"}, {"without", "", ""}} {
		for _, answer := range []string{"in the block", "typed"} {
			t.Run(marks.name+", the answer "+answer, func(t *testing.T) { pasteBlock(t, addr, marks.begin, marks.end, answer == "in the block") })
		}
	}
}

func pasteBlock(t *testing.T, addr, begin, end string, answered bool) {
	conn, ctx := other(t, addr)
	_, _, _ = conn.Create(ctx, "/chroot", nil, proto.OpenACL, proto.Persistent, 0)
	chroot, _, err := conn.Create(ctx, "/chroot/", nil, proto.OpenACL, proto.PersistentSequential, 0)
	if err != nil {
		t.Fatal(err)
	}
	addr += chroot
	conn, ctx = other(t, addr)
	tt := openTest(t, terminalOptions{servers: addr, cols: 120, rows: 70})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	text := strings.ReplaceAll(block, "\n", "\r") // as terminals send it
	if answered {
		text = strings.Replace(text, "/big\r", "/big\ry\r", 1)
	}
	create(t, conn, ctx, "/block", "/block/big")
	var ops []proto.MultiOp
	for i := range 1100 {
		ops = append(ops, client.CreateOp(fmt.Sprintf("/block/big/%d", i), nil, proto.OpenACL, proto.Persistent, 0))
	}
	if _, err := conn.Multi(ctx, ops); err != nil {
		t.Fatal(err)
	}
	if begin != "" { // nothing runs before the block is complete
		tt.send(begin + text[:300])
		if _, err := conn.Exists(ctx, "/block/json", false); err == nil {
			t.Error("a line of half a paste has run")
		}
		tt.send(text[300:] + end)
	} else {
		tt.send(text)
	}
	tt.see("Delete /block/big and the 1,100 znodes below it? [y/N]")
	if !answered {
		if _, err := conn.Exists(ctx, "/block/multi", false); err == nil {
			t.Error("the block goes on before the answer")
		}
		tt.send("y\r")
	}
	tt.see("Created /block/last")
	tt.seeLine(promptOf(addr, "CONNECTED", 11))
	for path, want := range map[string]string{
		"/block/json":         "{\n\t\"servers\": [\"a\", \"b\"],\n\t\"note\": \"it\\\"s \\\\ #1 > 0 | x\"\n}",
		"/block/win":          "two\nrows",
		"/block/inline":       `{"m":1}`,
		"/block/it's \"odd\"": "x  y",
		"/block/multi":        "\n  {\"n\": [\n  2]}",
		"/block/last":         "done",
	} {
		if got := data(t, conn, ctx, path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	if _, err := conn.Exists(ctx, "/block/big", false); err == nil {
		t.Error("/block/big is not deleted")
	}
	if s := tt.screen(); !strings.Contains(s, `[WIN, `) && !strings.Contains(s, "WIN]") && !strings.Contains(s, " WIN,") {
		t.Error("the program of several rows has not run")
	}
}

// Interrupting one line of a pasted block discards the others.
func TestInterruptedPaste(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	tt := openTest(t, terminalOptions{servers: addr})
	tt.seeLine(promptOf(addr, "CONNECTED", 0))
	tt.send("\x1b[200~help | (echo star''ted; exec sleep 1000)\rcreate /not-pasted\r\rpwd\r\x1b[201~")
	tt.see("\nstarted")
	tt.send("\x03")
	tt.see("2 pasted lines were not run")
	tt.seeLine(promptOf(addr, "CONNECTED", 1))
	tt.send("ls /not-pasted\r")
	tt.see("Node does not exist: /not-pasted")
}
