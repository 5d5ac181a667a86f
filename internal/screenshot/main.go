//go:build unix

// Command screenshot types a script into a zkctl in a terminal in memory and draws what the
// terminal shows in the end, for the README.
//
//	go run ./internal/screenshot -zkctl bin/zkctl -o docs/shell.svg
package main

import (
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"html"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/zkctl/zkctl/internal/await"
)

const (
	columns, rows = 92, 24
	cellWidth     = 8.4 // of a monospaced font of 14 px
	lineHeight    = 19
	margin        = 16
	patience      = 10 * time.Second
)

// script has a line for each thing to do: "type TEXT", "key NAME", "see TEXT".
//
//go:embed script.txt
var script string

var keys = map[string]string{"enter": "\r", "tab": "\t", "ctrl-l": "\x0c", "down": "\x1b[B"}

func main() {
	log.SetFlags(0)
	zkctl := flag.String("zkctl", filepath.Join("bin", "zkctl"), "the zkctl `program` to show")
	out := flag.String("o", filepath.Join("docs", "shell.svg"), "the `file` to write")
	flag.Parse()
	if err := run(*zkctl, *out); err != nil {
		log.Fatal("screenshot: ", err)
	}
}

func run(zkctl, out string) error {
	home, err := os.MkdirTemp("", "zkctl-screenshot-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	s := &session{term: vt10x.New(vt10x.WithSize(columns, rows))}
	cmd := exec.Command(zkctl, "--local")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_STATE_HOME="+home, "TZ=UTC", "LC_ALL=C.UTF-8")
	s.tty, err = pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: columns})
	if err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	go s.read()
	for line := range strings.Lines(script) {
		if err := s.do(strings.TrimRight(line, "\n")); err != nil {
			return err
		}
	}
	return os.WriteFile(out, s.draw(), 0o644)
}

// session is the terminal and what feeds it.
type session struct {
	tty  *os.File
	mu   sync.Mutex
	term vt10x.Terminal
}

func (s *session) read() {
	buf := make([]byte, 4096)
	for {
		n, err := s.tty.Read(buf)
		if err != nil {
			return
		}
		s.mu.Lock()
		_, _ = s.term.Write(buf[:n])
		s.mu.Unlock()
		if bytes.Contains(buf[:n], []byte("\x1b[6n")) { // where is the cursor?
			at := s.term.Cursor()
			fmt.Fprintf(s.tty, "\x1b[%d;%dR", at.Y+1, at.X+1)
		}
	}
}

func (s *session) do(line string) error {
	what, arg, _ := strings.Cut(line, " ")
	switch what {
	case "", "#":
		return nil
	case "type":
		_, err := io.WriteString(s.tty, arg)
		return err
	case "key":
		_, err := io.WriteString(s.tty, keys[arg])
		return err
	case "see":
		return s.await(arg)
	}
	return fmt.Errorf("the script has %q, which is neither type, key nor see", line)
}

// await waits until the screen shows the text.
func (s *session) await(text string) error {
	shown := ""
	if !await.Within(patience, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		shown = s.term.String()
		return strings.Contains(shown, text)
	}) {
		return fmt.Errorf("%q does not appear; the screen is\n%s", text, shown)
	}
	return nil
}

// style is how a run of cells looks.
type style struct {
	fg, bg vt10x.Color
	bold   bool
}

func (s *session) draw() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := rows
	for used > 1 && blank(s.term, used-1) {
		used--
	}
	var b bytes.Buffer
	width, height := columns*cellWidth+2*margin, used*lineHeight+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" role="img" aria-label="The shell of zkctl">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", background)
	fmt.Fprintf(&b, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" xml:space="preserve">`+"\n")
	for y := range used {
		for x := 0; x < columns; {
			from, st := x, styleOf(s.term.Cell(x, y))
			var text strings.Builder
			for x < columns && styleOf(s.term.Cell(x, y)) == st {
				text.WriteRune(max(s.term.Cell(x, y).Char, ' '))
				x++
			}
			left, top := margin+float64(from)*cellWidth, margin+y*lineHeight
			if st.bg != vt10x.DefaultBG {
				fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, top, float64(x-from)*cellWidth, lineHeight, colour(st.bg))
			}
			if strings.TrimSpace(text.String()) == "" {
				continue
			}
			weight := ""
			if st.bold {
				weight = ` font-weight="bold"`
			}
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" textLength="%.1f" fill="%s"%s>%s</text>`+"\n",
				left, top+14, float64(x-from)*cellWidth, colour(st.fg), weight, html.EscapeString(text.String()))
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.Bytes()
}

func blank(t vt10x.Terminal, y int) bool {
	for x := range columns {
		if c := t.Cell(x, y); c.Char > ' ' || c.BG != vt10x.DefaultBG {
			return false
		}
	}
	return true
}

// The bits of vt10x's Glyph.Mode, which it does not export.
const (
	modeReverse = 1 << 0
	modeBold    = 1 << 2
)

func styleOf(g vt10x.Glyph) style {
	st := style{g.FG, g.BG, g.Mode&modeBold != 0}
	if g.Mode&modeReverse != 0 {
		st.fg, st.bg = st.bg, st.fg
	}
	return st
}

const background, foreground = "#16181d", "#d7dae0"

// palette are the sixteen colours of a terminal.
var palette = [16]string{
	"#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf",
	"#7f848e", "#ef8b93", "#b1d196", "#f0d197", "#82c0f5", "#d492e7", "#7accd6", "#ffffff",
}

func colour(c vt10x.Color) string {
	switch {
	case c == vt10x.DefaultFG:
		return foreground
	case c == vt10x.DefaultBG:
		return background
	case c < 16:
		return palette[c]
	case c < 232: // a cube of 6
		level := func(n vt10x.Color) int {
			if n == 0 {
				return 0
			}
			return int(n)*40 + 55
		}
		n := c - 16
		return fmt.Sprintf("#%02x%02x%02x", level(n/36), level(n/6%6), level(n%6))
	case c < 256:
		grey := int(c-232)*10 + 8
		return fmt.Sprintf("#%02x%02x%02x", grey, grey, grey)
	}
	return fmt.Sprintf("#%06x", uint32(c)&0xffffff)
}
