package format

import "bytes"

// afterContainer returns what follows the time in a line of a container's log: of containerd and CRI-O
// ("stdout F line"), of docker logs -t and kubectl logs --timestamps (a line with a time of its own or
// another header), of journalctl -o short-iso ("host unit[123]: line").
func afterContainer(b []byte) (inner []byte, ok bool) {
	if bytes.HasPrefix(b, []byte("std")) {
		for _, stream := range []string{"stdout", "stderr"} {
			if rest, is := bytes.CutPrefix(b, []byte(stream)); is && len(rest) >= 3 && rest[0] == ' ' && rest[2] == ' ' && (rest[1] == 'F' || rest[1] == 'P') {
				return rest[3:], true
			}
		}
	}
	switch c := b[0]; {
	case digit(c):
		var probe Clock
		if _, is := probe.scan(b); is {
			return b, true
		}
	case c == '[' && len(b) > 2 && digit(b[1]), c == '{', c == '\t', c == ' ':
		return b, true
	}
	return afterUnit(b)
}

// afterUnit returns what follows "host unit[123]: ".
func afterUnit(b []byte) (inner []byte, ok bool) {
	space := bytes.IndexByte(b, ' ')
	if space <= 0 || space > 255 {
		return nil, false
	}
	tag := b[space+1:]
	end := bytes.IndexByte(tag, ':')
	if end < 2 || end+2 > len(tag) || end > 100 || bytes.IndexByte(tag[:end], ' ') >= 0 || tag[end-1] != ']' || tag[end+1] != ' ' {
		return nil, false
	}
	return tag[end+2:], true
}

// afterTag returns what follows "host program: ".
func afterTag(b []byte) (inner []byte, ok bool) {
	space := bytes.IndexByte(b, ' ')
	if space <= 0 || space > 255 {
		return nil, false
	}
	tag := b[space+1:]
	end := bytes.IndexByte(tag, ':')
	if end < 2 || end+2 > len(tag) || end > 100 || bytes.IndexByte(tag[:end], ' ') >= 0 || tag[end+1] != ' ' {
		return nil, false
	}
	return tag[end+2:], true
}

// journal parses a line of syslog or journalctl: "Jun 25 19:56:12 host unit[123]: line".
func (r *Reader) journal(b []byte, h *header, level int) bool {
	s, ok := r.Clock.scan(b)
	if !ok || s.n >= len(b) || b[s.n] != ' ' {
		return false
	}
	inner, ok := afterUnit(b[s.n+1:])
	if !ok {
		if inner, ok = afterTag(b[s.n+1:]); !ok {
			return false
		}
	}
	return r.journaled(inner, &s, h, level)
}

// journaled parses what a journal has around: a line without a header of its own is an event too, unless it
// continues a stack trace.
func (r *Reader) journaled(inner []byte, s *stamp, h *header, level int) bool {
	if r.parse(inner, h, level+1) {
		if !h.timed {
			r.setTime(s, h)
		}
		return true
	}
	if continues(h.text) {
		return false
	}
	r.setTime(s, h)
	return true
}

// continues reports whether a line looks like a part of a stack trace.
func continues(b []byte) bool {
	return len(b) == 0 || b[0] == ' ' || b[0] == '\t' || bytes.HasPrefix(b, []byte("Caused by: ")) || bytes.HasPrefix(b, []byte("java.")) ||
		bytes.HasPrefix(b, []byte("org.apache.zookeeper.")) || bytes.HasPrefix(b, []byte("at "))
}

// syslog parses "<34>Jun 25 19:56:12 host unit[123]: line" and "<34>1 2024-06-25T19:56:12.970Z host app 123 id - line".
func (r *Reader) syslog(b []byte, h *header, level int) bool {
	end := bytes.IndexByte(b, '>')
	if end < 2 || end > 4 || end+8 > len(b) {
		return false
	}
	b = b[end+1:]
	if !bytes.HasPrefix(b, []byte("1 ")) {
		return month(b) > 0 && r.journal(b, h, level)
	}
	s, ok := r.Clock.scan(b[2:])
	if !ok {
		return false
	}
	rest := b[2+s.n:]
	for range 4 { // host, application, process, message id
		rest = bytes.TrimPrefix(rest, []byte(" "))
		space := bytes.IndexByte(rest, ' ')
		if space < 0 {
			return false
		}
		rest = rest[space:]
	}
	rest = bytes.TrimPrefix(rest, []byte(" "))
	for len(rest) > 0 && rest[0] == '[' { // structured data
		end := bytes.IndexByte(rest, ']')
		if end < 0 {
			return false
		}
		rest = rest[end+1:]
	}
	rest = bytes.TrimPrefix(bytes.TrimPrefix(rest, []byte("-")), []byte(" "))
	return r.journaled(bytes.TrimPrefix(rest, []byte("\xef\xbb\xbf")), &s, h, level)
}

// afterCompose returns what follows docker compose's "zoo1-1  | ".
func afterCompose(b []byte) (inner []byte, ok bool) {
	bar := bytes.IndexByte(b[:min(len(b), 64)], '|')
	if bar < 2 {
		return nil, false
	}
	name := bytes.TrimRight(b[:bar], " ")
	if len(name) == bar || bytes.IndexByte(name, ' ') >= 0 {
		return nil, false
	}
	inner = afterColors(b[bar+1:])
	return bytes.TrimPrefix(inner, []byte(" ")), true
}

// afterColors returns what follows sequences such as ESC [ 36 m.
func afterColors(b []byte) []byte {
	for len(b) > 2 && b[0] == 0x1b && b[1] == '[' {
		end := bytes.IndexByte(b[:min(len(b), 16)], 'm')
		if end < 0 {
			break
		}
		b = b[end+1:]
	}
	return b
}
