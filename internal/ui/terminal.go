package ui

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/sharedio"
)

// terminal is a stream to a terminal. It escapes everything that the terminal would obey, except
// line breaks, tabs and our own sequences, which start with the mark, so that no command has to
// track where a name, data or a log line came from.
//
// Differs(terminal-escapes): zkCli writes what it receives unchanged, so a znode's data can
// change the terminal's title, hide lines, or type into it.
type terminal struct {
	mu   sync.Mutex
	w    io.Writer
	rest []byte // the start of a character, or of the mark, whose end has not arrived yet
	out  []byte

	width func() int // in columns, for sentences, which are folded; nil for what is shown unfolded
	begun bool       // the row has started
	color bool       // Report uses it
}

// mark stands for "\x1b[" in front of our own sequences. It is itself a valid sequence, so that
// code that measures text knows where it ends, and nobody outside can guess it.
var mark = fmt.Appendf(nil, "\x1b[%d;", rand.Uint64())

// Terminal returns a stream to the terminal w that shows what it gets and obeys none of it.
func Terminal(w io.Writer) io.Writer { return &terminal{w: w} }

// Raw returns the stream below w: the terminal itself, which obeys. It is for code that draws on
// it, and for programs that are started.
func Raw(w io.Writer) io.Writer {
	if l, ok := w.(*sharedio.Writer); ok {
		return Raw(l.W)
	}
	if t := terminalOf(w); t != nil {
		w = t.w
	}
	if h, ok := w.(Holder); ok {
		return h.Direct()
	}
	return w
}

// Holder is a writer that may hold back what it gets. Direct shows that, and returns the terminal.
type Holder interface{ Direct() io.Writer }

// Over returns streams like s, which show on out and err instead, and escape as much.
func (s *Streams) Over(out, err io.Writer) *Streams {
	over := *s
	for _, w := range []struct {
		to  *io.Writer
		now io.Writer
	}{{&over.Out, out}, {&over.Err, err}} {
		if t := terminalOf(*w.to); t != nil {
			*w.to = &terminal{w: w.now, width: t.width, begun: t.begun, color: t.color}
		} else {
			*w.to = w.now
		}
	}
	return &over
}

// terminalOf returns the Terminal below w, or nil.
func terminalOf(w io.Writer) *terminal {
	if l, ok := w.(*sharedio.Writer); ok {
		return terminalOf(l.W)
	}
	t, _ := w.(*terminal)
	return t
}

// Write implements io.Writer.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := p
	if len(t.rest) > 0 {
		text = append(t.rest, p...)
	}
	end := len(text) - unfinished(text)
	t.out = t.out[:0]
	for i, part := range bytes.Split(text[:end], mark) {
		if i > 0 {
			t.out = append(t.out, "\x1b["...)
		}
		t.out = escape.Append(t.out, part, true)
	}
	t.rest = append([]byte(nil), text[end:]...)
	if len(t.out) == 0 {
		return len(p), nil
	}
	if t.width != nil {
		t.out = t.fold(t.out)
	}
	if _, err := t.w.Write(t.out); err != nil {
		return 0, err
	}
	if cap(t.out) > 1<<20 {
		t.out = nil
	}
	return len(p), nil
}

// unfinished returns the length of the end of text whose meaning depends on what follows.
func unfinished(text []byte) int {
	for n := min(len(text), len(mark)-1); n > 0; n-- {
		tail := text[len(text)-n:]
		switch {
		case bytes.HasPrefix(mark, tail), n == 1 && tail[0] == '\r':
			return n
		case n < utf8.UTFMax && utf8.RuneStart(tail[0]) && !utf8.FullRune(tail):
			return n
		}
	}
	return 0
}

// flush shows what was held back, because nothing follows it.
func (t *terminal) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rest) > 0 {
		_, _ = t.w.Write(escape.Append(nil, t.rest, true))
		t.rest = nil
	}
}

// Flush shows, at the end of a command, what the streams held back: a truncated character.
func (s *Streams) Flush() {
	for _, w := range []io.Writer{s.Out, s.Err} {
		if t := terminalOf(w); t != nil {
			t.flush()
		}
	}
}

// Control returns a control sequence for Out: Control("2K") erases a line.
func (s *Streams) Control(sequence string) string {
	if terminalOf(s.Out) != nil {
		return string(mark) + sequence
	}
	return "\x1b[" + sequence
}

// Paint returns text in the colour if Out has colours.
func (s *Streams) Paint(text string, attrs ...color.Attribute) string {
	if !s.Color || text == "" {
		return text
	}
	c := color.New(attrs...)
	c.EnableColor()
	before, after, _ := strings.Cut(c.Sprint("\x00"), "\x00")
	own := strings.NewReplacer("\x1b[", s.Control(""))
	return own.Replace(before) + text + own.Replace(after)
}

// Name returns a name from outside for Out: on a terminal escaped, so that it stays on its line,
// otherwise unchanged.
func (s *Streams) Name(name string) string {
	if s.OutTTY {
		return escape.Line(name)
	}
	return name
}
