package replica

import "strings"

// prefixes are the places of recursive watches, by path: a trie of names whose edges extend until
// something branches off. So one pass over a path finds all places above it, and a place takes no
// more memory than its path. The zero value is empty.
type prefixes struct {
	text  string               // names, each with its slash, after the parent's
	place uint32               // 0 for none
	below map[string]*prefixes // by the first name of their text
}

// above calls visit with the places above a path, highest first.
func (p *prefixes) above(path string, visit func(place uint32)) {
	for path != "" && path != "/" {
		if p.place != 0 {
			visit(p.place)
		}
		next := p.below[firstName(path)]
		if next == nil || !strings.HasPrefix(path, next.text) {
			return
		}
		if path = path[len(next.text):]; path != "" && path[0] != '/' {
			return
		}
		p = next
	}
}

// firstName returns the leading slash and the name up to the next one.
func firstName(path string) string {
	name, _, _ := strings.Cut(path[1:], "/")
	return name
}

// canBeAbove reports whether there can be znodes below a path.
func canBeAbove(path string) bool {
	return path == "/" || path != "" && path[0] == '/' && path[len(path)-1] != '/'
}

// put adds a place.
func (p *prefixes) put(path string, place uint32) {
	if !canBeAbove(path) {
		return
	}
	if path == "/" {
		p.place = place
		return
	}
	for {
		name := firstName(path)
		next := p.below[name]
		if next == nil {
			next = &prefixes{text: path, place: place}
			p.hang(next)
			return
		}
		if n := common(path, next.text); n < len(next.text) {
			upper := &prefixes{text: next.text[:n]}
			next.text = next.text[n:]
			upper.hang(next)
			p.hang(upper)
			next = upper
		}
		if path = path[len(next.text):]; path == "" {
			next.place = place
			return
		}
		p = next
	}
}

func (p *prefixes) hang(next *prefixes) {
	if p.below == nil {
		p.below = map[string]*prefixes{}
	}
	p.below[firstName(next.text)] = next
}

// common returns the length of the names that a and b start with. The first is the same.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if (n == len(a) || a[n] == '/') && (n == len(b) || b[n] == '/') {
		return n
	}
	return strings.LastIndexByte(a[:n], '/')
}

// drop removes an existing place.
func (p *prefixes) drop(path string) {
	if !canBeAbove(path) {
		return
	}
	if path == "/" {
		p.place = 0
		return
	}
	var up *prefixes
	at := p
	for path != "" {
		up, at = at, at.below[firstName(path)]
		path = path[len(at.text):]
	}
	at.place = 0
	if len(at.below) == 0 {
		delete(up.below, firstName(at.text))
		at = up
	}
	if at != p && at.place == 0 && len(at.below) == 1 { // nothing branches off here anymore
		for _, only := range at.below {
			at.text, at.place, at.below = at.text+only.text, only.place, only.below
		}
	}
}
