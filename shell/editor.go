package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/keys"
)

// errStopped is returned by ReadLine after Stop.
var errStopped = errors.New("shell: stopped")

// editor reads lines from a terminal. ReadLine is called by one goroutine; the other methods are
// safe for concurrent use.
type editor struct {
	term     *terminal
	label    func(width int) []span // the current prompt
	complete func(line string, pos int) completions.Result
	describe func([]completions.Suggestion)
	history  func() []string
	parts    func(line string, pos int) []completions.Part // for colours; nil for none

	prompt     lineEditor
	clip       clipboard
	suggesting bool // from the history

	mu     sync.Mutex
	synced sync.Cond // keyed or done changed
	screen screen
	active bool     // a line is being edited, the terminal is raw
	queue  []string // messages for the next line
	queued int      // bytes in queue
	missed int      // messages that did not fit into queue
	keyed  bool     // go-prompt has a key whose effect it has not shown yet
	asking bool     // go-prompt asks for strokes, on its own goroutine
	done   bool     // the line has ended
	cause  error    // why, if not by Enter
	fresh  bool     // completion has news
	stop   bool
	gone   bool              // the terminal is gone
	edits  []func(edit) edit // for change

	suggested              // as last shown
	asked     suggested    // what go-prompt is about to show
	hidden    string       // the line whose menu Escape hid
	listing   bool         // Tab on an empty line lists the commands
	tabbed    string       // the line whose suggestions Tab waits for
	past      []string     // the history, oldest first
	ghost     ghost        // of it
	search    *search      // Ctrl-R
	next      []keys.Press // keys to handle before those of the terminal
	pasted    string       // text to handle after those keys, possibly lines to run one after another

	suspended bool      // Ctrl-Z stopped the process
	continued time.Time // when it continued
}

// suggested is a line and what could come next.
type suggested struct {
	line     edit
	found    completions.Result
	texts    []string // what each suggestion would make of the text before the cursor
	selected int      // index into texts, -1 for none
}

type editorConfig struct {
	term     *terminal
	out      io.Writer
	color    bool
	label    func(width int) []span
	complete func(line string, pos int) completions.Result
	describe func([]completions.Suggestion)
	history  func() []string
	parts    func(line string, pos int) []completions.Part // nil for no colours
	suggests bool                                          // lines of the history, if there are colours
}

func newEditor(cfg editorConfig) (*editor, error) {
	e := &editor{
		term: cfg.term, label: cfg.label, complete: cfg.complete, describe: cfg.describe, history: cfg.history,
		screen: screen{out: cfg.out, color: cfg.color}, suggesting: cfg.suggests && cfg.color,
	}
	if cfg.color {
		e.parts = cfg.parts
	}
	e.synced.L = &e.mu
	e.screen.width, e.screen.height = cfg.term.size()
	var err error
	e.prompt, err = newPrompt(e)
	return e, err
}

// ReadLine returns the next line; io.EOF for Ctrl-D or if the terminal is gone, errStopped after
// Stop. While no line is being read, the terminal is in its original state.
func (e *editor) ReadLine() (string, error) {
	if err := e.begin(); err != nil {
		return "", err
	}
	defer e.restore() // even if go-prompt panics
	line := e.prompt.readLine(e.past)
	e.mu.Lock()
	defer e.mu.Unlock()
	return line, e.cause
}

// close gives up the terminal, which is in its original state.
func (e *editor) close() { e.term.close() }

func (e *editor) freshRow() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.screen.freshRow()
}

func (e *editor) input(ctx context.Context) io.Reader { return input{e, ctx} }

func (e *editor) giveUp() bool { return false } // while a line is edited Ctrl-C is a key

func (e *editor) dropPasted() (lines int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for row := range strings.Lines(e.pasted) {
		if strings.TrimSpace(row) != "" {
			lines++
		}
	}
	e.pasted = ""
	return lines
}

// answer takes the next line of what was pasted (with or without marks) or typed ahead, if it
// answers a question. If not, the line stays, to run after the command that asks.
func (e *editor) answer(is func(string) bool) (line string, ok bool) {
	ahead := e.term.typedAhead()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pasted += keys.PastedText(ahead)
	line, rest, _ := strings.Cut(e.pasted, "\n")
	if !is(line) {
		return "", false
	}
	e.pasted = rest
	return line, true
}

// rescue restores the terminal when a goroutine panics; it takes no lock.
func (e *editor) rescue() {
	e.term.restore()
	_, _ = io.WriteString(e.screen.out, "\r\n"+pasteOff+showCursor)
}

func (e *editor) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stop {
		return errStopped
	}
	if err := e.term.raw(); err != nil {
		return err
	}
	e.screen.width, e.screen.height = e.term.size()
	e.active, e.done, e.keyed, e.asking, e.cause = true, false, true, false, nil
	e.fresh = true // go-prompt paints again now that it asks for strokes: see rendered
	e.suggested, e.asked = suggested{selected: -1}, suggested{selected: -1}
	e.hidden, e.listing, e.tabbed, e.search, e.next, e.edits = "", false, "", nil, nil, nil
	e.past, e.ghost = e.history(), ghost{}
	e.screen.begin()
	e.flush()
	return nil
}

// flush prints the waiting messages; e.mu is held.
func (e *editor) flush() {
	for _, text := range e.queue {
		e.screen.write(e.screen.sentence(text))
	}
	if e.missed > 0 {
		e.screen.write(e.screen.sentence(fmt.Sprintf("(%d more messages arrived while the command ran; they are not shown)", e.missed)))
	}
	e.queue, e.queued, e.missed = nil, 0, 0
}

// restore restores the terminal.
func (e *editor) restore() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.active {
		e.active = false
		if !e.done {
			e.screen.leave()
		}
	}
	e.term.restore()
}

// maxNotices is how many bytes of messages may wait for a command to end, apart from one more
// message.
const maxNotices = 256 << 10

// Notice prints text above the line, or before the next one.
func (e *editor) Notice(text string) {
	text = escape.Text(text)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.editing() {
		e.fit()
		e.screen.above(text, e.view())
	} else if e.queued < maxNotices {
		e.queue = append(e.queue, text)
		e.queued += len(text)
	} else {
		e.missed++
	}
}

// Redraw shows the prompt again if it has changed.
func (e *editor) Redraw() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.editing() && e.search == nil && !slices.Equal(e.label(e.screen.width), e.screen.last.prompt) {
		e.paint()
	}
}

// Resize adapts to the terminal's new size.
func (e *editor) Resize() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fit() {
		e.paint()
	}
}

// fit adapts the screen to the terminal's size, and reports whether that has changed; e.mu is held. The signal that reports a new
// size may come late, and a view that is painted over another one that the terminal has rewrapped leaves rows behind.
func (e *editor) fit() (changed bool) {
	if e.term == nil {
		return false
	}
	width, height := e.term.size()
	if width == e.screen.width && height == e.screen.height {
		return false
	}
	if !e.screen.resize(width, height) {
		return true
	}
	asked := e.screen.resized
	time.AfterFunc(positionPatience, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.screen.resized == asked { // a terminal that does not answer is too simple to rewrap rows
			e.screen.keepsRows = true
			e.located(-1)
		}
	})
	return true
}

// positionPatience is how long a terminal may take to report where its cursor is.
const positionPatience = 500 * time.Millisecond

// located receives the column of the cursor, which the terminal was asked for after a resize;
// e.mu is held.
func (e *editor) located(col int) {
	if e.screen.resized != nil {
		e.screen.settle(col)
		e.paint()
	}
}

// Resume takes the terminal again after the process was stopped (other than by Ctrl-Z) and
// continued.
func (e *editor) Resume() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.editing() || time.Since(e.continued) < time.Second {
		return
	}
	_ = e.term.raw()
	e.screen.width, e.screen.height = e.term.size()
	e.screen.begin()
	e.paint()
}

// Changed says that completion has news about the line.
func (e *editor) Changed() {
	e.mu.Lock()
	e.fresh = true
	e.mu.Unlock()
	e.term.wake()
}

// Stop ends ReadLine, now and in future calls.
func (e *editor) Stop() {
	e.mu.Lock()
	e.stop = true
	e.mu.Unlock()
	e.term.wake()
}

// paint shows the line; e.mu is held.
func (e *editor) paint() {
	if !e.editing() {
		return
	}
	if e.fit(); e.screen.resized == nil {
		e.screen.paint(e.view())
	}
}

// editing reports whether the line is on the screen; e.mu is held.
func (e *editor) editing() bool { return e.active && !e.done && !e.suspended }

// view returns what to show; e.mu is held.
func (e *editor) view() view {
	if e.search != nil {
		return e.search.view(e.line)
	}
	v := view{prompt: e.label(e.screen.width), text: e.line.text, cursor: e.line.cursor}
	v.menu = e.menu()
	if e.selected >= 0 {
		head := []rune(e.texts[e.selected])
		v.text = append(append([]rune(nil), head...), e.line.text[e.line.cursor:]...)
		v.cursor = len(head)
	}
	v.ghost = e.suggestion()
	v.styles = e.styles(v.text, v.cursor)
	return v
}

func (e *editor) menu() *menu {
	all := e.found.Suggestions
	if len(all) == 0 {
		return nil
	}
	from, to := visible(len(all), e.selected, menuHeight)
	e.describe(all[from:to])
	m := &menu{selected: e.selected, anchor: len([]rune(e.line.before()[:min(e.found.Start, len(e.line.before()))]))}
	for _, s := range all {
		m.rows = append(m.rows, menuRow{escape.Line(s.Label), escape.Line(s.Help)})
	}
	if e.found.Total > len(all) {
		m.more = fmt.Sprintf("the first %d of %d", len(all), e.found.Total)
	}
	return m
}

// completedLine is the length in bytes from which a line is data rather than a command.
const completedLine = 16 << 10

// suggest returns, for each thing that could come next, what it would make of the text before the
// cursor. go-prompt asks after each key, and with an empty line whenever a selection ends. It
// never blocks.
func (e *editor) suggest(line edit) []string {
	asked := suggested{line: line, selected: -1}
	before := line.before()
	e.mu.Lock()
	hidden := e.hidden != "" && e.hidden == string(line.text)
	if !hidden && len(line.text) > 0 {
		e.hidden, e.listing = "", false
	}
	listing := e.listing && len(line.text) == 0
	e.mu.Unlock()
	if (before != "" && !hidden || listing) && len(before) < completedLine {
		asked.found = e.complete(string(line.text), len(before))
	}
	for _, s := range asked.found.Suggestions {
		asked.texts = append(asked.texts, before[:asked.found.Start]+s.Text)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = asked
	return asked.texts
}

// rendered is called when go-prompt has shown the effect of a key; selection is the selected
// suggestion, or "". It holds go-prompt until there is another stroke, which go-prompt would
// otherwise poll for every 10 ms (Input). The first painting of a line cannot wait: nobody asks
// for strokes before it has returned.
func (e *editor) rendered(selection string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.suggested = e.asked
	if selection != "" {
		e.selected = slices.Index(e.texts, selection)
	}
	if e.search == nil {
		e.paint()
	}
	e.keyed = false
	e.synced.Broadcast()
	for e.asking && !e.keyed {
		e.synced.Wait()
	}
}

// lineBroken is called when go-prompt leaves a line: by Enter, by Ctrl-C (cleared), which starts
// another, and when it returns, as by Ctrl-D (left).
func (e *editor) lineBroken(text []rune, cleared, left bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return
	}
	e.suggested = suggested{line: edit{text: text}, selected: -1}
	e.search, e.tabbed = nil, ""
	switch {
	case e.gone:
		e.cause = io.EOF
	case e.stop:
		e.cause = errStopped
	case cleared:
		e.listing = false
		e.screen.finish(e.view(), "^C")
		e.screen.begin()
		e.flush()
		return
	case left:
		e.cause = io.EOF
	}
	e.term.restore() // first: from here on Ctrl-C is for the command
	e.screen.finish(e.view(), "")
	e.done = true
	e.synced.Broadcast()
	e.term.wake()
}

// change performs what a key was bound to, on go-prompt's goroutine.
func (e *editor) change(line edit) edit {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.edits) == 0 {
		return line
	}
	f := e.edits[0]
	e.edits = e.edits[1:]
	return f(line)
}

func (e *editor) stopped() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stop
}
