package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var errLength = errors.New("impossible length")

const (
	snapWindow = 256 << 10
	// maxField is the length of the longest path or data that is read.
	//
	// Differs(maxbuffer-at-load): Apache also applies jute.maxbuffer to what it loads, so a
	// server whose limit was lowered does not start ("Unreasonable length"). Here it limits only
	// requests: what was acknowledged must be loaded.
	maxField = 64 << 20
	// suspiciousField: if the file has no room for a field, a longer one has a wrong length; a
	// shorter one may be right and the file truncated.
	suspiciousField = 4 << 20
)

// window is the part of a stream that is currently needed in one piece. It keeps the Adler-32 of
// everything consumed.
type window struct {
	src    io.Reader
	left   int64 // bytes that src may still deliver; negative if unknown
	buf    []byte
	lo, hi int   // buf[lo:hi] is unread
	base   int64 // stream offset of buf[0]
	adler  uint32
	summed int // buf[:summed] is in adler
	err    error
}

func newWindow(src io.Reader, size int64) *window {
	n := int64(snapWindow)
	if size >= 0 {
		n = min(n, size+1)
	}
	return &window{src: src, left: size, buf: make([]byte, n), adler: 1}
}

func (w *window) offset() int64 { return w.base + int64(w.lo) }

// need returns the next n bytes without consuming them. They are valid until the next call. At
// the end of the stream it fails with io.ErrUnexpectedEOF.
func (w *window) need(n int) ([]byte, error) {
	if w.hi-w.lo < n {
		if err := w.fill(n); err != nil {
			return nil, err
		}
	}
	return w.buf[w.lo : w.lo+n], nil
}

func (w *window) fill(n int) error {
	w.sum()
	copy(w.buf, w.buf[w.lo:w.hi])
	w.base += int64(w.lo)
	w.hi -= w.lo
	w.lo, w.summed = 0, 0
	for w.hi < n {
		if w.err != nil {
			return cutOff(w.err)
		}
		if w.hi == len(w.buf) {
			// If the size is unknown, grow only with what arrives.
			size := n
			if w.left < 0 {
				size = min(n, 2*len(w.buf))
			}
			bigger := make([]byte, max(size, 2*len(w.buf)))
			copy(bigger, w.buf)
			w.buf = bigger
		}
		var got int
		got, w.err = w.src.Read(w.buf[w.hi:])
		w.hi += got
		if w.left >= 0 {
			w.left = max(0, w.left-int64(got))
		}
	}
	return nil
}

func (w *window) consume(n int) { w.lo += n }

// sum returns the Adler-32 of everything consumed.
func (w *window) sum() uint32 {
	if w.lo > w.summed {
		w.adler = adlerSum(w.adler, w.buf[w.summed:w.lo])
		w.summed = w.lo
	}
	return w.adler
}

// room reports whether the stream can hold n more bytes.
func (w *window) room(n int64) bool {
	return w.left < 0 || n <= int64(w.hi-w.lo)+w.left
}

// length returns the length field skip bytes ahead; -1 means null.
func (w *window) length(skip int) (int, error) {
	b, err := w.need(skip + 4)
	if err != nil {
		return 0, err
	}
	n := int(int32(binary.BigEndian.Uint32(b[skip:])))
	switch {
	case n < -1:
		return 0, fmt.Errorf("%w %d", errLength, n)
	case n > maxField:
		return 0, fmt.Errorf("%w %d", errLength, n)
	case !w.room(int64(skip)+4+int64(n)) && n <= suspiciousField:
		return 0, io.ErrUnexpectedEOF
	case !w.room(int64(skip) + 4 + int64(n)):
		return 0, fmt.Errorf("%w %d; only %d bytes are left", errLength, n, int64(w.hi-w.lo)+w.left-int64(skip)-4)
	}
	return n, nil
}

// count reads the number of elements of a vector, each at least unit bytes long; null is 0.
func (w *window) count(unit int64) (int, error) {
	v, err := w.need(4)
	if err != nil {
		return 0, err
	}
	n := int(int32(binary.BigEndian.Uint32(v)))
	if n < -1 || !w.room(4+int64(n)*unit) {
		return 0, fmt.Errorf("%w: a count of %d", errLength, n)
	}
	w.consume(4)
	return max(n, 0), nil
}

func (w *window) int() (int32, error) {
	b, err := w.need(4)
	if err != nil {
		return 0, err
	}
	w.consume(4)
	return int32(binary.BigEndian.Uint32(b)), nil
}

func (w *window) long() (int64, error) {
	b, err := w.need(8)
	if err != nil {
		return 0, err
	}
	w.consume(8)
	return int64(binary.BigEndian.Uint64(b)), nil
}

func (w *window) string() (string, error) {
	n, err := w.length(0)
	if err != nil {
		return "", err
	}
	n = max(n, 0)
	b, err := w.need(4 + n)
	if err != nil {
		return "", err
	}
	w.consume(4 + n)
	return string(b[4 : 4+n]), nil
}

// upTo returns how many bytes are left, at most n.
func (w *window) upTo(n int) (int, error) {
	if err := w.fill(n); err != nil && !errors.Is(w.err, io.EOF) {
		return 0, w.err
	}
	return min(n, w.hi-w.lo), nil
}

// drain reads to the end of the stream, including the trailer of a compressed one, and returns
// how many bytes that was.
func (w *window) drain() (n int64, err error) {
	for {
		n += int64(w.hi - w.lo)
		w.lo = w.hi
		if _, err := w.need(1); errors.Is(w.err, io.EOF) && w.hi == w.lo {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}
