package export

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads the JSON of a line. It is strict: what it does not expect is an error.
type scanner struct {
	b    []byte
	i    int
	room []byte // for a string with escapes
}

func (s *scanner) reset(b []byte) { s.b, s.i = b, 0 }

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// next returns the next character that is not a space, or 0 at the end.
func (s *scanner) next() byte {
	s.space()
	if s.i == len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// take takes the character if it is next.
func (s *scanner) take(c byte) bool {
	if s.next() != c || s.i == len(s.b) {
		return false
	}
	s.i++
	return true
}

// word takes a word such as null if it is next.
func (s *scanner) word(w string) bool {
	s.space()
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

func (s *scanner) expected(what string) error {
	if s.next() == 0 {
		return fmt.Errorf("expected %s, but the line ends", what)
	}
	part := s.b[s.i:min(len(s.b), s.i+20)]
	return fmt.Errorf("expected %s at byte %d of the line, but found %q", what, s.i+1, part)
}

// text returns the next string. It is valid until the next call, and until the line changes.
func (s *scanner) text() ([]byte, error) {
	if !s.take('"') {
		return nil, s.expected("a string")
	}
	from := s.i
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			text := s.b[from:s.i]
			s.i++
			return valid(text)
		case c == '\\':
			s.room = append(s.room[:0], s.b[from:s.i]...)
			return s.escaped()
		case c < ' ':
			return nil, fmt.Errorf("a control character in a string, at byte %d of the line; write it as \\u%04x", s.i+1, c)
		}
	}
	return nil, errors.New("the line ends inside a string")
}

func valid(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("the text is not UTF-8; write it as base64")
	}
	return text, nil
}

// escaped continues text at an escape.
func (s *scanner) escaped() ([]byte, error) {
	for s.i < len(s.b) {
		c := s.b[s.i]
		s.i++
		switch {
		case c == '"':
			return valid(s.room)
		case c < ' ':
			return nil, fmt.Errorf("a control character in a string, at byte %d of the line; write it as \\u%04x", s.i, c)
		case c != '\\':
			s.room = append(s.room, c)
		case s.i < len(s.b):
			if err := s.escape(); err != nil {
				return nil, err
			}
		}
	}
	return nil, errors.New("the line ends inside a string")
}

func (s *scanner) escape() error {
	c := s.b[s.i]
	s.i++
	switch c {
	case '"', '\\', '/':
		s.room = append(s.room, c)
	case 'b':
		s.room = append(s.room, '\b')
	case 'f':
		s.room = append(s.room, '\f')
	case 'n':
		s.room = append(s.room, '\n')
	case 'r':
		s.room = append(s.room, '\r')
	case 't':
		s.room = append(s.room, '\t')
	case 'u':
		r, ok := s.hex4()
		if ok && utf16.IsSurrogate(r) {
			low := rune(0)
			if s.i+1 < len(s.b) && s.b[s.i] == '\\' && s.b[s.i+1] == 'u' {
				s.i += 2
				low, ok = s.hex4()
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				ok = false
			}
		}
		if !ok {
			return fmt.Errorf("a broken \\u escape before byte %d of the line", s.i+1)
		}
		s.room = utf8.AppendRune(s.room, r)
	default:
		return fmt.Errorf("an unknown escape \\%c before byte %d of the line", c, s.i+1)
	}
	return nil
}

func (s *scanner) hex4() (r rune, ok bool) {
	if len(s.b)-s.i < 4 {
		return 0, false
	}
	for _, c := range s.b[s.i : s.i+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	s.i += 4
	return r, true
}

// number returns the next integer.
func (s *scanner) number() (int64, error) {
	s.space()
	from := s.i
	negative := s.take('-')
	digits, n := 0, uint64(0)
	for ; s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9'; s.i++ {
		if n > math.MaxInt64/10 {
			return 0, errors.New("the number is too large")
		}
		n = n*10 + uint64(s.b[s.i]-'0')
		digits++
	}
	if digits == 0 || s.i < len(s.b) && (s.b[s.i] == '.' || s.b[s.i]|0x20 == 'e') {
		s.i = from
		return 0, s.expected("an integer")
	}
	if n > math.MaxInt64 {
		return 0, errors.New("the number is too large")
	}
	if negative {
		return -int64(n), nil
	}
	return int64(n), nil
}

// list reads an array, or an object if the brackets are braces, and calls each at each element.
func (s *scanner) list(open, end byte, each func() error) error {
	if !s.take(open) {
		return s.expected(string(open))
	}
	if s.take(end) {
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if s.take(end) {
			return nil
		}
		if !s.take(',') {
			return s.expected("a comma or " + string(end))
		}
	}
}

// object reads an object; field gets each name, before its value.
func (s *scanner) object(field func(name []byte) error) error {
	return s.list('{', '}', func() error {
		name, err := s.text()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.expected("a colon")
		}
		return field(name)
	})
}

// end makes sure that nothing follows.
func (s *scanner) end() error {
	if s.space(); s.i < len(s.b) {
		return s.expected("the end of the line")
	}
	return nil
}
