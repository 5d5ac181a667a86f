// Package escape writes text from outside so that a terminal displays it instead of obeying it.
//
// What a terminal obeys is written as in a Go string literal, such as \x1b or \u202e: control
// characters of both sets (C0, DEL, C1), characters that change the writing direction, line and
// paragraph separators, and invalid UTF-8, which some terminals take for C1. Everything else
// stays unchanged, including the backslash.
package escape

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Line escapes text to fit on one line: line breaks and tabs are escaped too. It is for names,
// and for anything within a sentence or a row.
func Line(text string) string {
	if n := plain([]byte(text), false); n < len(text) {
		return string(Append(nil, []byte(text), false))
	}
	return text
}

// Text keeps tabs and line breaks (LF and CR LF). It is for data, and for our own text around
// lines from outside.
func Text(text string) string {
	if n := plain([]byte(text), true); n < len(text) {
		return string(Append(nil, []byte(text), true))
	}
	return text
}

// Append appends text to dst, escaped as in Text if lines is true, or else as in Line.
func Append(dst, text []byte, lines bool) []byte {
	for len(text) > 0 {
		n := plain(text, lines)
		dst, text = append(dst, text[:n]...), text[n:]
		if len(text) == 0 {
			break
		}
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\x%02x`, text[0])
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < utf8.RuneSelf:
			dst = fmt.Appendf(dst, `\x%02x`, r)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		text = text[n:]
	}
	return dst
}

// plain returns the length of the prefix of text that needs no escaping.
func plain(text []byte, lines bool) int {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c >= ' ' && c < 0x7f:
			i++
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(text[i:])
			if n == 1 || Obeyed(r) {
				return i
			}
			i += n
		case lines && (c == '\n' || c == '\t' || c == '\r' && i+1 < len(text) && text[i+1] == '\n'):
			i++
		default:
			return i
		}
	}
	return len(text)
}

// Obeyed reports whether a terminal may obey the character instead of displaying it.
func Obeyed(r rune) bool {
	return unicode.IsControl(r) || r >= utf8.RuneSelf && (r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r))
}
