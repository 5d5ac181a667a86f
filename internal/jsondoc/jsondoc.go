// Package jsondoc changes JSON documents and keeps how they are written: what does not change keeps its
// bytes, and what does follows the indentation and the order of keys of the document.
package jsondoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/escape"
)

// Doc is a JSON document.
type Doc struct {
	root  *node
	style style
	text  []byte // the whole document
}

// style is how a document is written.
type style struct {
	before, after string // white space around the document
	line          string // the line break before each member and item; "" for a document on one line
	indent        string // of a level
	colon, comma  string
	pad           string // inside of braces and brackets on one line
}

// node is a value of a document.
type node struct {
	raw     string // its text
	kind    byte   // '{', '[', or 0 for what contains nothing else
	keys    []string
	members map[string]*node
	items   []*node
}

// SyntaxError says where a document is not JSON.
type SyntaxError struct {
	Line, Column int // from 1; the column in bytes
	Problem      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON: %s (line %d, column %d)", e.Problem, e.Line, e.Column)
}

// Check returns the *SyntaxError of a text that is not one JSON document, or nil.
func Check(text []byte) error {
	var any json.RawMessage
	err := json.Unmarshal(text, &any)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	at := min(max(int(syntax.Offset)-1, 0), len(text))
	if strings.HasPrefix(syntax.Error(), "unexpected end") {
		at = len(bytes.TrimRight(text, " \t\r\n"))
	}
	line := text[bytes.LastIndexByte(text[:at], '\n')+1 : at]
	return &SyntaxError{Line: bytes.Count(text[:at], []byte{'\n'}) + 1, Column: len(line) + 1, Problem: syntax.Error()}
}

// Parse parses a document; its error is a [SyntaxError].
func Parse(text []byte) (*Doc, error) {
	if err := Check(text); err != nil {
		return nil, err
	}
	trimmed := bytes.TrimSpace(text)
	at := bytes.Index(text, trimmed)
	d := &Doc{text: text, style: style{before: string(text[:at]), after: string(text[at+len(trimmed):]), colon: ":", comma: ","}}
	p := parser{text: string(trimmed), d: json.NewDecoder(bytes.NewReader(trimmed))}
	p.d.UseNumber()
	var err error
	if d.root, err = p.value(); err != nil {
		return nil, err // of a reader of bytes, which are JSON: never
	}
	p.style(&d.style)
	return d, nil
}

// parser reads a document that is known to be JSON.
type parser struct {
	text  string
	d     *json.Decoder
	depth int
	// What stands, for the first time, after an opening bracket, around a colon and around a comma, with the depth.
	open, colon, comma string
	openDepth          int
}

// token reads a token, and returns where it begins and what stands before it.
func (p *parser) token() (t json.Token, gap string, start int, err error) {
	from := int(p.d.InputOffset())
	if t, err = p.d.Token(); err != nil {
		return nil, "", 0, err
	}
	rest := p.text[from:]
	gap = rest[:len(rest)-len(strings.TrimLeft(rest, " \t\r\n,:"))]
	return t, gap, from + len(gap), nil
}

func (p *parser) value() (*node, error) {
	t, _, start, err := p.token()
	if err != nil {
		return nil, err
	}
	return p.rest(t, start)
}

// rest reads what follows the first token of a value, which begins at start.
func (p *parser) rest(t json.Token, start int) (n *node, err error) {
	n = &node{}
	if delim, is := t.(json.Delim); is {
		n.kind = byte(delim)
		p.depth++
		if n.kind == '{' {
			n.members = map[string]*node{}
		}
		for first := true; ; first = false {
			t, gap, at, err := p.token()
			if err != nil {
				return nil, err
			}
			if end, is := t.(json.Delim); is && (end == '}' || end == ']') {
				break
			}
			p.learn(first, gap)
			if n.kind == '[' {
				item, err := p.rest(t, at)
				if err != nil {
					return nil, err
				}
				n.items = append(n.items, item)
				continue
			}
			key, _ := t.(string)
			t, gap, at, err = p.token()
			if err != nil {
				return nil, err
			}
			if p.colon == "" {
				p.colon = gap
			}
			member, err := p.rest(t, at)
			if err != nil {
				return nil, err
			}
			n.set(key, member)
		}
		p.depth--
	}
	n.raw = p.text[start:p.d.InputOffset()]
	return n, nil
}

// learn remembers how the document is written.
func (p *parser) learn(first bool, gap string) {
	switch {
	case first && (p.openDepth == 0 || !strings.Contains(p.open, "\n") && strings.Contains(gap, "\n")):
		p.open, p.openDepth = gap, p.depth
	case !first && p.comma == "":
		p.comma = gap
	}
}

func (p *parser) style(s *style) {
	if p.colon != "" {
		s.colon = p.colon
	}
	line, indent, broken := strings.Cut(p.open, "\n")
	switch {
	case broken:
		s.line, s.indent = strings.TrimLeft(line, " \t")+"\n", indent[strings.LastIndexByte(indent, '\n')+1:]
		s.indent = s.indent[:len(s.indent)/p.openDepth]
		return
	case p.comma != "" && !strings.Contains(p.comma, "\n"):
		s.comma = p.comma
	case p.comma == "" && strings.HasSuffix(s.colon, " "):
		s.comma = ", "
	}
	s.pad = p.open
}

// set sets a member; the last one with a key counts.
func (n *node) set(key string, member *node) {
	if n.members[key] == nil {
		n.keys = append(n.keys, key)
	}
	n.members[key] = member
}

// Rewrite returns the content of to, written as d is: members that both have are in d's order, others follow
// in the order of to.
func (d *Doc) Rewrite(to *Doc) []byte { return d.rewrite(to.root) }

func (d *Doc) rewrite(to *node) []byte {
	w := writer{style: d.style}
	if w.value(d.root, to, 0) {
		return d.text
	}
	return []byte(d.style.before + w.String() + d.style.after)
}

// Merge returns d with a merge patch (RFC 7386) applied.
func (d *Doc) Merge(patch *Doc) []byte { return d.rewrite(merge(d.root, patch.root)) }

func merge(target, patch *node) *node {
	if patch.kind != '{' {
		return patch
	}
	merged := &node{kind: '{', members: map[string]*node{}}
	if target != nil && target.kind == '{' {
		for _, key := range target.keys {
			merged.set(key, target.members[key])
		}
	}
	for _, key := range patch.keys {
		switch member := patch.members[key]; {
		case member.raw == "null":
			delete(merged.members, key)
			merged.keys = slices.DeleteFunc(merged.keys, func(k string) bool { return k == key })
		default:
			merged.set(key, merge(merged.members[key], member))
		}
	}
	return merged
}

type writer struct {
	strings.Builder
	style style
}

// value writes a value at a level, and reports whether it is what was at that place, written in the same
// way. old is nil if nothing was.
func (w *writer) value(old, to *node, level int) (same bool) {
	if to.kind == 0 {
		if same = old != nil && old.kind == 0 && equal(old.raw, to.raw); same {
			w.WriteString(old.raw)
		} else {
			w.WriteString(to.raw)
		}
		return same
	}
	if old != nil && old.kind != to.kind {
		old = nil
	}
	inner := writer{style: w.style}
	if to.kind == '{' {
		same = inner.members(old, to, level)
	} else {
		same = inner.items(old, to, level)
	}
	if same {
		w.WriteString(old.raw)
	} else {
		w.WriteString(inner.String())
	}
	return same
}

func (w *writer) members(old, to *node, level int) (same bool) {
	keys := to.keys
	if same = old != nil && len(old.keys) == len(keys); old != nil {
		keys = make([]string, 0, len(to.keys))
		for _, key := range old.keys {
			if to.members[key] != nil {
				keys = append(keys, key)
			}
		}
		for _, key := range to.keys {
			if old.members[key] == nil {
				keys = append(keys, key)
				same = false
			}
		}
	}
	w.list('{', '}', len(keys), level, func(i int) {
		name, _ := escape.MarshalJSON(keys[i]) // strings always encode
		w.Write(name)
		w.WriteString(w.style.colon)
		var before *node
		if old != nil {
			before = old.members[keys[i]]
		}
		same = w.value(before, to.members[keys[i]], level+1) && same
	})
	return same
}

func (w *writer) items(old, to *node, level int) (same bool) {
	same = old != nil && len(old.items) == len(to.items)
	w.list('[', ']', len(to.items), level, func(i int) {
		var before *node
		if old != nil && i < len(old.items) {
			before = old.items[i]
		}
		same = w.value(before, to.items[i], level+1) && same
	})
	return same
}

// list writes n entries between brackets.
func (w *writer) list(open, end byte, n, level int, entry func(i int)) {
	w.WriteByte(open)
	for i := range n {
		if i > 0 {
			w.WriteString(w.style.comma)
		}
		w.edge(level+1, i == 0)
		entry(i)
	}
	if n > 0 {
		w.edge(level, true)
	}
	w.WriteByte(end)
}

// edge writes the white space before an entry of a level, or before the bracket that ends the entries below it.
func (w *writer) edge(level int, bracket bool) {
	switch {
	case w.style.line != "":
		w.WriteString(w.style.line + strings.Repeat(w.style.indent, level))
	case bracket:
		w.WriteString(w.style.pad)
	}
}

// equal reports whether two values without others in them are the same.
func equal(a, b string) bool {
	if a == b {
		return true
	}
	if a[0] != b[0] && (a[0] == '"' || b[0] == '"') {
		return false
	}
	if a[0] == '"' {
		var textA, textB string
		return json.Unmarshal([]byte(a), &textA) == nil && json.Unmarshal([]byte(b), &textB) == nil && textA == textB
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y && math.Abs(x) < 1<<53 && strings.ContainsAny(a+b, ".eE") // such as 1.0 and 1
}
