package shell

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// span is text in one style: the parameters of SGR, or "" for none.
type span struct{ text, style string }

// view is what the terminal shows of the line being typed.
type view struct {
	prompt []span
	text   []rune
	styles []string // of the characters of text, or nil
	cursor int      // index into text
	ghost  []rune   // what the history would add at the end of text
	menu   *menu
}

// screen paints views on a terminal in place: it remembers where the last one started. The caller
// must serialise the calls.
type screen struct {
	out           io.Writer
	color         bool
	width, height int
	last          view
	painted       bool
	cursorRow     int // rows from the start of the painted view down to the cursor
	cursorCol     int
	resized       *position // where the cursor is if the terminal has rewrapped the view
	keepsRows     bool      // the terminal did not rewrap when last seen
	shown         string    // what the last view was written as, when the size was
	shownSize     [2]int
}

// position is the place of the cursor in a view.
type position struct{ row, col int }

// Control sequences that every terminal since the VT100 understands or ignores.
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	pasteOn    = "\x1b[?2004h"
	pasteOff   = "\x1b[?2004l"

	askPosition = "\x1b[6n"

	// eraseBelow erases from the start of a row. It avoids erasing from the top of the screen,
	// which tmux takes for a new screen, keeping the old one among the lines that it brings back
	// when the window gets wider.
	eraseBelow = "\x1b7\x1b[K\x1b[B\x1b[J\x1b8"
)

func up(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA", n)
}

func right(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dC", n)
}

// begin starts a new line of input.
func (s *screen) begin() {
	s.painted, s.cursorRow, s.last = false, 0, view{}
	s.write(pasteOn)
	s.freshRow()
}

// freshRow moves to the start of a row. Earlier output may have left the cursor in the middle of
// one: after a row's width of spaces it is at the start of a row in either case.
func (s *screen) freshRow() { s.write(strings.Repeat(" ", s.width) + "\r" + eraseBelow) }

// paint replaces the last view with this one.
func (s *screen) paint(v view) {
	before, size := s.shown, s.shownSize
	settled := s.painted && s.resized == nil
	home, text := s.home(), s.render(v)
	if settled && text == before && s.shownSize == size {
		return // what is on the screen: painting it again could meet a resize that is not known yet
	}
	s.write(hideCursor + home + text + showCursor)
}

// above prints text before the view, which moves down.
func (s *screen) above(text string, v view) {
	s.write(hideCursor + s.home() + s.sentence(text) + s.render(v) + showCursor)
}

// sentence is text on separate rows.
func (s *screen) sentence(text string) string {
	return crlf(ui.Fold(strings.TrimRight(text, "\n"), s.width) + "\n")
}

// finish shows the line as accepted, without a menu, and leaves it.
func (s *screen) finish(v view, suffix string) {
	v.menu, v.ghost, v.cursor = nil, nil, len(v.text)
	s.write(hideCursor + s.home() + s.render(v) + suffix + "\r\n" + pasteOff + showCursor)
	s.painted, s.cursorRow = false, 0
}

// leave removes the view, for a while or after an error.
func (s *screen) leave() {
	s.write(s.home() + pasteOff + showCursor)
	s.painted, s.cursorRow = false, 0
}

// clear empties the terminal.
func (s *screen) clear(v view) {
	s.write("\x1b[H\x1b[2J")
	s.painted, s.cursorRow = false, 0
	s.paint(v)
}

// resize adapts to the new size. Most terminals rewrap their content, so that the last view
// starts as many rows above the cursor as it takes at the new width; others, such as xterm, leave
// the rows unchanged. If that makes a difference, the terminal is asked where the cursor is;
// settle takes the answer, and nothing should be painted before.
func (s *screen) resize(width, height int) (asked bool) {
	if s.painted && width != s.width && width > 0 {
		l := layOut(s.last, width, false)
		if s.resized = nil; l.cursorRow != s.cursorRow {
			s.resized = &position{l.cursorRow, l.cursorCol}
			s.write(askPosition)
		}
	}
	s.width, s.height = width, height
	return s.resized != nil
}

// settle finishes what resize started. The column shows how the terminal treats rows; -1 means
// that it did not answer.
func (s *screen) settle(col int) {
	if kept := min(s.cursorCol, s.width-1); col >= 0 && kept != s.resized.col {
		s.keepsRows = col == kept
	}
	if !s.keepsRows {
		s.cursorRow = s.resized.row
	}
	s.resized = nil
}

// home moves to the start of the painted view and erases it.
func (s *screen) home() string {
	if !s.painted {
		return ""
	}
	if s.resized != nil { // no time to wait for the answer
		s.settle(-1)
	}
	return "\r" + up(s.cursorRow) + eraseBelow
}

func (s *screen) write(text string) { _, _ = io.WriteString(s.out, text) }

func (s *screen) render(v view) string {
	if s.width <= 0 {
		s.width = 80
	}
	if s.height <= 0 {
		s.height = 24
	}
	l := layOut(v, s.width, s.color)
	rows, wrapped, cursorRow := l.rows, l.wrapped, l.cursorRow
	if len(rows) > s.height { // a line longer than the screen: show the part around the cursor
		first := min(max(0, cursorRow-s.height/2), len(rows)-s.height)
		rows, wrapped = rows[first:first+s.height], wrapped[first:first+s.height]
		cursorRow -= first
	}
	var b strings.Builder
	for i, row := range rows {
		b.WriteString(row)
		if i < len(rows)-1 && !(wrapped[i] && rows[i+1] != "") {
			b.WriteString("\r\n")
		}
	}
	below := s.menuRows(v, l, s.height-len(rows))
	for _, row := range below {
		b.WriteString("\r\n" + row)
	}
	b.WriteString("\r" + up(len(rows)-1-cursorRow+len(below)) + right(l.cursorCol))
	s.last, s.painted, s.cursorRow, s.cursorCol = v, true, cursorRow, l.cursorCol
	s.shown, s.shownSize = b.String(), [2]int{s.width, s.height}
	return s.shown
}

// layout is a line split into the rows of a terminal.
type layout struct {
	rows                 []string
	wrapped              []bool // the row is full, and the terminal wraps by itself
	cursorRow, cursorCol int
	anchorCol            int
}

func layOut(v view, width int, color bool) layout {
	var l layout
	var row strings.Builder
	col := 0
	style := ""
	set := func(to string) {
		if color && to != style {
			if style != "" {
				row.WriteString("\x1b[0m")
			}
			if to != "" {
				row.WriteString("\x1b[" + to + "m")
			}
		}
		style = to
	}
	endRow := func(full bool) {
		set("") // a row may be shown without those above it
		l.rows, l.wrapped = append(l.rows, row.String()), append(l.wrapped, full)
		row.Reset()
		col = 0
	}
	var put func(r rune, style string)
	put = func(r rune, style string) {
		switch r {
		case '\n':
			endRow(false)
			for _, r := range continued {
				put(r, "")
			}
			return
		case '\t':
			for range tabWidth - col%tabWidth {
				put(' ', style)
			}
			return
		}
		text, w := printable(r)
		if col+w > width && col > 0 {
			endRow(col == width)
		}
		set(style)
		row.WriteString(text)
		col += w
	}
	for _, sp := range v.prompt {
		for _, r := range sp.text {
			put(r, sp.style)
		}
	}
	set("")
	mark := func(i int) {
		if v.menu != nil && i == v.menu.anchor {
			l.anchorCol = col
		}
		if i == v.cursor {
			if col >= width {
				endRow(true)
			} else if i < len(v.text) { // the character at the cursor may not fit
				if w := columns(v.text[i]); col+w > width {
					endRow(false)
				}
			}
			l.cursorRow, l.cursorCol = len(l.rows), col
		}
	}
	for i, r := range v.text {
		mark(i)
		if v.styles != nil {
			put(r, v.styles[i])
		} else {
			put(r, "")
		}
	}
	mark(len(v.text))
	if ghost := shownGhost(v.ghost, width-col-1); ghost != "" {
		set(ghostStyle)
		row.WriteString(ghost)
	}
	endRow(false)
	return l
}

// shownGhost is as much of a suggestion as fits into the rest of the row.
func shownGhost(ghost []rune, room int) string {
	var b strings.Builder
	for _, r := range ghost[:min(len(ghost), max(0, room+1))] {
		text, _ := printable(r)
		b.WriteString(text)
	}
	return runewidth.Truncate(b.String(), max(0, room), "…")
}

// continued precedes each row of a line except the first.
const continued = "> "

const tabWidth = 8

// columns returns the width of a character that does not fit into a row.
func columns(r rune) int {
	switch r {
	case '\n':
		return 0
	case '\t':
		return 1
	}
	_, w := printable(r)
	return w
}

// printable returns what represents a character on the screen, and its width in columns.
func printable(r rune) (string, int) {
	switch {
	case r < ' ':
		return "^" + string('@'+r), 2
	case r == 0x7f:
		return "^?", 2
	case escape.Obeyed(r):
		return "?", 1
	}
	return string(r), runewidth.RuneWidth(r)
}
