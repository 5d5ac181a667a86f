// Package keys splits what a terminal in raw mode sends into keys.
package keys

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Key is what a person pressed. The zero value means no key.
type Key string

// The keys. A run of printable characters is Text, a bracketed paste as a whole Paste; Alt with a
// character is Alt followed by it, Control with a letter Ctrl followed by the letter.
const (
	None       Key = ""
	Text       Key = "text"
	Paste      Key = "paste"
	Enter      Key = "enter"
	Tab        Key = "tab"
	BackTab    Key = "backtab"
	Backspace  Key = "backspace"
	Delete     Key = "delete"
	Escape     Key = "escape"
	Up         Key = "up"
	Down       Key = "down"
	Left       Key = "left"
	Right      Key = "right"
	Home       Key = "home"
	End        Key = "end"
	PageUp     Key = "pageup"
	PageDown   Key = "pagedown"
	WordLeft   Key = "wordleft"
	WordRight  Key = "wordright"
	DeleteWord Key = "deleteword" // after the cursor
	F1         Key = "f1"
	F10        Key = "f10"
	Ctrl       Key = "ctrl-"
	Alt        Key = "alt-"
	Ignored    Key = "ignored"  // a sequence without a meaning here
	Position   Key = "position" // not a key: the terminal reports the column of its cursor, from 1
)

// Press is a key, with its text if it is Text or Paste.
type Press struct {
	Key  Key
	Text string
}

// Decoder splits what a terminal sends into keys. It keeps what is incomplete: half a character,
// half a sequence, a paste without its end.
type Decoder struct {
	buf      []byte
	searched int // bytes of a paste known not to contain its end
}

// Feed adds what was read from the terminal.
func (d *Decoder) Feed(b []byte) { d.buf = append(d.buf, b...) }

// Waiting reports whether something incomplete has been fed.
func (d *Decoder) Waiting() bool { return len(d.buf) > 0 }

var (
	pasteBegin = []byte("\x1b[200~")
	pasteEnd   = []byte("\x1b[201~")
)

// Pasting reports whether the end of a paste has not arrived yet.
func (d *Decoder) Pasting() bool { return bytes.HasPrefix(d.buf, pasteBegin) }

// Next returns the next key, or None if more bytes are needed. With final no more bytes will
// come soon: anything incomplete except a paste counts as it stands.
func (d *Decoder) Next(final bool) Press {
	for len(d.buf) > 0 {
		p, n := d.decode(final)
		if n == 0 {
			return Press{}
		}
		d.buf = d.buf[n:]
		if len(d.buf) == 0 {
			d.buf = nil
		}
		if p.Key != Ignored {
			return p
		}
	}
	return Press{}
}

func (d *Decoder) decode(final bool) (Press, int) {
	b := d.buf
	switch ch := b[0]; {
	case ch == 0x1b:
		return d.escape(final)
	case ch == '\r' || ch == '\n':
		return Press{Key: Enter}, 1
	case ch == '\t':
		return Press{Key: Tab}, 1
	case ch == 0x7f || ch == 0x08:
		return Press{Key: Backspace}, 1
	case ch == 0:
		return Press{Key: Ignored}, 1
	case ch == 0x1f: // Ctrl-_
		return Press{Key: Ctrl + "_"}, 1
	case ch < ' ':
		return Press{Key: Ctrl + Key(rune('a'+ch-1))}, 1
	}
	return d.runes(final)
}

// runes takes the longest run of printable characters.
func (d *Decoder) runes(final bool) (Press, int) {
	var text []rune
	n := 0
	for n < len(d.buf) {
		r, size := utf8.DecodeRune(d.buf[n:])
		if r == utf8.RuneError && size == 1 && !final && !utf8.FullRune(d.buf[n:]) {
			break // the rest of the character comes with the next read
		}
		if r < ' ' || r == 0x7f {
			break
		}
		n += size
		if r >= 0x80 && r < 0xa0 { // C1 controls
			continue
		}
		text = append(text, r)
	}
	if n > 0 && len(text) == 0 {
		return Press{Key: Ignored}, n
	}
	return Press{Text, string(text)}, n
}

// sequences are what terminals send for keys: xterm, rxvt, the Linux console, tmux.
var sequences = map[string]Key{
	"[A": Up, "[B": Down, "[C": Right, "[D": Left,
	"OA": Up, "OB": Down, "OC": Right, "OD": Left,
	"[H": Home, "[F": End, "OH": Home, "OF": End,
	"[1~": Home, "[4~": End, "[7~": Home, "[8~": End,
	"[3~": Delete, "[5~": PageUp, "[6~": PageDown, "[Z": BackTab,
	"[1;5C": WordRight, "[1;5D": WordLeft, "[1;3C": WordRight, "[1;3D": WordLeft,
	"[5C": WordRight, "[5D": WordLeft, "Oc": WordRight, "Od": WordLeft,
	"[3;5~": DeleteWord, "[3;3~": DeleteWord,
	"OM": Enter,
	"OP": F1, "[11~": F1, "[[A": F1, "[21~": F10,
}

func (d *Decoder) escape(final bool) (Press, int) {
	b := d.buf
	if len(b) == 1 {
		if !final {
			return Press{}, 0
		}
		return Press{Key: Escape}, 1
	}
	switch b[1] {
	case '[', 'O':
		n := sequenceLen(b)
		if n == 0 {
			if !final {
				return Press{}, 0
			}
			return Press{Key: Ignored}, len(b)
		}
		if d.Pasting() {
			return d.paste()
		}
		if k, ok := sequences[string(b[1:n])]; ok {
			return Press{Key: k}, n
		}
		if col, ok := strings.CutSuffix(string(b[2:n]), "R"); ok && b[1] == '[' {
			_, col, _ = strings.Cut(col, ";")
			return Press{Position, col}, n
		}
		return Press{Key: Ignored}, n
	case 0x1b: // Alt with a cursor key, or Escape twice
		return Press{Key: Escape}, 1
	case 0x7f, 0x08:
		return Press{Key: Alt + "backspace"}, 2
	}
	r, size := utf8.DecodeRune(b[1:])
	if r == utf8.RuneError || r < ' ' {
		return Press{Key: Escape}, 1
	}
	if r >= 'A' && r <= 'Z' {
		r += 'a' - 'A'
	}
	return Press{Key: Alt + Key(r)}, 1 + size
}

// paste takes a whole paste: nothing of it counts before its end has arrived. Ctrl-C discards a
// paste whose end does not arrive.
func (d *Decoder) paste() (Press, int) {
	from := max(len(pasteBegin), d.searched-len(pasteEnd)+1)
	end := bytes.Index(d.buf[from:], pasteEnd)
	if end < 0 {
		d.searched = len(d.buf)
		if bytes.HasSuffix(d.buf, []byte{0x03}) {
			d.searched = 0
			return Press{Key: Ctrl + "c"}, len(d.buf)
		}
		return Press{}, 0
	}
	d.searched = 0
	end += from
	return Press{Paste, PastedText(d.buf[len(pasteBegin):end])}, end + len(pasteEnd)
}

// PastedText is what was pasted as text: line breaks become  , tabs stay, and anything that a
// terminal would obey is removed.
func PastedText(b []byte) string {
	var text strings.Builder
	for n := 0; len(b) > 0; b = b[n:] {
		r, size := utf8.DecodeRune(b)
		n = size
		switch {
		case r == 0x1b && len(b) > 1 && (b[1] == '[' || b[1] == 'O'):
			if n = sequenceLen(b); n == 0 {
				n = len(b)
			}
		case r == '\r':
			text.WriteByte('\n')
			if len(b) > 1 && b[1] == '\n' {
				n = 2
			}
		case r == '\n' || r == '\t' || !unicode.IsControl(r):
			text.WriteRune(r)
		}
	}
	return text.String()
}

// longestSequence is longer than anything a terminal sends for a key.
const longestSequence = 64

// sequenceLen returns the length of the CSI or SS3 sequence at the start of b, or 0 if it is
// incomplete.
func sequenceLen(b []byte) int {
	if b[1] == 'O' {
		if len(b) < 3 {
			return 0
		}
		return 3
	}
	for i := 2; i < len(b); i++ {
		switch ch := b[i]; {
		case ch == '[' && i == 2: // the Linux console's function keys
		case ch >= 0x40 && ch <= 0x7e:
			return i + 1
		case ch < 0x20 || ch > 0x7e:
			return i // truncated
		case i == longestSequence:
			return i
		}
	}
	return 0
}
