package format

import "bytes"

// goPlace cuts the place in the source off a line of Go's log package with the flag Lshortfile or Llongfile:
// "conn.go:392: text".
func goPlace(b []byte) (file, text []byte, ok bool) {
	i := bytes.Index(b, []byte(".go:"))
	if i < 1 || bytes.IndexByte(b[:i], ' ') >= 0 {
		return nil, nil, false
	}
	n := i + len(".go:")
	digits := n
	for n < len(b) && digit(b[n]) {
		n++
	}
	if n == digits || n+1 >= len(b) || b[n] != ':' || b[n+1] != ' ' {
		return nil, nil, false
	}
	return b[bytes.LastIndexByte(b[:i], '/')+1 : i+len(".go")], b[n+2:], true
}

// klog parses a line of klog and glog: "I0625 19:56:12.970123     812 conn.go:392] text".
func (r *Reader) klog(b []byte, h *header) bool {
	if len(b) < 22 || b[5] != ' ' {
		return false
	}
	m, d := two(b[1:]), two(b[3:])
	ms, n := scanClock(b[6:])
	if n == 0 || !possible(m, d) {
		return false
	}
	rest := bytes.TrimLeft(b[6+n:], " ")
	for len(rest) > 0 && digit(rest[0]) { // the thread
		rest = rest[1:]
	}
	end := bytes.Index(rest, []byte("] "))
	if end < 2 || rest[0] != ' ' || bytes.IndexByte(rest[1:end], ' ') >= 0 {
		return false
	}
	place, _, _ := bytes.Cut(rest[1:end], []byte(":"))
	h.level = map[byte]Level{'I': Info, 'W': Warn, 'E': Error, 'F': Fatal}[b[0]]
	h.layout, h.class, h.text = Go, place, rest[end+2:]
	r.setTime(&stamp{ms: r.Clock.recent(m, d)*day + ms, dated: ms >= 0}, h)
	return true
}

// logfmt parses key=value pairs, as logrus, slog and go-kit write them: time=2024-06-25T19:56:12.970Z level=INFO msg="text".
func (r *Reader) logfmt(b []byte, h *header) bool {
	o := object{b: b, unquoted: h.scratch, cut: r.cutLine}
	var message []byte
	var at stamp
	for {
		o.space()
		key := o.at
		for o.at < len(b) && b[o.at] != '=' && b[o.at] != ' ' && b[o.at] != '"' {
			o.at++
		}
		if o.at == len(b) || b[o.at] != '=' || o.at == key {
			break
		}
		name := string(b[key:o.at])
		if o.at++; o.at == len(b) {
			break
		}
		var value []byte
		if b[o.at] == '"' {
			var ok bool
			if value, ok = o.string(); !ok {
				break
			}
		} else {
			from := o.at
			for o.at < len(b) && b[o.at] != ' ' {
				o.at++
			}
			value = b[from:o.at]
		}
		switch name {
		case "time", "ts", "t", "timestamp":
			if s, ok := r.Clock.scan(value); ok {
				at = s
			} else if at.n == 0 {
				at = epoch(value)
			}
		case "level", "lvl", "severity":
			h.level = levelOf(value)
		case "msg", "message":
			message = value
		case "logger", "component", "caller", "source":
			h.class = value[bytes.LastIndexByte(value, '/')+1:]
		}
	}
	h.scratch = o.unquoted
	if message == nil || at.n == 0 && h.level == NoLevel {
		h.level, h.class = NoLevel, nil
		return false
	}
	if at.n > 0 {
		r.setTime(&at, h)
	}
	h.layout = Go
	h.text, h.more, _ = bytes.Cut(message, []byte("\n"))
	return true
}
