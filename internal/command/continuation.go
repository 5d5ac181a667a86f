package command

import (
	"runtime"
	"strings"
)

// Continuation follows a line over the rows that it takes: it goes on in the next one while a
// quote is open. The zero value is before the first row.
type Continuation struct {
	quote   byte // that is open, 0 for none
	program bool // behind |, where quotes are those of a POSIX shell
}

// Continues tells whether the text, one line of perhaps several rows, goes on in another one.
func Continues(text string) bool {
	var c Continuation
	for row := range strings.SplitSeq(text, "\n") {
		c.Add(row)
	}
	return c.quote != 0
}

// Add takes the next row, without its line break, and tells whether the line goes on behind it.
func (c *Continuation) Add(row string) bool {
	begun := c.quote != 0
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
		c.shell(row)
	}
	return c.quote != 0
}

// closing is where the open quote ends in a row of words, -1 if it does not.
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

// words takes the words of a row up to the first | and returns what is behind it.
func (c *Continuation) words(row string, begun bool) (rest string) {
	tokens, _ := lex(row, begun)
	for _, t := range tokens {
		if c.quote = t.Open; t.Operator && t.Text == "|" {
			c.program = true
			return row[t.End:]
		}
	}
	return ""
}

// shell takes a row as a POSIX shell does. Windows' cmd has no quotes that go on.
func (c *Continuation) shell(row string) {
	if runtime.GOOS == "windows" {
		return
	}
	inWord := c.quote != 0
	for i := 0; i < len(row); i++ {
		switch ch := row[i]; {
		case c.quote == '\'' && ch != '\'':
		case ch == '\\':
			i++
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
