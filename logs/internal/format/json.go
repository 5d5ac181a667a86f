package format

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// json parses a line that is one object. What Docker's json-file driver and journald wrap is parsed in turn.
func (r *Reader) json(b []byte, h *header, level int) bool {
	o := object{b: b, unquoted: h.scratch, cut: r.cutLine}
	var docker, timeText, message, trace []byte
	var at stamp
	wrapped := false
	for o.next() {
		switch string(o.key) {
		case "@timestamp", "timestamp", "time", "ts", "@t", "date":
			timeText = o.value
			if o.kind == 'n' {
				at = epoch(o.value)
			}
		case "timeMillis", "__REALTIME_TIMESTAMP", "epochSecond", "instant":
			at = epoch(o.value)
		case "level", "log.level", "severity", "levelname", "loglevel":
			h.level = levelOf(o.value)
		case "logger", "logger_name", "loggerName", "log.logger", "class", "name", "component":
			if o.kind == 's' && h.class == nil {
				h.class = short(o.value)
			}
		case "thread", "thread_name", "threadName", "process.thread.name":
			h.thread = o.value
		case "message", "msg", "@m", "event":
			if o.kind == 's' && message == nil {
				message = o.value
			}
		case "MESSAGE":
			message, wrapped = o.value, true
		case "log":
			if o.kind == 's' {
				docker = o.value
			}
		case "stack_trace", "exception", "error.stack_trace", "stackTrace", "thrown", "extendedStackTrace":
			if o.kind == 's' {
				trace = o.value
			}
		case "myid", "mdc.myid":
			h.member = o.value
		}
	}
	h.scratch = o.unquoted
	if o.bad {
		return false
	}
	if at.n == 0 && timeText != nil {
		if s, ok := r.Clock.scan(timeText); ok {
			at = s
		}
	}
	if docker != nil && message == nil {
		message, wrapped = bytes.TrimRight(docker, "\r\n"), true
	}
	if message == nil {
		return false
	}
	if wrapped {
		h.level, h.class, h.thread, h.member = NoLevel, nil, nil, nil
		if !r.parse(message, h, level+1) {
			return false
		}
		if at.n > 0 && (at.zoned && !h.zoned() || !h.timed) {
			r.setTime(&at, h)
		}
		return true
	}
	if at.n == 0 && h.level == NoLevel {
		return false // some other object
	}
	if at.n > 0 {
		r.setTime(&at, h)
	}
	h.layout = JSON
	h.text, h.more, _ = bytes.Cut(message, []byte("\n"))
	if trace != nil {
		h.more = trace
	}
	return true
}

// epoch reads seconds, milliseconds, microseconds or nanoseconds since 1970.
func epoch(b []byte) (s stamp) {
	whole, fraction, _ := bytes.Cut(b, []byte("."))
	n, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil || n < 1e8 {
		return s
	}
	s = stamp{zoned: true, dated: true, n: len(b)}
	switch {
	case n < 1e11:
		s.ms = n * second
		for i, scale := 0, int64(100); i < len(fraction) && digit(fraction[i]); i++ {
			s.ms += scale * int64(fraction[i]-'0')
			scale /= 10
		}
	case n < 1e14:
		s.ms = n
	case n < 1e17:
		s.ms = n / 1000
	default:
		s.ms = n / int64(time.Millisecond)
	}
	return s
}

func levelOf(b []byte) Level {
	l, _ := scanLevel(bytes.ToUpper(b[:min(len(b), 8)]))
	return l
}

// object reads the members of a JSON object, and of objects within it, one after the other.
type object struct {
	b        []byte
	at       int
	level    int
	key      []byte
	value    []byte // unquoted; of anything but a string as it is written
	kind     byte   // s string, n number, or a letter of true, false, null
	bad      bool
	cut      bool   // the end of the line is missing, so what is open there is not wrong
	unquoted []byte // holds strings with escapes
}

// next moves to the next member that is no object.
func (o *object) next() bool {
	for {
		o.space()
		if o.at >= len(o.b) {
			o.bad = o.level != 0 && !o.cut
			return false
		}
		switch c := o.b[o.at]; c {
		case '{':
			if o.level++; o.level > 16 {
				o.bad = true
				return false
			}
			o.at++
		case '}':
			o.level--
			o.at++
			if o.level == 0 {
				o.space()
				o.bad = o.at < len(o.b)
				return false
			}
		case ',':
			o.at++
		case '"':
			key, ok := o.string()
			o.space()
			if !ok || o.at >= len(o.b) || o.b[o.at] != ':' {
				o.bad = !o.ended()
				return false
			}
			o.at++
			o.space()
			o.key = key
			if o.at < len(o.b) && o.b[o.at] == '{' {
				continue
			}
			if !o.scalar() {
				o.bad = !o.ended()
				return false
			}
			return true
		default:
			o.bad = true
			return false
		}
	}
}

func (o *object) space() {
	for o.at < len(o.b) && (o.b[o.at] == ' ' || o.b[o.at] == '\t') {
		o.at++
	}
}

// scalar reads a value that is no object. An array is skipped.
func (o *object) scalar() bool {
	if o.at >= len(o.b) {
		return false
	}
	if o.b[o.at] == '"' {
		value, ok := o.string()
		o.value, o.kind = value, 's'
		return ok
	}
	from := o.at
	if o.b[o.at] == '[' {
		o.kind = '['
		for depth := 0; o.at < len(o.b); {
			switch o.b[o.at] {
			case '"':
				if _, ok := o.string(); !ok {
					return false
				}
				continue
			case '[':
				depth++
			case ']':
				depth--
			}
			o.at++
			if depth == 0 {
				o.value = o.b[from:o.at]
				return true
			}
		}
		return false
	}
	for o.at < len(o.b) && (letter(o.b[o.at]) || digit(o.b[o.at]) || o.b[o.at] == '.' || o.b[o.at] == '-' || o.b[o.at] == '+') {
		o.at++
	}
	if o.at == from {
		return false
	}
	o.value, o.kind = o.b[from:o.at], o.b[from]
	if digit(o.kind) || o.kind == '-' {
		o.kind = 'n'
	}
	return true
}

// string reads a string at the quote. Without escapes it is a part of the line.
func (o *object) string() ([]byte, bool) {
	o.at++
	from := o.at
	end := bytes.IndexByte(o.b[from:], '"')
	if end < 0 && !o.cut {
		return nil, false
	} else if end < 0 {
		end = len(o.b) - from
	}
	if bytes.IndexByte(o.b[from:from+end], '\\') < 0 {
		o.at = min(from+end+1, len(o.b))
		return o.b[from : from+end], true
	}
	start := len(o.unquoted)
	for o.at < len(o.b) {
		switch c := o.b[o.at]; c {
		case '"':
			o.at++
			return o.unquoted[start:len(o.unquoted):len(o.unquoted)], true
		case '\\':
			o.at++
			if o.at >= len(o.b) || !o.escape() {
				return o.unquoted[start:len(o.unquoted):len(o.unquoted)], o.ended()
			}
		default:
			o.unquoted = append(o.unquoted, c)
			o.at++
		}
	}
	return o.unquoted[start:len(o.unquoted):len(o.unquoted)], o.cut
}

// ended reports whether what is missing was left out with the end of the line.
func (o *object) ended() bool { return o.cut && o.at >= len(o.b) }

func (o *object) escape() bool {
	c := o.b[o.at]
	o.at++
	switch c {
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'u':
		r, ok := o.hex()
		if utf16.IsSurrogate(r) && o.at+6 <= len(o.b) && o.b[o.at] == '\\' && o.b[o.at+1] == 'u' {
			o.at += 2
			var low rune
			low, ok = o.hex()
			r = utf16.DecodeRune(r, low)
		}
		o.unquoted = utf8.AppendRune(o.unquoted, r)
		return ok
	}
	o.unquoted = append(o.unquoted, c)
	return true
}

func (o *object) hex() (rune, bool) {
	if o.at+4 > len(o.b) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(o.b[o.at:o.at+4]), 16, 16)
	o.at += 4
	return rune(n), err == nil
}
