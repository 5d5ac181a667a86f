package command

import (
	"runtime"
	"strings"
)

// Continuation follows a line over several rows: it continues on the next row while a quote is
// open, and after a backslash that ends a row as a separate word or, after |, in any way. The zero
// value is before the first row.
type Continuation struct {
	quote   byte // the open quote, or 0
	slash   bool // a backslash ended the row
	program bool // after |, where quotes are those of a POSIX shell
}

// Continues reports whether the text, a line of one or more rows, continues on another row.
func Continues(text string) bool {
	var c Continuation
	for row := range strings.SplitSeq(text, "\n") {
		c.Add(row)
	}
	return c.open()
}

func (c *Continuation) open() bool { return c.quote != 0 || c.slash }

// Add takes the next row, without its line break, and reports whether the line continues after
// it.
func (c *Continuation) Add(row string) bool {
	begun := c.open()
	if c.quote != 0 && !c.program {
		end := c.closing(row)
		if end < 0 {
			return true
		}
		row = row[end+1:]
	}
	if !c.program {
		row = c.words(row, begun)
	}
	if c.program {
		c.shell(row, begun)
	}
	return c.open()
}

// closing returns where the open quote ends in a row of words, or -1.
func (c *Continuation) closing(row string) int {
	for i := 0; i < len(row); i++ {
		if escapes(c.quote, row[i:]) {
			i++
		} else if row[i] == c.quote {
			c.quote = 0
			return i
		}
	}
	return -1
}

// words takes the words of a row up to the first | and returns what follows it.
func (c *Continuation) words(row string, begun bool) (rest string) {
	c.slash = false
	tokens, _ := lex(row, begun)
	for _, t := range tokens {
		if c.quote = t.Open; t.Operator && t.Text == "|" {
			c.program = true
			return row[t.End:]
		}
		_, c.slash = rowBreak(row, t)
	}
	return ""
}

// shell takes a row as a POSIX shell does. In Windows' cmd, nothing continues a row.
func (c *Continuation) shell(row string, inWord bool) {
	if c.slash = false; runtime.GOOS == "windows" {
		return
	}
	for i := 0; i < len(row); i++ {
		switch ch := row[i]; {
		case c.quote == '\'' && ch != '\'':
		case ch == '\\':
			i++
			c.slash = i == len(row)
		case ch == c.quote:
			c.quote = 0
		case c.quote != 0:
		case ch == '\'' || ch == '"':
			c.quote = ch
		case ch == '#' && !inWord:
			return
		}
		inWord = i < len(row) && strings.IndexByte(" \t;&|()", row[i]) < 0
	}
}
