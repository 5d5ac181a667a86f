package ui

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/sharedio"
)

func TestTerminal(t *testing.T) {
	var shown bytes.Buffer
	s := &Streams{Out: Terminal(&shown), OutTTY: true, Color: true}
	painted := s.Paint("red \x1b[2J", color.FgRed)
	for _, tc := range []struct{ in, want string }{
		{"text\tand\nlines\r\n", "text\tand\nlines\r\n"},
		{"\x1b[31mtheirs\x1b[0m", `\x1b[31mtheirs\x1b[0m`},
		{painted, "\x1b[31mred \\x1b[2J\x1b[0m"},
		{s.Control("K") + s.Control("2J"), "\x1b[K\x1b[2J"},
		{"中\u009b\u202e\x9b", `中\u009b\u202e\x9b`},
		{"over\rwritten\r", `over\rwritten\r`},
		{"cut \xe4\xb8", `cut \xe4\xb8`},
		{"cut \x1b", `cut \x1b`},
	} {
		// However the text is cut into pieces, what is shown is the same.
		for size := 1; size <= len(tc.in); size++ {
			shown.Reset()
			for text := []byte(tc.in); len(text) > 0; {
				n := min(size, len(text))
				if got, err := s.Out.Write(text[:n]); got != n || err != nil {
					t.Fatalf("wrote %d of %d: %v", got, n, err)
				}
				text = text[n:]
			}
			s.Flush()
			if got := shown.String(); got != tc.want {
				t.Errorf("%q in pieces of %d is shown as %q, want %q", tc.in, size, got, tc.want)
			}
		}
	}
}

// TestNothingIsHeldBack: what is complete is shown at once.
func TestNothingIsHeldBack(t *testing.T) {
	var shown bytes.Buffer
	out := Terminal(&shown)
	for _, text := range []string{"[y/N] ", "中", "\n", "\x1b["} {
		shown.Reset()
		if _, err := io.WriteString(out, text); err != nil || shown.Len() == 0 && text != "\x1b[" {
			t.Errorf("%q: %q, %v", text, shown.String(), err)
		}
	}
}

func TestPaintElsewhere(t *testing.T) {
	var out bytes.Buffer
	s := &Streams{Out: &out, Color: true} // --color=always in a pipe
	if got := s.Paint("red", color.FgRed) + s.Control("K"); got != "\x1b[31mred\x1b[0m\x1b[K" {
		t.Errorf("%q", got)
	}
	if got := s.Name("a\nb\x1b"); got != "a\nb\x1b" {
		t.Errorf("in a pipe a name is %q", got)
	}
	s.OutTTY = true
	if got := s.Name("a\nb\x1b"); got != `a\nb\x1b` {
		t.Errorf("on a terminal a name is %q", got)
	}
}

type failing struct{}

var errFailing = errors.New("no space")

func (failing) Write([]byte) (int, error) { return 0, errFailing }

func TestTerminalFails(t *testing.T) {
	if _, err := io.WriteString(Terminal(failing{}), "x"); !errors.Is(err, errFailing) {
		t.Error(err)
	}
}

func TestRaw(t *testing.T) {
	var w bytes.Buffer
	for _, out := range []io.Writer{&w, Terminal(&w), &sharedio.Writer{W: &w}, &sharedio.Writer{W: Terminal(&w)}} {
		if Raw(out) != &w {
			t.Errorf("%T", out)
		}
	}
}

// FuzzTerminal wants the same shown however the text is cut.
func FuzzTerminal(f *testing.F) {
	f.Add("a\r\n\x1b[31m\xff\u202e中", 3)
	f.Fuzz(func(t *testing.T, text string, at int) {
		at = min(max(at, 0), len(text))
		show := func(pieces ...string) string {
			var shown strings.Builder
			s := &Streams{Out: Terminal(&shown)}
			for _, p := range pieces {
				_, _ = io.WriteString(s.Out, p)
			}
			s.Flush()
			return shown.String()
		}
		if whole, cut := show(text), show(text[:at], text[at:]); whole != cut {
			t.Errorf("%q is shown as %q, cut at %d as %q", text, whole, at, cut)
		}
	})
}
