package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// holeType says what fits into a hole.
type holeType uint8

const (
	text  holeType = iota // anything up to what follows
	word                  // anything but spaces
	whole                 // a decimal number
	hex                   // a hexadecimal number, with or without 0x
	id                    // a session id in decimal, which may be negative
	cause                 // anything; it may be a phrase itself
)

var holeTypes = []string{"text", "word", "int", "hex", "id", "cause"}

// maxFields is the number of holes that a template may have.
const maxFields = 10

type hole struct {
	name string
	typ  holeType
	next string // the literal that follows
}

// template is a wording: a literal, and holes with a literal behind each.
type template struct {
	phrase  *Phrase
	literal string
	holes   []hole
	open    bool // it may go on
}

// typeOf is the type of a hole that gives none.
func typeOf(name string) holeType {
	switch name {
	case "session":
		return hex
	case "myid", "sid", "leader", "ms", "len", "length", "max", "count", "tries", "port":
		return whole
	case "cause":
		return cause
	case "addr", "server":
		return word
	}
	if strings.HasSuffix(name, "zxid") {
		return hex
	}
	return text
}

func newTemplate(says string, p *Phrase) (t template, err error) {
	t.phrase = p
	if says, t.open = strings.CutSuffix(says, "..."); says == "" {
		return t, errors.New("an empty wording")
	}
	rest := says
	next := &t.literal
	for {
		at := strings.IndexByte(rest, '<')
		for at >= 0 && (at+1 == len(rest) || rest[at+1] < 'a' || rest[at+1] > 'z') {
			more := strings.IndexByte(rest[at+1:], '<')
			if more < 0 {
				at = -1
				break
			}
			at += 1 + more
		}
		if at < 0 {
			*next = rest
			break
		}
		end := strings.IndexByte(rest[at:], '>')
		if end < 0 {
			return t, errors.New("a hole has no end")
		}
		*next = rest[:at]
		name, typ, given := strings.Cut(rest[at+1:at+end], ":")
		h := hole{name: name, typ: typeOf(name)}
		if given {
			i := slices.Index(holeTypes, typ)
			if i < 0 {
				return t, fmt.Errorf("unknown type %q", typ)
			}
			h.typ = holeType(i)
		}
		if len(t.holes) == maxFields {
			return t, fmt.Errorf("more than %d holes", maxFields)
		}
		t.holes = append(t.holes, h)
		next = &t.holes[len(t.holes)-1].next
		rest = rest[at+end+1:]
	}
	if t.literal == "" && t.holes[0].typ == text {
		return t, errors.New("it begins with a hole of the type text, which would match anything")
	}
	for i, h := range t.holes {
		if h.next == "" && i+1 < len(t.holes) {
			return t, errors.New("nothing between two holes")
		}
	}
	return t, nil
}

type span struct{ from, to int }

// match matches a message that starts with the literal, and sets the spans of the holes.
func (t *template) match(b []byte, spans *[maxFields]span) bool {
	at := len(t.literal)
	for i := range t.holes {
		h := &t.holes[i]
		from := at
		switch h.typ {
		case whole, id:
			if at < len(b) && b[at] == '-' {
				at++
			}
			digits := at
			for at < len(b) && b[at]-'0' < 10 {
				at++
			}
			if at == digits {
				return false
			}
		case hex:
			if at+1 < len(b) && b[at] == '0' && b[at+1]|0x20 == 'x' {
				at += 2
			}
			digits := at
			for at < len(b) && (b[at]-'0' < 10 || b[at]|0x20-'a' < 6) {
				at++
			}
			if at == digits || at-digits > 16 {
				return false
			}
		case word, text, cause:
			end := len(b)
			if h.next != "" {
				var n int
				if h.typ == word && h.next[0] == ' ' {
					n = bytes.IndexByte(b[at:], ' ')
				} else {
					n = bytes.Index(b[at:], []byte(h.next))
				}
				if n < 0 {
					return false
				}
				end = at + n
			}
			if h.typ == word {
				if n := bytes.IndexByte(b[at:end], ' '); n >= 0 {
					switch {
					case h.next != "":
						return false
					case n > 0 && b[at+n-1] == ':':
						end = at + n - 1
					case t.open:
						end = at + n
					default:
						return false
					}
				}
				if end == at {
					return false
				}
			}
			at = end
		}
		spans[i] = span{from, at}
		if !bytes.HasPrefix(b[at:], []byte(h.next)) {
			return false
		}
		at += len(h.next)
	}
	// Some programs put the cause behind a message, where Java prints the exception below it.
	return t.open || len(bytes.TrimRight(b[at:], " \t.")) == 0 || bytes.HasPrefix(b[at:], []byte(": "))
}
