package shell

import (
	"errors"
	"fmt"
	"slices"

	prompt "github.com/c-bata/go-prompt"

	"github.com/zkctl/zkctl/internal/keys"
)

// Only this file knows go-prompt. Release 0.2.6 keeps the line, its history and the selected
// suggestion; its shortcomings are handled around it:
//
//   - It paints by relative movements that wide characters, narrow windows and foreign
//     output break, and cannot paint without a key. It is given a console of 10,000 columns
//     that paints nothing: at each Flush the line, the cursor and the selection are known,
//     and screen shows them.
//   - It learns of one key at a time, from a parser of ours: a paste, half a character and
//     unknown sequences are dealt with in decoder.
//   - It never restores the terminal (upstream issues 228, 233, 266): terminal does, and is
//     raw only while a line is edited, so that Ctrl-C interrupts a command.
//   - Its Run calls os.Exit on signals; its Input, used here, handles none.
//   - A suggestion replaces the word before the cursor, as cut by separators, which quotes
//     and spaces do not respect: here the separator never occurs, the word is all that is
//     before the cursor, and so is the suggestion.
//   - Its Input looks for a key every 10 ms: editor.rendered keeps it until there is one.
//   - prompt.New opens /dev/tty and panics without one: newPrompt turns that into an error.

const (
	consoleColumns = 10000
	consoleRows    = 60000 // more than the suggestions, whose number it compares

	// selectionColor is the colour in which go-prompt writes the selected suggestion over the
	// line; no other text uses it.
	selectionColor = prompt.Color(9999)

	neverTyped = "\x00" // a word separator that occurs in no line
)

// callKey is what the parser sends for a key that editor handles: editor.change says how the line
// changes. No terminal sends it, because decoder drops NUL.
var callKey = []byte("\x00call")

// stopKey ends the line through the exit checker; no key from the terminal is passed on as it.
var stopKey = []byte{0x1b, 0x5b, 0x24, 0x3b, 0x32, 0x7e} // F24

// native are the keys that go-prompt handles itself, as it reads them.
var native = map[keys.Key][]byte{
	keys.Enter: {0x0d}, keys.Tab: {0x09}, keys.BackTab: {0x1b, 0x5b, 0x5a}, keys.Backspace: {0x7f},
	keys.Delete: {0x1b, 0x5b, 0x33, 0x7e}, keys.Up: {0x1b, 0x5b, 0x41}, keys.Down: {0x1b, 0x5b, 0x42},
	keys.Ctrl + "c": {0x03}, keys.Ctrl + "d": {0x04}, keys.Ctrl + "n": {0x0e}, keys.Ctrl + "p": {0x10},
}

// lineEditor is go-prompt's side of an editor.
type lineEditor struct{ prompt *prompt.Prompt }

func newPrompt(e *editor) (l lineEditor, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("open the terminal: %v", r)
		}
	}()
	l.prompt = prompt.New(func(string) {},
		func(doc prompt.Document) []prompt.Suggest {
			before := doc.TextBeforeCursor()
			var suggests []prompt.Suggest
			for _, text := range e.suggest(edit{[]rune(doc.Text), len([]rune(before))}) {
				suggests = append(suggests, prompt.Suggest{Text: text})
			}
			return suggests
		},
		prompt.OptionParser(parser{e}),
		prompt.OptionWriter(&console{editor: e}),
		prompt.OptionPrefix(""),
		prompt.OptionCompletionWordSeparator(neverTyped),
		prompt.OptionMaxSuggestion(consoleRows/2),
		prompt.OptionPreviewSuggestionTextColor(selectionColor),
		prompt.OptionBreakLineCallback(func(doc *prompt.Document) {
			last := doc.LastKeyStroke()
			e.lineBroken([]rune(doc.Text), last == prompt.ControlC, last == prompt.ControlD)
		}),
		prompt.OptionAddASCIICodeBind(prompt.ASCIICodeBind{ASCIICode: callKey, Fn: func(buf *prompt.Buffer) {
			setLine(buf, e.change(currentLine(buf)))
		}}),
		prompt.OptionSetExitCheckerOnInput(func(string, bool) bool { return e.stopped() }),
	)
	return l, nil
}

// readLine reads a line; history is what the arrow keys go through, oldest first.
func (l lineEditor) readLine(history []string) string {
	_ = prompt.OptionHistory(history)(l.prompt) // never returns an error
	return l.prompt.Input()
}

// setLine replaces go-prompt's line.
func setLine(buf *prompt.Buffer, to edit) {
	if now := currentLine(buf); now.cursor == to.cursor && slices.Equal(now.text, to.text) {
		return
	}
	before := len([]rune(buf.Document().TextBeforeCursor()))
	if before > 0 {
		buf.DeleteBeforeCursor(before)
	}
	if after := len([]rune(buf.Document().TextAfterCursor())); after > 0 {
		buf.Delete(after)
	}
	buf.InsertText(string(to.text[:to.cursor]), false, true)
	buf.InsertText(string(to.text[to.cursor:]), false, false) // its CursorLeft stays in a row
}

func currentLine(buf *prompt.Buffer) edit {
	doc := buf.Document()
	return edit{[]rune(doc.Text), len([]rune(doc.TextBeforeCursor()))}
}

// parser is go-prompt's source of keys.
type parser struct{ *editor }

func (parser) Setup() error    { return nil } // ReadLine has set up the terminal
func (parser) TearDown() error { return nil }

func (parser) GetWinSize() *prompt.WinSize {
	return &prompt.WinSize{Row: consoleRows, Col: consoleColumns}
}

// errNoKey makes go-prompt check whether to stop reading, and ask again.
var errNoKey = errors.New("shell: no key")

// Read returns a key, or errNoKey if the line has ended.
func (p parser) Read() ([]byte, error) {
	switch s := p.stroke(); {
	case s.end:
		return nil, errNoKey
	case s.stop:
		return stopKey, nil
	case s.change:
		return callKey, nil
	case s.Key == keys.Text:
		return []byte(s.Text), nil
	default:
		return native[s.Key], nil
	}
}

// console is go-prompt's screen: it shows nothing, but records what is selected.
type console struct {
	editor    *editor
	rendering bool // since HideCursor, with which go-prompt starts to paint a line
	selecting bool
	selection string
}

func (c *console) HideCursor() { c.rendering, c.selection = true, "" }

func (c *console) SetColor(fg, _ prompt.Color, _ bool) { c.selecting = fg == selectionColor }

func (c *console) WriteStr(text string) {
	if c.selecting {
		c.selection, c.selecting = text, false
	}
}

func (c *console) WriteRaw([]byte)     {}
func (c *console) Write([]byte)        {}
func (c *console) WriteRawStr(string)  {}
func (c *console) EraseScreen()        {}
func (c *console) EraseUp()            {}
func (c *console) EraseDown()          {}
func (c *console) EraseStartOfLine()   {}
func (c *console) EraseEndOfLine()     {}
func (c *console) EraseLine()          {}
func (c *console) ShowCursor()         {}
func (c *console) CursorGoTo(int, int) {}
func (c *console) CursorUp(int)        {}
func (c *console) CursorDown(int)      {}
func (c *console) CursorForward(int)   {}
func (c *console) CursorBackward(int)  {}
func (c *console) AskForCPR()          {}
func (c *console) SaveCursor()         {}
func (c *console) UnSaveCursor()       {}
func (c *console) ScrollDown()         {}
func (c *console) ScrollUp()           {}
func (c *console) SetTitle(string)     {}
func (c *console) ClearTitle()         {}

// Flush ends what go-prompt paints: a line, or the end of one.
func (c *console) Flush() error {
	if c.rendering {
		c.rendering = false
		c.editor.rendered(c.selection)
	}
	return nil
}
