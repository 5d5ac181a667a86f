package shell

import (
	"unicode"

	"github.com/zkctl/zkctl/internal/keys"
)

// edit is the line being typed, with what has been cut from it.
type edit struct {
	text   []rune
	cursor int // index into text
}

func (e edit) before() string { return string(e.text[:e.cursor]) }

// replace returns the line with text[from:to] replaced and the cursor after it.
func (e edit) replace(from, to int, by []rune) edit {
	text := make([]rune, 0, len(e.text)-(to-from)+len(by))
	text = append(append(append(text, e.text[:from]...), by...), e.text[to:]...)
	return edit{text, from + len(by)}
}

// A text has several rows if a quote continues over line breaks.

// rowStart and rowEnd are where the row that contains i starts and ends.
func (e edit) rowStart(i int) int {
	for i > 0 && e.text[i-1] != '\n' {
		i--
	}
	return i
}

func (e edit) rowEnd(i int) int {
	for i < len(e.text) && e.text[i] != '\n' {
		i++
	}
	return i
}

// rowUp and rowDown move the cursor to the row above or below, in the same column as far as
// possible; ok is false if there is none.
func (e edit) rowUp() (after edit, ok bool) {
	start := e.rowStart(e.cursor)
	if start == 0 {
		return e, false
	}
	above := e.rowStart(start - 1)
	return edit{e.text, min(above+e.cursor-start, start-1)}, true
}

func (e edit) rowDown() (after edit, ok bool) {
	end := e.rowEnd(e.cursor)
	if end == len(e.text) {
		return e, false
	}
	below := end + 1
	return edit{e.text, min(below+e.cursor-e.rowStart(e.cursor), e.rowEnd(below))}, true
}

// A word is a run of letters and digits, as for Alt-B and Alt-F in a shell, so the segments of a
// path are words.
func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

func (e edit) wordLeft() int {
	i := e.cursor
	for i > 0 && !isWord(e.text[i-1]) {
		i--
	}
	for i > 0 && isWord(e.text[i-1]) {
		i--
	}
	return i
}

func (e edit) wordRight() int {
	i := e.cursor
	for i < len(e.text) && !isWord(e.text[i]) {
		i++
	}
	for i < len(e.text) && isWord(e.text[i]) {
		i++
	}
	return i
}

// blankLeft is where the run of non-spaces before the cursor starts, as for Ctrl-W.
func (e edit) blankLeft() int {
	i := e.cursor
	for i > 0 && unicode.IsSpace(e.text[i-1]) {
		i--
	}
	for i > 0 && !unicode.IsSpace(e.text[i-1]) {
		i--
	}
	return i
}

// clipboard is what Ctrl-W, Ctrl-K, Ctrl-U, Alt-D and Alt-Backspace cut and Ctrl-Y inserts.
type clipboard struct{ text []rune }

func (c *clipboard) knows(k keys.Key) bool {
	_, ok := c.apply(edit{}, k)
	return ok
}

// apply handles the keys that change the line or move the cursor. ok is false for other keys.
func (c *clipboard) apply(e edit, k keys.Key) (after edit, ok bool) {
	cut := func(from, to int) edit {
		if from < to {
			c.text = append([]rune(nil), e.text[from:to]...)
		}
		return e.replace(from, to, nil)
	}
	switch k {
	case keys.Left, keys.Ctrl + "b":
		return edit{e.text, max(0, e.cursor-1)}, true
	case keys.Right, keys.Ctrl + "f":
		return edit{e.text, min(len(e.text), e.cursor+1)}, true
	case keys.Home, keys.Ctrl + "a":
		return edit{e.text, e.rowStart(e.cursor)}, true
	case keys.End, keys.Ctrl + "e":
		return edit{e.text, e.rowEnd(e.cursor)}, true
	case keys.WordLeft, keys.Alt + "b":
		return edit{e.text, e.wordLeft()}, true
	case keys.WordRight, keys.Alt + "f":
		return edit{e.text, e.wordRight()}, true
	case keys.Alt + "backspace":
		return cut(e.wordLeft(), e.cursor), true
	case keys.Alt + "d", keys.DeleteWord:
		return cut(e.cursor, e.wordRight()), true
	case keys.Ctrl + "w":
		return cut(e.blankLeft(), e.cursor), true
	case keys.Ctrl + "u":
		return cut(0, e.cursor), true
	case keys.Ctrl + "k":
		return cut(e.cursor, len(e.text)), true
	case keys.Ctrl + "y":
		return e.replace(e.cursor, e.cursor, c.text), true
	case keys.Ctrl + "t":
		i := min(e.cursor, len(e.text)-1)
		if i < 1 {
			return e, true
		}
		return e.replace(i-1, i+1, []rune{e.text[i], e.text[i-1]}), true
	case keys.Alt + "u", keys.Alt + "l", keys.Alt + "c":
		return e.changeCase(k), true
	}
	return e, false
}

func (e edit) changeCase(k keys.Key) edit {
	to := e.wordRight()
	word := append([]rune(nil), e.text[e.cursor:to]...)
	first := true
	for i, r := range word {
		switch {
		case k == keys.Alt+"u" || k == keys.Alt+"c" && first && isWord(r):
			word[i] = unicode.ToUpper(r)
		default:
			word[i] = unicode.ToLower(r)
		}
		first = first && !isWord(r)
	}
	return e.replace(e.cursor, to, word)
}
