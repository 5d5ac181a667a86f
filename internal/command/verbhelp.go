package command

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/ui"
)

// PrintVerbHelp explains a command: what it does, its subcommands, options and examples.
func PrintVerbHelp(w io.Writer, c *cobra.Command, width int) error {
	out := &strings.Builder{}
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(out, "%s\n\n%s\n", Reflow(strings.TrimSpace(text), width),
		strings.Join(Wrap("Usage: "+UseLine(c), max(width, narrowestHelp)), "\n         "))
	var rows [][2]string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			rows = append(rows, [2]string{sub.Name(), sub.Short})
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(out)
		Columns(out, rows, width)
	}
	if rows = OptionRows(c.LocalFlags()); len(rows) > 0 {
		fmt.Fprint(out, "\nOptions:\n")
		Columns(out, rows, width)
	}
	if exits := ExitsOf(c); exits != nil {
		fmt.Fprint(out, "\nExit codes:\n")
		Columns(out, exits.Rows(), width)
	}
	if c.HasExample() {
		fmt.Fprintf(out, "\nExamples:\n%s\n", strings.TrimRight(c.Example, "\n"))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// OptionRows lists options with what they do.
func OptionRows(fs *pflag.FlagSet) (rows [][2]string) {
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name, usage := OptionRow(f, "--")
		switch f.DefValue {
		case "", "[]", "0", "0s", "-1", "false":
		default:
			usage += " (default " + f.DefValue + ")"
		}
		rows = append(rows, [2]string{name, usage})
	})
	return rows
}

// OptionRow returns an option with its short form and its value, and what it does without the default. dashes precede its
// long form.
func OptionRow(f *pflag.Flag, dashes string) (name, usage string) {
	value, usage := pflag.UnquoteUsage(f)
	name = dashes + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if value != "" {
		name += " " + value
	}
	return name, usage
}

// Columns prints a term and its explanation side by side, wrapped to the width; a long term gets
// its own line.
func Columns(w io.Writer, rows [][2]string, width int) {
	const indent, gap, widest = 2, 2, 24
	left := 0
	for _, r := range rows {
		if len(r[0]) <= widest {
			left = max(left, len(r[0]))
		}
	}
	left += indent + gap
	for _, r := range rows {
		line := strings.Repeat(" ", indent) + r[0]
		if len(line)+gap > left {
			fmt.Fprintln(w, line)
			line = ""
		}
		for _, text := range Wrap(r[1], max(width, 40)-left) {
			fmt.Fprintf(w, "%-*s%s\n", left, line, text)
			line = ""
		}
	}
}

// The widths of help, in columns, whatever the terminal's.
const (
	narrowestHelp = 30
	widestHelp    = 100
)

// Reflow breaks the paragraphs of a text anew, so that no line is longer than width. An indented line stays a line; if it is too
// long and explains a term, it continues below the explanation.
func Reflow(text string, width int) string {
	width = min(max(width, narrowestHelp), widestHelp)
	var out []string
	var paragraph []string
	end := func() {
		if len(paragraph) > 0 {
			out = append(out, Wrap(strings.Join(paragraph, " "), width)...)
		}
		paragraph = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.TrimSpace(line) == "":
			end()
			out = append(out, "")
		case line[0] == ' ' || line[0] == '\t':
			end()
			out = append(out, ui.Hang(line, width, explanation(line)))
		default:
			paragraph = append(paragraph, line)
		}
	}
	end()
	return strings.Join(out, "\n")
}

// explanation returns the column of the explanation of a term, after two or more spaces, or, without one, that of the text.
func explanation(line string) int {
	term := strings.TrimLeft(line, " ")
	at := len(line) - len(term)
	if gap := strings.Index(term, "  "); gap >= 0 {
		at += len(term) - len(strings.TrimLeft(term[gap:], " "))
	}
	return at
}

// Wrap breaks text between words so that no line is longer than width.
func Wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
