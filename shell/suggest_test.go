//go:build unix

package shell

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
)

// stateWith returns a state folder with a history.
func stateWith(t *testing.T, history string) string {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(state, "history"), []byte(history), 0o600); err != nil {
		t.Fatal(err)
	}
	return state
}

func TestSuggestions(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	state := stateWith(t, "create /suggested/older x\naddauth digest bob:sesame\ncreate /suggested/newer 'a\n\tb'\nget /long/"+strings.Repeat("x", 200)+"\n")
	tt := openTest(t, terminalOptions{servers: addr, state: state})
	p := promptOf(addr, "CONNECTED", 0)
	tt.seeLine(p)
	tt.send("create /s")
	tt.seeLine(p + " create /suggested/newer 'a") // of the latest line, its first row
	tt.send("\x1bf")                              // one word
	tt.seeLine(p + " create /suggested/newer 'a")
	tt.send("/old")
	tt.seeLine(p + " create /suggested/older x")
	tt.send("\x7f\x7f\x7f\x7fZ") // nothing is like it
	tt.seeLine(p + " create /suggestedZ")
	tt.send("\x7f")
	tt.seeLine(p + " create /suggested/newer 'a")
	tt.send("\x1b[C") // accepted: Enter starts the next row
	tt.send("\r")
	tt.seeLine("> b'")
	tt.send("\x1b[F")
	tt.send("\x03")
	tt.see("create /suggested/newer 'a\n> b'^C")
	tt.seeLine(p)

	tt.send("addauth d") // secrets are not suggested
	tt.seeLine(p + " addauth d")
	tt.send("\x15get /l")
	tt.await("a suggestion that fits into the row", func(string) bool {
		row := tt.cursorRow()
		return strings.HasPrefix(row, p+" get /long/xxx") && strings.HasSuffix(row, "…") && len([]rune(row)) < 100
	})
	tt.send("\x05\x03") // End of the line
	tt.see("x^C")
	tt.send("ge\x1b[D") // not within the line
	tt.seeLine(p + " ge")
	tt.send("\x03")
	tt.seeLine(p)
	tt.send("quit\r")
	tt.left(0)
}

// Without colours nothing would set a suggestion apart from what was typed.
func TestNoSuggestionsWithoutColours(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	tt := openTest(t, terminalOptions{servers: addr, state: stateWith(t, "ls /zookeeper/config\n"), noColor: true})
	p := promptOf(addr, "CONNECTED", 0)
	tt.seeLine(p)
	tt.send("ls /zoo")
	tt.see("zookeeper") // of the menu
	tt.seeLine(p + " ls /zoo")
	tt.mu.Lock()
	defer tt.mu.Unlock()
	if regexp.MustCompile("\x1b\\[[0-9;]*m").MatchString(tt.raw.String()) {
		t.Errorf("there are colours: %q", tt.raw.String())
	}
}

// The words of a line have colours as they are typed; whether a znode exists shows once that is known.
func TestColoursOfALine(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	tt := openTest(t, terminalOptions{servers: addr})
	p := promptOf(addr, "CONNECTED", 0)
	tt.seeLine(p)
	tt.send("frob -x")
	tt.seeRaw("\x1b[31mfrob\x1b[0m -x")
	tt.send("\x15ls -s /zookeeper")
	tt.seeRaw("\x1b[1mls\x1b[0m \x1b[36m-s\x1b[0m \x1b[32m/zookeeper\x1b[0m")
	tt.send("\x15get /none/x ")
	tt.seeRaw("\x1b[1mget\x1b[0m \x1b[31m/none/x\x1b[0m ")
	tt.send("\x15set /zookeeper 'a b' | #c")
	tt.seeRaw("\x1b[32m/zookeeper\x1b[0m \x1b[33m'a b'\x1b[0m \x1b[35m|\x1b[0m #c")
	tt.send("\x15quit # c\r")
	tt.seeRaw("\x1b[1mquit\x1b[0m \x1b[90m# c\x1b[0m")
	tt.left(0)
}

func TestPromptOfATemplate(t *testing.T) {
	addr := apachetest.Shared(t).Addr()
	tt := openTest(t, terminalOptions{servers: addr, prompt: "{cyan}{server}{plain} {profile} {{{state}}} {path} {number}>"})
	tt.seeLine(addr + " {CONNECTED} / 0>")
	tt.send("cd zookeeper\r")
	tt.seeLine(addr + " {CONNECTED} /zookeeper 1>")
	tt.seeRaw("\x1b[36m" + addr + "\x1b[0m ")
	tt.send("cd -\rquit\r")
	tt.left(0)
}
