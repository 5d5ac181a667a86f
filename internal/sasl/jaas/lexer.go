package jaas

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/escape"
)

// kind is the kind of a token: a word, a quoted string, the end, or one of the characters { } ; =.
type kind rune

const (
	end    kind = -1
	word   kind = 'a'
	quoted kind = '"'
)

type token struct {
	kind kind
	text string
	line int
}

// found describes the token in an error. A string may be a password, so its text is not shown.
func (t token) found() string {
	switch t.kind {
	case end:
		return "the end of the file"
	case word:
		return fmt.Sprintf("%q", t.text)
	case quoted:
		return "a quoted string"
	}
	return fmt.Sprintf("%q", rune(t.kind))
}

// lexer splits a file as Java's ConfigFile configures its StreamTokenizer.
type lexer struct {
	name string
	rest string
	line int
}

func (l *lexer) fault(line int, format string, args ...any) error {
	return fault(l.name, line, format, args...)
}

// fault is an error at a line.
func fault(file string, line int, format string, args ...any) error {
	return fmt.Errorf("JAAS file %s, line %d: %w", escape.Line(file), line, fmt.Errorf(format, args...))
}

func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	t := token{kind: end, line: l.line}
	if l.rest == "" {
		return t, nil
	}
	switch c := l.rest[0]; {
	case strings.IndexByte("{};=", c) >= 0:
		t.kind, l.rest = kind(c), l.rest[1:]
		return t, nil
	case c == '"':
		text, err := l.quoted()
		t.kind, t.text = quoted, text
		return t, err
	case c == '\'':
		return t, l.fault(t.line, "a single quote; use double quotes")
	case c == '/':
		return t, l.fault(t.line, `an unquoted "/", at which Java ignores the rest of the line; put the value in double quotes`)
	case !inWord(c):
		r, _ := utf8.DecodeRuneInString(l.rest)
		return t, l.fault(t.line, "unexpected character %q; put the value in double quotes", r)
	}
	n := 1
	for n < len(l.rest) && inWord(l.rest[n]) {
		n++
	}
	t.kind, t.text, l.rest = word, l.rest[:n], l.rest[n:]
	if c := t.text[0]; c >= '0' && c <= '9' || c == '.' || len(t.text) > 1 && c == '-' && strings.IndexByte("0123456789.", t.text[1]) >= 0 {
		return t, l.fault(t.line, "an unquoted value that starts with a digit, which Java refuses; put it in double quotes")
	}
	return t, nil
}

func inWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80 || strings.IndexByte("$_-*.", c) >= 0
}

// skip passes over white space and comments.
func (l *lexer) skip() error {
	for l.rest != "" {
		switch {
		case l.rest[0] <= ' ' && l.rest[0] != 0:
			if l.rest[0] == '\n' {
				l.line++
			}
			l.rest = l.rest[1:]
		case strings.HasPrefix(l.rest, "//"):
			if n := strings.IndexByte(l.rest, '\n'); n >= 0 {
				l.rest = l.rest[n:]
			} else {
				l.rest = ""
			}
		case strings.HasPrefix(l.rest, "/*"):
			n := strings.Index(l.rest[2:], "*/")
			if n < 0 {
				return l.fault(l.line, "the comment that starts here has no end (*/)")
			}
			l.line += strings.Count(l.rest[:n+4], "\n")
			l.rest = l.rest[n+4:]
		default:
			return nil
		}
	}
	return nil
}

// quoted reads a string with its quotes. It ends on its line.
func (l *lexer) quoted() (string, error) {
	var text strings.Builder
	for i := 1; i < len(l.rest) && l.rest[i] != '\n' && l.rest[i] != '\r'; i++ {
		switch c := l.rest[i]; c {
		case '"':
			l.rest = l.rest[i+1:]
			return text.String(), nil
		case '\\':
			if i++; i == len(l.rest) || l.rest[i] == '\n' || l.rest[i] == '\r' {
				i-- // the line ends here
				continue
			}
			c = l.rest[i]
			if e := strings.IndexByte("abfnrtv", c); e >= 0 {
				text.WriteByte("\a\b\f\n\r\t\v"[e])
				continue
			}
			if !isOctal(c) {
				text.WriteByte(c)
				continue
			}
			digits := 1
			for limit := 2 + bit(c <= '3'); digits < limit && i+digits < len(l.rest) && isOctal(l.rest[i+digits]); {
				digits++
			}
			value := rune(0)
			for _, d := range l.rest[i : i+digits] {
				value = value*8 + d - '0'
			}
			text.WriteRune(value)
			i += digits - 1
		default:
			text.WriteByte(c)
		}
	}
	return "", l.fault(l.line, "the closing double quote is missing")
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
