package shell

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// key is what a person pressed. The zero value means no key.
type key string

// The keys. A run of printable characters is keyText, a bracketed paste as a whole keyPaste; Alt
// with a character is keyAlt followed by it, Control with a letter keyCtrl followed by the
// letter.
const (
	keyNone       key = ""
	keyText       key = "text"
	keyPaste      key = "paste"
	keyEnter      key = "enter"
	keyTab        key = "tab"
	keyBackTab    key = "backtab"
	keyBackspace  key = "backspace"
	keyDelete     key = "delete"
	keyEscape     key = "escape"
	keyUp         key = "up"
	keyDown       key = "down"
	keyLeft       key = "left"
	keyRight      key = "right"
	keyHome       key = "home"
	keyEnd        key = "end"
	keyPageUp     key = "pageup"
	keyPageDown   key = "pagedown"
	keyWordLeft   key = "wordleft"
	keyWordRight  key = "wordright"
	keyDeleteWord key = "deleteword" // after the cursor
	keyCtrl       key = "ctrl-"
	keyAlt        key = "alt-"
	keyIgnored    key = "ignored"  // a sequence without a meaning here
	keyPosition   key = "position" // not a key: the terminal reports the column of its cursor, from 1
)

// press is a key, with its text if it is keyText or keyPaste.
type press struct {
	key  key
	text string
}

// decoder splits what a terminal sends into keys. It keeps what is incomplete: half a character,
// half a sequence, a paste without its end.
type decoder struct {
	buf      []byte
	searched int // bytes of a paste known not to contain its end
}

func (d *decoder) feed(b []byte) { d.buf = append(d.buf, b...) }

var (
	pasteBegin = []byte("\x1b[200~")
	pasteEnd   = []byte("\x1b[201~")
)

// pasting reports whether the end of a paste has not arrived yet.
func (d *decoder) pasting() bool { return bytes.HasPrefix(d.buf, pasteBegin) }

// next returns the next key, or keyNone if more bytes are needed. With final no more bytes will
// come soon: anything incomplete except a paste counts as it stands.
func (d *decoder) next(final bool) press {
	for len(d.buf) > 0 {
		p, n := d.decode(final)
		if n == 0 {
			return press{}
		}
		d.buf = d.buf[n:]
		if len(d.buf) == 0 {
			d.buf = nil
		}
		if p.key != keyIgnored {
			return p
		}
	}
	return press{}
}

func (d *decoder) decode(final bool) (press, int) {
	b := d.buf
	switch ch := b[0]; {
	case ch == 0x1b:
		return d.escape(final)
	case ch == '\r' || ch == '\n':
		return press{key: keyEnter}, 1
	case ch == '\t':
		return press{key: keyTab}, 1
	case ch == 0x7f || ch == 0x08:
		return press{key: keyBackspace}, 1
	case ch == 0:
		return press{key: keyIgnored}, 1
	case ch == 0x1f: // Ctrl-_
		return press{key: keyCtrl + "_"}, 1
	case ch < ' ':
		return press{key: keyCtrl + key(rune('a'+ch-1))}, 1
	}
	return d.text(final)
}

// text takes the longest run of printable characters.
func (d *decoder) text(final bool) (press, int) {
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
		return press{key: keyIgnored}, n
	}
	return press{keyText, string(text)}, n
}

// sequences are what terminals send for keys: xterm, rxvt, the Linux console, tmux.
var sequences = map[string]key{
	"[A": keyUp, "[B": keyDown, "[C": keyRight, "[D": keyLeft,
	"OA": keyUp, "OB": keyDown, "OC": keyRight, "OD": keyLeft,
	"[H": keyHome, "[F": keyEnd, "OH": keyHome, "OF": keyEnd,
	"[1~": keyHome, "[4~": keyEnd, "[7~": keyHome, "[8~": keyEnd,
	"[3~": keyDelete, "[5~": keyPageUp, "[6~": keyPageDown, "[Z": keyBackTab,
	"[1;5C": keyWordRight, "[1;5D": keyWordLeft, "[1;3C": keyWordRight, "[1;3D": keyWordLeft,
	"[5C": keyWordRight, "[5D": keyWordLeft, "Oc": keyWordRight, "Od": keyWordLeft,
	"[3;5~": keyDeleteWord, "[3;3~": keyDeleteWord,
	"OM": keyEnter,
}

func (d *decoder) escape(final bool) (press, int) {
	b := d.buf
	if len(b) == 1 {
		if !final {
			return press{}, 0
		}
		return press{key: keyEscape}, 1
	}
	switch b[1] {
	case '[', 'O':
		n := sequenceLen(b)
		if n == 0 {
			if !final {
				return press{}, 0
			}
			return press{key: keyIgnored}, len(b)
		}
		if d.pasting() {
			return d.paste()
		}
		if k, ok := sequences[string(b[1:n])]; ok {
			return press{key: k}, n
		}
		if col, ok := strings.CutSuffix(string(b[2:n]), "R"); ok && b[1] == '[' {
			_, col, _ = strings.Cut(col, ";")
			return press{keyPosition, col}, n
		}
		return press{key: keyIgnored}, n
	case 0x1b: // Alt with a cursor key, or Escape twice
		return press{key: keyEscape}, 1
	case 0x7f, 0x08:
		return press{key: keyAlt + "backspace"}, 2
	}
	r, size := utf8.DecodeRune(b[1:])
	if r == utf8.RuneError || r < ' ' {
		return press{key: keyEscape}, 1
	}
	if r >= 'A' && r <= 'Z' {
		r += 'a' - 'A'
	}
	return press{key: keyAlt + key(r)}, 1 + size
}

// paste takes a whole paste: nothing of it counts before its end has arrived. Ctrl-C discards a
// paste whose end does not arrive.
func (d *decoder) paste() (press, int) {
	from := max(len(pasteBegin), d.searched-len(pasteEnd)+1)
	end := bytes.Index(d.buf[from:], pasteEnd)
	if end < 0 {
		d.searched = len(d.buf)
		if bytes.HasSuffix(d.buf, []byte{0x03}) {
			d.searched = 0
			return press{key: keyCtrl + "c"}, len(d.buf)
		}
		return press{}, 0
	}
	d.searched = 0
	end += from
	return press{keyPaste, pastedText(d.buf[len(pasteBegin):end])}, end + len(pasteEnd)
}

// pastedText is what was pasted as text: line breaks become  , tabs stay, and anything that a
// terminal would obey is removed.
func pastedText(b []byte) string {
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
