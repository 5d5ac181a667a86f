package shell

import (
	"strings"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/keys"
)

// ghostStyle sets a suggestion apart from what was typed: bright black, which is grey.
const ghostStyle = "90"

// classStyles are the parameters of SGR for the parts of a line.
var classStyles = [...]string{
	completions.Plain:    "",
	completions.Name:     "1",
	completions.Option:   "36",
	completions.Znode:    "32",
	completions.Quoted:   "33",
	completions.Operator: "35",
	completions.Comment:  "90",
	completions.Wrong:    "31",
}

// styles returns the style of each character of a line with the cursor at this index, or nil; e.mu is held.
func (e *editor) styles(text []rune, cursor int) []string {
	if e.parts == nil || len(text) == 0 || len(text) >= completedLine {
		return nil
	}
	line := string(text)
	styles := make([]string, 0, len(text))
	at := 0
	fill := func(to int, style string) {
		for range line[at:to] {
			styles = append(styles, style)
		}
		at = to
	}
	for _, p := range e.parts(line, len(string(text[:cursor]))) {
		fill(p.Start, "")
		fill(p.End, classStyles[p.Class])
	}
	fill(len(line), "")
	return styles
}

// suggestion returns what the latest line of the history that begins like the line would add to its
// row; e.mu is held.
func (e *editor) suggestion() []rune {
	text := string(e.line.text)
	if !e.suggesting || text == "" || len(text) >= completedLine || e.line.cursor < len(e.line.text) || e.selected >= 0 || e.hidden == text {
		return nil
	}
	if e.ghost.line == text {
		return e.ghost.text
	}
	e.ghost.line, e.ghost.text = text, nil
	for i := len(e.past) - 1; i >= 0; i-- {
		more, ok := strings.CutPrefix(e.past[i], text)
		if more, _, _ = strings.Cut(more, "\n"); ok && more != "" {
			e.ghost.text = []rune(more)
			break
		}
	}
	return e.ghost.text
}

// ghost is what suggestion has found for a line.
type ghost struct {
	line string
	text []rune
}

// accept returns the line with the suggestion, or its first word, at the end, if the key says so and there is one; e.mu is held.
func (e *editor) accept(k keys.Key) (after edit, ok bool) {
	more := e.suggestion()
	whole := edit{append(append([]rune(nil), e.line.text...), more...), e.line.cursor}
	switch {
	case len(more) == 0:
		return e.line, false
	case k == keys.Right, k == keys.End, k == keys.Ctrl+"f", k == keys.Ctrl+"e":
		return edit{whole.text, len(whole.text)}, true
	case k == keys.WordRight, k == keys.Alt+"f":
		end := whole.wordRight()
		return edit{whole.text[:end], end}, true
	}
	return e.line, false
}
