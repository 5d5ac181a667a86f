package format

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

const (
	// mostLine is how many bytes of a line are looked at; the rest is skipped.
	mostLine = 64 << 10
	// mostEvent is how many bytes of an event are kept.
	mostEvent = 256 << 10
	blockSize = 128 << 10
)

// Reader reads events. Its memory does not depend on the input.
type Reader struct {
	Clock Clock
	// Unclear counts lines whose date can be read in several ways, or does not exist; they have no time.
	Unclear int64
	// Bytes counts what was read.
	Bytes int64
	// Lines counts lines.
	Lines int64

	in    *bufio.Reader
	stop  int64 // of a part of a file: the number of bytes after which no event starts; 0 if there is no limit
	event Event

	slots   [2]slot
	current int
	pending bool  // slots[1-current] has the first line of the next event
	err     error // after the pending line
	headed  bool  // an event with a header has been seen
	cutLine bool  // the end of the line that is parsed is left out
}

// slot is the first line of an event.
type slot struct {
	raw  []byte
	head header
	line int64
	at   int64 // the offset of its first byte
	cut  int64
}

// NewReader reads from in.
func NewReader(in io.Reader, clock Clock) *Reader {
	return &Reader{Clock: clock, in: bufio.NewReaderSize(in, blockSize)}
}

// NewPartReader reads the events that start in a part of a file: in is read from the part's first byte on, and may be
// read beyond its length, for the lines that continue its last event. Unless the part is the first, the line that in
// starts within, and those that continue an event, are left to the part before. Lines are counted from the part's first.
func NewPartReader(in io.Reader, clock Clock, first bool, length int64) *Reader {
	r := NewReader(in, clock)
	r.stop = length
	if first {
		return r
	}
	s := &r.slots[1-r.current]
	r.err = r.readLine(s)
	r.Lines = 0
	for r.err == nil {
		if r.err = r.readLine(s); r.err == nil || len(s.raw) > 0 {
			if r.start(s) {
				r.pending = true
				break
			}
		}
	}
	r.headed = true
	return r
}

// Next returns the next event, which is valid until the next call, or io.EOF. After another error, what was read
// before it has been returned.
func (r *Reader) Next() (*Event, error) {
	next := &r.slots[1-r.current]
	for !r.pending {
		if r.err != nil {
			return nil, r.err
		}
		if r.err = r.readLine(next); errors.Is(r.err, ErrIdle) {
			r.err = nil
			continue
		}
		if r.err != nil && len(next.raw) == 0 {
			return nil, r.err
		}
		if r.start(next) || len(bytes.TrimSpace(next.raw)) > 0 {
			r.pending = true // without a header it is an event that nothing continues
		}
	}
	if r.stop > 0 && next.at >= r.stop {
		return nil, io.EOF
	}
	r.current, r.pending = 1-r.current, false
	this := &r.slots[r.current]
	e := &r.event
	h := &this.head
	*e = Event{Line: this.line, Time: h.time, Timed: h.timed, Unclear: h.unclear && !h.timed, Level: h.level, Layout: h.layout, Member: h.member, Thread: h.thread,
		Class: h.class, Text: h.text, More: e.More[:0], Cut: this.cut}
	if len(h.more) > 0 {
		e.More = append(append(e.More, bytes.TrimRight(h.more, "\n")...), '\n')
	}
	if h.layout == Plain && !h.timed && !r.headed {
		e.Raw = this.raw
		return e, nil // of a paste, each line may be of another log
	}
	r.headed = true
	next = &r.slots[1-r.current]
	for r.err == nil {
		if r.err = r.readLine(next); errors.Is(r.err, ErrIdle) {
			r.err = nil // whoever wrote the event has finished it
			break
		}
		if r.err != nil && len(next.raw) == 0 {
			break
		}
		if r.start(next) {
			r.pending = true
			break
		}
		r.more(e, this, next)
	}
	e.Raw = this.raw
	return e, nil
}

// Inside is the number of bytes that were read or, of a part of a file, its length.
func (r *Reader) Inside() int64 {
	if r.stop > 0 {
		return min(r.stop, r.Bytes)
	}
	return r.Bytes
}

// Whole reports whether all of a file is read, not a part.
func (r *Reader) Whole() bool { return r.stop == 0 }

// more adds a line to the event.
func (r *Reader) more(e *Event, this, next *slot) {
	if len(this.raw)+1+len(next.raw) > mostEvent {
		e.Cut += int64(len(next.raw)) + 1 + next.cut
		return
	}
	// this.raw may move, but the slices of the event keep what they point to.
	this.raw = append(append(this.raw, '\n'), next.raw...)
	e.More = append(append(e.More, next.head.text...), '\n')
	e.Cut += next.cut
}

// hardSpace is a space that does not break, which pages and mails put into what is copied from them.
var hardSpace = []byte("\u00a0")

// start parses the line in s and reports whether it starts an event.
func (r *Reader) start(s *slot) bool {
	s.head = header{scratch: s.head.scratch[:0]}
	r.cutLine = s.cut > 0
	line := s.raw
	if bytes.IndexByte(line, hardSpace[0]) >= 0 && bytes.Contains(line, hardSpace) {
		line = bytes.ReplaceAll(line, hardSpace, []byte(" "))
	}
	if !r.parse(line, &s.head, 0) {
		s.head = header{text: s.head.text, scratch: s.head.scratch}
		return false
	}
	if s.head.unclear && !s.head.timed {
		r.Unclear++
	}
	return true
}

// readLine reads a line into s, without its line break.
func (r *Reader) readLine(s *slot) error {
	if r.stop == 0 || r.Bytes < r.stop {
		r.Lines++
	}
	s.raw, s.line, s.at, s.cut = s.raw[:0], r.Lines, r.Bytes, 0
	for {
		part, err := r.in.ReadSlice('\n')
		r.Bytes += int64(len(part))
		if room := mostLine - len(s.raw); len(part) > room {
			s.cut += int64(len(part) - room)
			part = part[:max(room, 0)]
		}
		s.raw = append(s.raw, part...)
		if errors.Is(err, bufio.ErrBufferFull) || errors.Is(err, ErrIdle) && r.Bytes > s.at {
			continue
		}
		n := len(s.raw)
		if err != nil && n == 0 && r.Bytes == s.at && r.Lines > 0 && (r.stop == 0 || s.at < r.stop) {
			r.Lines-- // there was none
		}
		if n > 0 && s.raw[n-1] == '\n' {
			n--
		}
		if n > 0 && s.raw[n-1] == '\r' {
			n--
		}
		s.raw = s.raw[:n]
		if n > 0 && s.raw[0] == 0 { // what logrotate's copytruncate leaves
			s.raw = append(s.raw[:0], bytes.TrimLeft(s.raw, "\x00")...)
		}
		return err
	}
}
