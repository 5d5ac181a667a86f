package catalogue

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Match is what a message was recognised as.
type Match struct {
	Phrase *Phrase

	template *template
	message  []byte
	spans    [maxFields]span
}

// Field is a part of a message.
type Field struct {
	Name  string
	Value []byte
	Hex   bool // it is a hexadecimal number, with or without 0x; or a session id, which is given as one
	Int   bool // it is a decimal number
	Cause bool // it may be a phrase itself
}

// Fields calls yield for each field in the order of the message.
func (m *Match) Fields(yield func(Field) bool) {
	for i := range m.template.holes {
		h := &m.template.holes[i]
		f := Field{h.name, m.value(i), h.typ == hex || h.typ == id, h.typ == whole, h.typ == cause}
		if !yield(f) {
			return
		}
	}
}

// Field returns the value of a field, or nil.
func (m *Match) Field(name string) []byte {
	for i := range m.template.holes {
		if m.template.holes[i].name == name {
			return m.value(i)
		}
	}
	return nil
}

// value is what fills a hole.
func (m *Match) value(i int) []byte {
	b := m.message[m.spans[i].from:m.spans[i].to]
	if m.template.holes[i].typ == id {
		if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
			return fmt.Appendf(nil, "%#x", uint64(n))
		}
	}
	return b
}

// index prepares the catalogue for Match.
func (c *Catalogue) index() {
	slices.SortStableFunc(c.templates, func(a, b template) int { return cmp.Compare(a.literal, b.literal) })
	c.parents = make([]int, len(c.templates))
	c.keys = make([]uint64, len(c.templates))
	for i := range c.templates {
		j := i - 1
		for j >= 0 && (c.templates[j].literal == c.templates[i].literal || !strings.HasPrefix(c.templates[i].literal, c.templates[j].literal)) {
			if c.templates[j].literal == c.templates[i].literal {
				j = c.parents[j]
				break
			}
			j = c.parents[j]
		}
		c.parents[i] = j
		c.keys[i] = keyOf([]byte(c.templates[i].literal))
	}
}

// Match finds the phrase that a message is, from its first byte. The match refers to message.
//
// The literals in front of the first holes are sorted, so a binary search finds the last one that is not greater than
// the message. If the message does not start with it, it may start with a literal that this one starts with, and with
// no other.
func (c *Catalogue) Match(message []byte, m *Match) bool {
	key := keyOf(message)
	lo, hi := 0, len(c.keys)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if key < c.keys[mid] {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	last := lo - 1
	for last >= 0 && c.keys[last] == key && string(message) < c.templates[last].literal {
		last--
	}
	for i := last; i >= 0; i = c.parents[i] {
		literal := c.templates[i].literal
		if !hasPrefix(message, literal) {
			continue
		}
		first := i
		for first > 0 && c.templates[first-1].literal == literal {
			first--
		}
		for j := first; j <= i; j++ {
			t := &c.templates[j]
			if t.match(message, &m.spans) {
				m.Phrase, m.template, m.message = t.phrase, t, message
				return true
			}
		}
	}
	return false
}

// keyOf is the first eight bytes as a number, which sorts as they do.
func keyOf(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var padded [8]byte
	copy(padded[:], b)
	return binary.BigEndian.Uint64(padded[:])
}

func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }

// Find matches a message or, if it is no phrase, what an exception in it says, or the first phrase that starts at one
// of its words. It is slower than Match and meant for what a person pastes.
func (c *Catalogue) Find(message []byte, m *Match) bool {
	if c.Match(message, m) {
		return true
	}
	if rest := AfterClass(message); len(rest) < len(message) && c.Match(rest, m) {
		return true
	}
	for i := 1; i < len(message) && i < 4096; i++ {
		switch message[i-1] {
		case ' ', '\t', '(', '[', ':', '"', '\'', '>', '|':
			if b := message[i:]; len(b) >= 4 && c.Match(b, m) && len(m.template.literal) >= 6 {
				return true
			}
		}
	}
	return false
}

// AfterClass returns what follows the name of an exception's class: "java.io.IOException: Len error 5" is "Len error 5".
func AfterClass(b []byte) []byte {
	for {
		b = bytes.TrimPrefix(b, []byte("Caused by: "))
		colon := bytes.Index(b, []byte(": "))
		if colon < 0 || bytes.IndexByte(b[:colon], ' ') >= 0 || !bytes.ContainsAny(b[:colon], ".$") && !bytes.HasSuffix(b[:colon], []byte("Exception")) {
			return b
		}
		name := b[:colon]
		if !bytes.HasSuffix(name, []byte("Exception")) && !bytes.HasSuffix(name, []byte("Error")) {
			return b
		}
		b = b[colon+2:]
	}
}
