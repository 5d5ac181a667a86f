package top

import (
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/keys"
)

// action is what the loop must do after a key.
type action int

const (
	draw action = iota
	quit
	suspend
)

// page is how many rows PgUp and PgDn move.
const page = 10

// press handles a key.
func (u *screen) press(p keys.Press) action {
	switch p.Key {
	case keys.Ctrl + "c":
		return quit
	case keys.Ctrl + "z":
		return suspend
	}
	if u.typing {
		u.typed(p)
		return draw
	}
	if p.Key == keys.Text {
		for i, r := range p.Text {
			if u.letter(r) == quit {
				return quit
			}
			if u.typing { // the keys after the slash edit the filter
				*u.filter() += p.Text[i+utf8.RuneLen(r):]
				break
			}
		}
		return draw
	}
	switch p.Key {
	case keys.F10:
		return quit
	case keys.F1:
		u.cover(helpOverlay)
	case keys.Escape:
		u.escape()
	case keys.Enter:
		u.cover(detailsOverlay)
	case keys.Tab:
		u.turn(1)
	case keys.BackTab:
		u.turn(-1)
	case keys.Up:
		u.move(-1)
	case keys.Down:
		u.move(1)
	case keys.PageUp:
		u.move(-page)
	case keys.PageDown:
		u.move(page)
	case keys.Home:
		u.move(-1 << 30)
	case keys.End:
		u.move(1 << 30)
	case keys.Left:
		u.sort(-1)
	case keys.Right:
		u.sort(1)
	}
	return draw
}

func (u *screen) letter(r rune) action {
	switch r {
	case 'q':
		return quit
	case '?', 'h':
		u.cover(helpOverlay)
	case 'e':
		u.cover(eventsOverlay)
	case 'j':
		u.move(1)
	case 'k':
		u.move(-1)
	case '<', ',':
		u.sort(-1)
	case '>', '.':
		u.sort(1)
	case 'r', 'I':
		u.reverse()
	case 'g':
		if u.focus == pathsPane {
			u.parents = !u.parents
		} else {
			u.each = !u.each
		}
	case ' ', 'p':
		u.paused = !u.paused
	case '/':
		if u.overlay == noOverlay {
			u.typing = true
		}
	}
	return draw
}

// typed edits the filter.
func (u *screen) typed(p keys.Press) {
	filter := u.filter()
	switch p.Key {
	case keys.Enter:
		u.typing = false
	case keys.Escape:
		*filter, u.typing = "", false
	case keys.Backspace:
		_, size := utf8.DecodeLastRuneInString(*filter)
		*filter = (*filter)[:len(*filter)-size]
	case keys.Ctrl + "u":
		*filter = ""
	case keys.Text, keys.Paste:
		*filter += p.Text
	}
}

// cover toggles an overlay.
func (u *screen) cover(o overlay) {
	if u.overlay == o {
		o = noOverlay
	}
	u.overlay, u.scroll = o, 0
}

// escape goes back one step.
func (u *screen) escape() {
	if u.overlay != noOverlay {
		u.overlay = noOverlay
		return
	}
	*u.filter() = ""
}

// turn moves the focus to another pane.
func (u *screen) turn(by pane) {
	panes := pane(2)
	if u.shown != nil && u.shown.logged {
		panes = 3
	}
	u.focus = (u.focus + by + panes) % panes
}

func (u *screen) move(by int) {
	if u.overlay != noOverlay {
		u.scroll = max(0, u.scroll+by)
		return
	}
	switch u.focus {
	case membersPane:
		u.members.move(by)
	case clientsPane:
		u.clients.move(by)
	case pathsPane:
		u.paths.move(by)
	}
}

func (u *screen) sort(step int) {
	switch u.focus {
	case membersPane:
		u.members.sortBy(step)
	case clientsPane:
		u.clients.sortBy(step)
	case pathsPane:
		u.paths.sortBy(step)
	}
}

func (u *screen) reverse() {
	for p, reversed := range map[pane]*bool{membersPane: &u.members.reversed, clientsPane: &u.clients.reversed, pathsPane: &u.paths.reversed} {
		if p == u.focus {
			*reversed = !*reversed
		}
	}
}
