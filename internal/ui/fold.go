package ui

import (
	"bytes"
	"strings"

	"github.com/zkctl/zkctl/internal/lazyre"
)

// narrowest is the width below which words are no longer folded.
const narrowest = 20

// Fold breaks lines longer than width between words, if possible. A continuation is indented like
// its line. Lines that start with a brace are for programs and stay as they are; so do lines with
// a tab.
func Fold(text string, width int) string {
	if width < narrowest || len(text) <= width && !strings.Contains(text, "\n") {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		end := line[len(strings.TrimRight(line, "\r\n")):]
		line = line[:len(line)-len(end)]
		if columns(line) > width && !strings.HasPrefix(line, "{") && !strings.Contains(line, "\t") {
			foldLine(&b, line, width, len(line)-len(strings.TrimLeft(line, " ")))
		} else {
			b.WriteString(line)
		}
		b.WriteString(end)
	}
	return b.String()
}

// Hang folds one line as Fold does, but indents its continuations by so many columns: to stand beside a label, say.
func Hang(line string, width, by int) string {
	if width < narrowest || columns(line) <= width {
		return line
	}
	var b strings.Builder
	foldLine(&b, line, width, by)
	return b.String()
}

// Fold is Fold at the width of the terminal, if Out is one.
func (s *Streams) Fold(text string) string {
	if !s.OutTTY {
		return text
	}
	return Fold(text, s.Width)
}

// Hang is Hang at the width of the terminal, if Out is one.
func (s *Streams) Hang(line string, by int) string {
	if !s.OutTTY {
		return line
	}
	return Hang(line, s.Width, by)
}

// foldLine folds a line whose continuations are indented by hang columns, unless that leaves too little room.
func foldLine(b *strings.Builder, line string, width, hang int) {
	text := strings.TrimLeft(line, " ")
	indent := line[:len(line)-len(text)]
	if hang > width/2 {
		hang = 0
	}
	if len(indent) > width/2 {
		indent = ""
	}
	at := 0 // the columns of the row so far
	for i, word := range strings.Split(text, " ") {
		switch n := columns(word); {
		case i == 0:
			b.WriteString(indent)
			at = len(indent) + n
		case at+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", hang))
			at = hang + n
		default:
			b.WriteString(" ")
			at += 1 + n
		}
		b.WriteString(word)
	}
}

// colors matches the sequences that take no columns.
var colors = lazyre.New("\x1b\\[[0-9;]*m")

func columns(text string) int {
	if strings.Contains(text, "\x1b") {
		text = colors().ReplaceAllString(text, "")
	}
	return Width(text)
}

// newRow says that the terminal itself started a row, because a person pressed Enter.
func (t *terminal) newRow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = false
}

// fold folds what is about to be shown on a terminal, unless it continues a row or moves the
// cursor, in which case it is not lines of text.
func (t *terminal) fold(out []byte) []byte {
	begun := t.begun
	if len(out) > 0 {
		t.begun = out[len(out)-1] != '\n'
	}
	if begun || bytes.Contains(bytes.ReplaceAll(out, []byte("\r\n"), nil), []byte("\r")) ||
		bytes.Count(out, []byte("\x1b")) != len(colors().FindAllIndex(out, -1)) {
		return out
	}
	return []byte(Fold(string(out), t.width()))
}
