package textdiff

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// noBreak is what diff writes below a line that has no line break.
const noBreak = `\ No newline at end of file`

// String returns the diff as diff -u writes it and patch reads it. The lines are not escaped.
func (d Diff) String() string {
	var b strings.Builder
	d.write(&b, escape.Line, func(line Line) string { return line.Text }, func(text string, _ ...color.Attribute) string { return text })
	return b.String()
}

// Print writes the diff to s.Out: on a terminal escaped and, if it has colours, coloured; elsewhere
// as [Diff.String] returns it.
func (d Diff) Print(s *ui.Streams) error {
	w := bufio.NewWriter(s.Out)
	text := func(line Line) string { return line.Text }
	if s.OutTTY {
		text = func(line Line) string { // a carriage return is shown, because it may be what differs
			content, ended := strings.CutSuffix(line.Text, "\n")
			if content = escape.Text(content); ended {
				content += "\n"
			}
			return content
		}
	}
	d.write(w, escape.Line, text, s.Paint)
	return w.Flush() // which returns the first error
}

// write writes the diff, with the functions that make names and lines fit to be shown, and colour them.
func (d Diff) write(w io.Writer, name func(string) string, text func(Line) string, paint func(string, ...color.Attribute) string) {
	if d.Empty() {
		return
	}
	fmt.Fprintf(w, "%s\n%s\n", paint("--- "+name(d.From), color.Bold), paint("+++ "+name(d.To), color.Bold))
	if d.Summary != "" {
		fmt.Fprintln(w, d.Summary)
	}
	for _, h := range d.Hunks {
		fmt.Fprintln(w, paint("@@ -"+span(h.From, h.FromLines)+" +"+span(h.To, h.ToLines)+" @@", color.FgCyan))
		for _, line := range h.Lines {
			content, ended := strings.CutSuffix(text(line), "\n")
			content = string(line.Kind) + content
			switch line.Kind {
			case '-':
				content = paint(content, color.FgRed)
			case '+':
				content = paint(content, color.FgGreen)
			}
			fmt.Fprintln(w, content)
			if !ended {
				fmt.Fprintln(w, noBreak)
			}
		}
	}
}

// span is a range of lines in the head of a hunk. One without lines is named by the line before it.
func span(first, lines int) string {
	switch lines {
	case 0:
		return fmt.Sprintf("%d,0", first-1)
	case 1:
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d,%d", first, lines)
}
