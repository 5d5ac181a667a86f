package format

import "bytes"

// header is what the first line of an event says. Its slices point into the line, or into scratch.
type header struct {
	time    int64
	timed   bool
	level   Level
	layout  Layout
	member  []byte
	thread  []byte
	class   []byte
	text    []byte
	more    []byte // a stack trace that came in a JSON field
	unclear bool   // the date can be read in several ways
	scratch []byte // holds JSON strings with escapes
}

// depth is how many prefixes may precede a header: a journal's around Docker's around the line.
const depth = 4

// parse recognises a line. It returns false for a line that continues an event; h.text is then the
// line without a container's prefix.
func (r *Reader) parse(b []byte, h *header, level int) bool {
	h.text = b
	if len(b) < 4 || level > depth {
		return false
	}
	if b[0] == 0x1b { // docker compose colours its prefix
		b = afterColors(b)
		if len(b) < 4 {
			return false
		}
	}
	switch c := b[0]; {
	case digit(c):
		return r.dated(b, h, level)
	case c == '[':
		return r.bracketed(b, h, level)
	case c == '{':
		return r.json(b, h, level)
	case c == '<':
		return r.syslog(b, h, level)
	case c == ' ' || c == '\t':
		return false
	case letter(c):
		return r.worded(b, h, level)
	}
	return false
}

// dated parses a line that starts with a digit.
func (r *Reader) dated(b []byte, h *header, level int) bool {
	s, ok := r.Clock.scan(b)
	if !ok {
		return false
	}
	rest := b[s.n:]
	if s.zoned && len(rest) > 1 && rest[0] == ' ' {
		if inner, is := afterContainer(rest[1:]); is {
			return r.inside(inner, &s, h, level)
		}
	}
	r.setTime(&s, h)
	if len(rest) > 1 && rest[0] == ':' && digit(rest[1]) && cClient(rest[1:], h) {
		return true
	}
	if len(rest) == 0 {
		h.text, h.layout = rest, Log4j
		return true
	}
	if rest[0] != ' ' && rest[0] != '\t' && rest[0] != ':' && rest[0] != '|' {
		return false
	}
	h.layout = Log4j
	if b[4] == '/' {
		h.layout = Go
		if file, text, ok := goPlace(bytes.TrimLeft(rest, " ")); ok {
			h.class, h.text = file, text
			return true
		}
	}
	r.fields(rest, h)
	return true
}

func (r *Reader) setTime(s *stamp, h *header) {
	if s.dated {
		h.time, h.timed = r.Clock.absolute(s), true
	} else {
		h.unclear = true
	}
}

// inside parses what follows a prefix with a time of its own, which counts if the line has none or
// one without a zone.
func (r *Reader) inside(inner []byte, s *stamp, h *header, level int) bool {
	starts := r.parse(inner, h, level+1)
	if starts && !h.zoned() {
		r.setTime(s, h)
	}
	return starts
}

// zoned reports whether the time is known for certain. Only JSON has zones as a rule.
func (h *header) zoned() bool { return h.timed && h.layout == JSON }

// cClient parses pid(0xthread):ZOO_LEVEL@function@line: text.
func cClient(b []byte, h *header) bool {
	i := bytes.Index(b, []byte(":ZOO_"))
	if i < 0 || i > 48 {
		return false
	}
	thread, b := b[:i], b[i+len(":ZOO_"):]
	l, n := scanLevel(b)
	if n == 0 || n >= len(b) || b[n] != '@' {
		return false
	}
	b = b[n+1:]
	at := bytes.IndexByte(b, '@')
	if at < 0 {
		return false
	}
	colon := bytes.Index(b[at:], []byte(": "))
	if colon < 0 {
		return false
	}
	h.level, h.layout, h.thread, h.class, h.text = l, C, thread, b[:at], b[at+colon+2:]
	return true
}

var (
	myid     = []byte("[myid:")
	endPlace = []byte("] - ")
)

// fields parses what follows the time, in the order that the layout has: member, level, thread, class, message.
func (r *Reader) fields(b []byte, h *header) {
	// ZooKeeper's own: " [myid:3] - INFO  [thread:Class@123] - message"
	if len(b) > 8 && b[0] == ' ' && b[1] == '[' && b[2] == 'm' && bytes.HasPrefix(b[1:], myid) {
		if i := bytes.IndexByte(b, ']'); i > 0 {
			h.member, b = number(b[1+len(myid):i]), b[i+1:]
		}
	}
	logger := false // whether a word can be a logger's name
	for {
		for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '|' || b[0] == '-' && (len(b) == 1 || b[1] == ' ' || b[1] == '-') || b[0] == ':' && !logger) {
			b = b[1:]
		}
		if len(b) == 0 {
			break
		}
		switch c := b[0]; {
		case c == '[' && h.class == nil:
			end := closing(b, '[', ']')
			if end < 0 {
				h.text = b
				return
			}
			if bytes.HasPrefix(b, myid) {
				h.member, b = number(b[len(myid):end]), b[end+1:]
				continue
			}
			inner := b[1:end]
			if l, n := scanLevel(inner); n == len(inner) && n > 0 && h.level == NoLevel {
				h.level, logger = l, true
			} else if place(inner, h) {
				b = b[end+1:]
				if bytes.HasPrefix(b, []byte("[")) { // TRACEFILE's [%x]
					if i := bytes.Index(b, endPlace); i >= 0 {
						b = b[i+1:]
					}
				}
				h.text = bytes.TrimPrefix(bytes.TrimPrefix(b, []byte(" - ")), []byte(": "))
				return
			} else if len(h.thread) == 0 {
				h.thread = inner
			}
			b = b[end+1:]
			continue
		case c == '(' && h.level != NoLevel && h.class == nil && len(h.thread) == 0: // Solr's thread
			if end := closing(b, '(', ')'); end > 0 && end < 128 && end+1 < len(b) && b[end+1] == ' ' {
				h.thread, b = b[1:end], b[end+1:]
				continue
			}
		case digit(c) && h.level != NoLevel && h.class == nil: // Spring's process id
			if i := bytes.Index(b, []byte(" --- ")); i > 0 && i < 10 {
				b = b[i+5:]
				continue
			}
		case h.level == NoLevel && c >= 'A' && c <= 'W':
			if l, n := scanLevel(b); n > 0 && (n == len(b) || b[n] == ' ' || b[n] == '\t' || b[n] == ':' || b[n] == '|' || b[n] == ']') {
				h.level, logger = l, true
				b = b[n:]
				if len(b) > 0 && b[0] == ':' {
					b = b[1:]
				}
				continue
			}
		}
		if h.class == nil {
			if class, n := scanLogger(b, h.level == NoLevel); n > 0 {
				h.class = short(class)
				b = b[n:]
				if h.level == NoLevel {
					continue
				}
			}
		}
		break
	}
	h.text = b
}

// number returns what stands for myid if it is one. Clients since 3.6 write the server's address there.
func number(b []byte) []byte {
	for _, c := range b {
		if !digit(c) {
			return nil
		}
	}
	return b
}

// closing is the index of the bracket that closes the one at b[0], or -1. A thread's name may hold
// brackets: [QuorumPeer[myid=3]/0.0.0.0:2181:QuorumPeer@714].
func closing(b []byte, left, right byte) int {
	open := 0
	for i, c := range b {
		switch c {
		case left:
			open++
		case right:
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// place parses thread:Class@123.
func place(b []byte, h *header) bool {
	at := bytes.LastIndexByte(b, '@')
	if at < 0 || at+1 == len(b) || !digit(b[len(b)-1]) {
		return false
	}
	colon := bytes.LastIndexByte(b[:at], ':')
	if colon < 0 {
		return false
	}
	h.class = short(b[colon+1 : at])
	h.thread = bytes.TrimSuffix(b[:colon], []byte(":"))
	return true
}

// short is a class without its package and without the class around it.
func short(class []byte) []byte {
	if i := bytes.LastIndexByte(class, '.'); i >= 0 && i+1 < len(class) {
		class = class[i+1:]
	}
	return class
}

// scanLogger reads the name of a logger and what separates it from the message: "a.b.C: ", "C - ", "C : ",
// "a.b.C (C.java:12) - ". Ahead of the level it must be followed by a dash.
func scanLogger(b []byte, early bool) (name []byte, n int) {
	i := 0
	mixed, dotted := false, false
	for i < len(b) && (letter(b[i]) || digit(b[i]) || b[i] == '.' || b[i] == '_' || b[i] == '$' || b[i] == '-' && i > 0) {
		if b[i] >= 'a' && b[i] <= 'z' {
			mixed = true
		}
		if b[i] == '.' && i > 0 {
			dotted = true
		}
		i++
	}
	if i == 0 || i == len(b) || digit(b[0]) || !mixed {
		return nil, 0
	}
	rest := b[i:]
	switch {
	case bytes.HasPrefix(rest, []byte(" - ")):
		return b[:i], i + 3
	case early:
		return nil, 0
	case bytes.HasPrefix(rest, []byte(": ")), bytes.HasPrefix(rest, []byte("] ")):
		// "Exception: " and the like begin a message.
		if !dotted && (bytes.Contains(b[:i], []byte("xception")) || bytes.Contains(b[:i], []byte("otification"))) {
			return nil, 0
		}
		return b[:i], i + 2
	case bytes.HasPrefix(rest, []byte(":")) && len(rest) == 1:
		return b[:i], i + 1
	case dotted && rest[0] == ' ':
		at := bytes.TrimLeft(rest, " ")
		pad := len(rest) - len(at)
		if bytes.HasPrefix(at, []byte(": ")) {
			return b[:i], i + pad + 2
		}
		if bytes.HasPrefix(at, []byte("- ")) {
			return b[:i], i + pad + 2
		}
		if len(at) > 0 && at[0] == '(' {
			if end := bytes.Index(at, []byte(") - ")); end > 0 && end < 80 {
				return b[:i], i + pad + end + 4
			}
		}
		if javaClass(b[:i]) { // Solr, NiFi: nothing between the logger and the message
			return b[:i], i + 1
		}
	case !dotted && bytes.HasPrefix(rest, []byte(" (")): // HBase: ClientCnxn (ClientCnxn.java:1) - is handled above
		if end := bytes.Index(rest, []byte(") - ")); end > 0 && end < 80 && bytes.Contains(rest[:end], []byte(".java:")) {
			return b[:i], i + end + 4
		}
	}
	return nil, 0
}

// javaClass reports whether a name is a class in a package: a.b.Class, o.a.z.ClientCnxn.
func javaClass(name []byte) bool {
	last := name[bytes.LastIndexByte(name, '.')+1:]
	if len(last) == 0 || last[0] < 'A' || last[0] > 'Z' {
		return false
	}
	for _, c := range name[:len(name)-len(last)] {
		if c >= 'A' && c <= 'Z' || c == '-' {
			return false
		}
	}
	return true
}

// bracketed parses a line that starts with a bracket: Kafka's time, a pod's name, a thread.
func (r *Reader) bracketed(b []byte, h *header, level int) bool {
	if len(b) > 12 && (digit(b[1]) || digit(b[2])) {
		if s, ok := r.Clock.scan(b[1:]); ok && 1+s.n < len(b) && b[1+s.n] == ']' {
			r.setTime(&s, h)
			h.layout = Kafka
			r.fields(b[s.n+2:], h)
			if h.class == nil {
				h.text, h.class = trailingLogger(h.text)
			}
			return true
		}
	}
	end := closing(b, '[', ']')
	if end < 0 || end+2 >= len(b) || b[end+1] != ' ' {
		return false
	}
	if bytes.HasPrefix(b, []byte("[pod/")) {
		return r.parse(b[end+2:], h, level+1)
	}
	if l, n := scanLevel(b[end+2:]); n > 0 && b[end+1] == ' ' { // slf4j's simple logger: [main] INFO a.b.C - text
		h.thread, h.level, h.layout = b[1:end], l, Log4j
		r.fields(b[end+2+n:], h)
		return true
	}
	return false
}

// trailingLogger cuts Kafka's " (a.b.C)" off the end of a message.
func trailingLogger(text []byte) (message, class []byte) {
	if n := len(text); n > 4 && text[n-1] == ')' {
		i := bytes.LastIndexByte(text, '(') - 1
		if i >= 0 && text[i] == ' ' && bytes.IndexByte(text[i:], '.') > 0 && !bytes.ContainsAny(text[i+2:n-1], " /:") {
			return text[:i], short(text[i+2 : n-1])
		}
	}
	return text, nil
}

// worded parses a line that starts with a letter: a level, a syslog date, or a container's name.
func (r *Reader) worded(b []byte, h *header, level int) bool {
	if l, n := scanLevel(b); n > 0 && n < len(b) {
		rest := b[n:]
		if rest[0] == ':' && len(rest) > 1 && rest[1] != ' ' { // Python's basicConfig: INFO:kazoo.client:text
			if i := bytes.IndexByte(rest[1:], ':'); i > 0 && bytes.IndexByte(rest[1:1+i], ' ') < 0 {
				h.level, h.layout, h.class, h.text = l, Python, rest[1:1+i], rest[i+2:]
				return true
			}
			return false
		}
		if rest[0] != ' ' && rest[0] != ':' {
			return false
		}
		rest = bytes.TrimLeft(rest, " :|-")
		h.level, h.layout = l, Log4j
		if len(rest) > 1 && (rest[0] == '[' && digit(rest[1]) || digit(rest[0])) {
			bare := bytes.TrimPrefix(rest, []byte("["))
			if s, ok := r.Clock.scan(bare); ok {
				r.setTime(&s, h)
				r.fields(bytes.TrimPrefix(bare[s.n:], []byte("]")), h)
				return true
			}
		}
		if len(rest) > 0 && rest[0] == '[' || bytes.HasPrefix(rest, []byte("org.")) {
			r.fields(rest, h)
			return true
		}
		h.level, h.layout = NoLevel, Plain
		return false
	}
	if rest, ok := bytes.CutPrefix(b, []byte("Level ")); ok && len(rest) > 0 && digit(rest[0]) { // Python, of a level without a name
		if i := bytes.IndexByte(rest, ':'); i > 0 && i < 4 {
			if j := bytes.IndexByte(rest[i+1:], ':'); j > 0 && bytes.IndexByte(rest[i+1:i+1+j], ' ') < 0 {
				h.level, h.layout, h.class, h.text = Trace, Python, rest[i+1:i+1+j], rest[i+j+2:]
				return true
			}
		}
	}
	if b[3] == ' ' && month(b) > 0 {
		return r.journal(b, h, level)
	}
	if digit(b[1]) && digit(b[2]) && digit(b[3]) && (b[0] == 'I' || b[0] == 'W' || b[0] == 'E' || b[0] == 'F') {
		return r.klog(b, h)
	}
	if i := bytes.IndexByte(b[:min(len(b), 16)], '='); i > 0 && bytes.IndexByte(b[:i], ' ') < 0 && r.logfmt(b, h) {
		return true
	}
	if inner, ok := afterCompose(b); ok {
		return r.parse(inner, h, level+1)
	}
	return false
}

// scanLevel reads the name of a level in capitals.
func scanLevel(b []byte) (Level, int) {
	if len(b) < 4 {
		return NoLevel, 0
	}
	switch string(b[:4]) {
	case "INFO":
		return Info, 4
	case "WARN":
		if bytes.HasPrefix(b, []byte("WARNING")) {
			return Warn, 7
		}
		return Warn, 4
	case "ERRO":
		if len(b) >= 5 && b[4] == 'R' {
			return Error, 5
		}
	case "DEBU":
		if len(b) >= 5 && b[4] == 'G' {
			return Debug, 5
		}
	case "TRAC":
		if len(b) >= 5 && b[4] == 'E' {
			return Trace, 5
		}
	case "FATA":
		if len(b) >= 5 && b[4] == 'L' {
			return Fatal, 5
		}
	case "CRIT":
		if bytes.HasPrefix(b, []byte("CRITICAL")) {
			return Fatal, 8
		}
	}
	return NoLevel, 0
}
