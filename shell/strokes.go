package shell

import (
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/keys"
	"github.com/zkctl/zkctl/internal/ui"
)

// stroke is what go-prompt is to do next.
type stroke struct {
	keys.Press      // a key that it handles itself
	change     bool // the line changes as editor.change says
	stop       bool // leave
	end        bool // the line has ended already
}

// stroke waits for the next stroke, after go-prompt has shown the effect of the last one.
func (e *editor) stroke() stroke {
	defer func() {
		if r := recover(); r != nil {
			e.rescue()
			panic(r)
		}
	}()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asking = true
	for {
		for e.keyed && !e.done {
			e.synced.Wait()
		}
		if e.done {
			return stroke{end: true}
		}
		if s, ok := e.nextStroke(); ok {
			e.keyed = true
			e.synced.Broadcast()
			return s
		}
	}
}

// nextStroke waits for a key; false means that go-prompt need not know about it. e.mu is held,
// except while it waits.
func (e *editor) nextStroke() (stroke, bool) {
	switch {
	case e.stop:
		return stroke{stop: true}, true
	case e.tabbed != "" && !e.found.Pending:
		waiting := e.tabbed == string(e.line.text)
		e.tabbed = ""
		if waiting && len(e.found.Suggestions) > 0 {
			return e.tab()
		}
	case len(e.next) > 0:
		p := e.next[0]
		e.next = e.next[1:]
		return e.key(p)
	case e.pasted != "" && e.search == nil:
		return e.edit(e.insertPasted)
	case e.fresh && e.selected < 0 && e.search == nil:
		e.fresh = false
		return e.edit(func(line edit) edit { return line }) // makes go-prompt ask for suggestions again
	}
	p, err := e.readKey()
	switch {
	case e.done, p.Key == keys.None && err == nil: // woken
		return stroke{}, false
	case err != nil:
		e.gone, e.stop = true, true
		return stroke{stop: true}, true
	}
	if p.Key == keys.Position {
		if col, err := strconv.Atoi(p.Text); err == nil {
			e.located(col - 1)
		}
		return stroke{}, false
	}
	e.tabbed = ""
	if e.search != nil {
		return e.searchKey(p)
	}
	return e.key(p)
}

func (e *editor) readKey() (keys.Press, error) {
	e.mu.Unlock()
	defer e.mu.Lock()
	return e.term.readKey()
}

func (e *editor) edit(f func(edit) edit) (stroke, bool) {
	e.edits = append(e.edits, f)
	return stroke{change: true}, true
}

// key translates a key for go-prompt, or handles a key that go-prompt does not know.
func (e *editor) key(p keys.Press) (stroke, bool) {
	switch p.Key {
	case keys.Tab:
		return e.tab()
	case keys.Paste:
		e.pasted += p.Text
	case keys.Enter:
		if !command.Continues(string(e.view().text)) {
			return stroke{Press: p}, true
		}
		return e.edit(func(line edit) edit { return line.replace(line.cursor, line.cursor, []rune{'\n'}) })
	case keys.Up, keys.Down, keys.Ctrl + "p", keys.Ctrl + "n":
		move := edit.rowUp
		if p.Key == keys.Down || p.Key == keys.Ctrl+"n" {
			move = edit.rowDown
		}
		if after, ok := move(e.line); ok && e.selected < 0 {
			return e.edit(func(edit) edit { return after })
		}
		return stroke{Press: p}, true
	case keys.BackTab:
		return stroke{Press: p}, e.selected >= 0
	case keys.Escape, keys.Ctrl + "g":
		return e.hideMenu()
	case keys.Ctrl + "l":
		e.screen.clear(e.view())
	case keys.Ctrl + "r":
		e.search = newSearch(e.past)
		e.paint()
	case keys.Ctrl + "z":
		e.suspend()
	default:
		if p.Key == keys.Text || native[p.Key] != nil {
			return stroke{Press: p}, true
		}
		if after, ok := e.accept(p.Key); ok {
			return e.edit(func(edit) edit { return after })
		}
		if (&clipboard{}).knows(p.Key) {
			return e.edit(func(line edit) edit {
				after, _ := e.clip.apply(line, p.Key)
				return after
			})
		}
	}
	return stroke{}, false
}

// insertPasted inserts what was pasted up to the end of a line, and the Enter that runs it, if
// there is one. The rest is inserted after that line has run. e.mu is held.
func (e *editor) insertPasted(line edit) edit {
	rows := strings.Split(line.before(), "\n")
	var c command.Continuation
	for _, row := range rows[:len(rows)-1] {
		c.Add(row)
	}
	head, end, ended := rows[len(rows)-1], 0, false
	for !ended && end < len(e.pasted) {
		row, _, breaks := strings.Cut(e.pasted[end:], "\n")
		if end += len(row); !breaks {
			break
		}
		if ended = !c.Add(head + row); !ended {
			end++
		}
		head = ""
	}
	text := []rune(e.pasted[:end])
	if e.pasted = e.pasted[end:]; ended {
		e.pasted = e.pasted[1:]
		e.next = append(e.next, keys.Press{Key: keys.Enter})
	}
	return line.replace(line.cursor, line.cursor, text)
}

// hideMenu undoes a selection and hides the menu until the line changes.
func (e *editor) hideMenu() (stroke, bool) {
	line := e.line
	e.hidden, e.listing = string(line.text), false
	return e.edit(func(edit) edit { return line })
}

// tab completes as far as there is only one choice; go-prompt's own Tab, which cycles through the
// suggestions, comes after that.
func (e *editor) tab() (stroke, bool) {
	if e.selected >= 0 {
		return stroke{Press: keys.Press{Key: keys.Tab}}, true
	}
	before := e.line.before()
	if e.hidden != "" || before == "" && !e.listing {
		e.hidden, e.listing, e.tabbed = "", before == "", string(e.line.text)
		return e.edit(func(line edit) edit { return line })
	}
	if len(e.found.Suggestions) == 0 {
		switch {
		case e.found.Pending:
			e.tabbed = string(e.line.text)
		case strings.Contains(before, "\n") && command.Continues(before): // data over several rows
			return e.edit(func(line edit) edit { return line.replace(line.cursor, line.cursor, []rune{'\t'}) })
		}
		return stroke{}, false
	}
	word := before[e.found.Start:]
	insert := e.found.Common
	if e.found.Total == 1 {
		s := e.found.Suggestions[0]
		insert = s.Text
		switch {
		case s.Final:
			insert += " "
		case insert == word && s.Path != "" && s.Path != "/":
			insert = completions.Below(s)
		}
	}
	if len(insert) < len(word) || insert == word {
		return stroke{Press: keys.Press{Key: keys.Tab}}, true
	}
	line := e.line.replace(len([]rune(before[:e.found.Start])), e.line.cursor, []rune(insert))
	return e.edit(func(edit) edit { return line })
}

// suspend stops the process as Ctrl-Z does; it returns when the process continues.
func (e *editor) suspend() {
	e.screen.leave()
	e.term.restore()
	e.suspended = true
	stopProcess := func() {
		e.mu.Unlock()
		defer e.mu.Lock()
		ui.SuspendProcess()
	}
	stopProcess()
	e.suspended, e.continued = false, time.Now()
	e.term.relearn()
	_ = e.term.raw()
	e.screen.width, e.screen.height = e.term.size()
	e.screen.begin()
	e.flush()
	e.paint()
}

// searchKey handles a key during a search. Enter runs the line found, Ctrl-G and Ctrl-C restore
// the original line, and any other key edits the line found. e.mu is held.
func (e *editor) searchKey(p keys.Press) (stroke, bool) {
	s := e.search
	if p.Key == keys.Paste && !strings.Contains(p.Text, "\n") {
		p.Key = keys.Text
	}
	switch p.Key {
	case keys.Text:
		s.typed(p.Text)
	case keys.Backspace:
		s.backspace()
	case keys.Ctrl + "r", keys.Up:
		s.again(-1)
	case keys.Ctrl + "s", keys.Down:
		s.again(1)
	case keys.Ctrl + "g", keys.Ctrl + "c":
		e.search = nil
	default:
		line := s.result(e.line)
		e.search = nil
		if p.Key != keys.Escape && p.Key != keys.Tab {
			e.next = append(e.next, p)
		}
		e.hidden = string(line.text) // no menu for a line that was not typed
		return e.edit(func(edit) edit { return line })
	}
	e.paint()
	return stroke{}, false
}
