// Package jute reads and writes the primitives of ZooKeeper's record format.
//
// All integers are big endian. A string or buffer is a 32-bit length followed by its
// bytes, where length -1 is null; a vector is a 32-bit count followed by its elements.
// The format is defined by org.apache.jute.BinaryInputArchive and BinaryOutputArchive.
//
// One [Codec] either encodes or decodes. A record has a single method, Visit, that hands
// its fields to the codec in wire order; the same visit serves both directions, so the
// list of fields exists once.
package jute

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// Record is anything that can visit its own fields in wire order.
type Record interface {
	Visit(c *Codec)
}

// Decoding errors; test with [errors.Is].
var (
	// ErrTruncated: the input ended inside a field.
	ErrTruncated = errors.New("record is cut off")
	// ErrLength: a length or count that the remaining input cannot hold, or below -1.
	ErrLength = errors.New("impossible length")
)

// FieldError is a decoding fault with the offset at which the faulty field starts, in
// bytes from the beginning of the input.
type FieldError struct {
	Offset int64
	Err    error
}

func (e *FieldError) Error() string { return fmt.Sprintf("at byte %d: %v", e.Offset, e.Err) }

// Unwrap returns the cause, such as [ErrTruncated] or [ErrLength].
func (e *FieldError) Unwrap() error { return e.Err }

// Codec encodes to, or decodes from, jute's binary form. It is not safe for concurrent use.
//
// Decoding is sticky: after the first error every further read yields zero values, and [Codec.Err]
// reports that first error. A length is compared with the remaining bytes before anything is
// allocated.
type Codec struct {
	buf      []byte
	off      int
	decoding bool
	view     bool // decoded strings alias buf, vectors are reused
	err      error
}

// NewEncoder returns a codec that appends to buf, which may be nil.
func NewEncoder(buf []byte) *Codec { return &Codec{buf: buf} }

// NewDecoder returns a codec that reads buf. Decoded buffers alias buf; strings are copied.
func NewDecoder(buf []byte) *Codec { return &Codec{buf: buf, decoding: true} }

// Reset makes a decoder read buf from its start, forgetting any error.
func (c *Codec) Reset(buf []byte) { *c = Codec{buf: buf, decoding: true} }

// ResetEncoder makes an encoder append to buf.
func (c *Codec) ResetEncoder(buf []byte) { *c = Codec{buf: buf} }

// ResetView is Reset for a decoder that allocates as little as possible: decoded strings alias buf,
// too, and a vector's previous elements are overwritten. Decoded values are valid until buf changes
// or the same record is decoded again.
func (c *Codec) ResetView(buf []byte) { *c = Codec{buf: buf, decoding: true, view: true} }

// Decoding reports the direction, for the few records whose fields depend on it.
func (c *Codec) Decoding() bool { return c.decoding }

// Err returns the first error, or nil. It is always nil while encoding.
func (c *Codec) Err() error { return c.err }

// Bytes returns what has been encoded so far.
func (c *Codec) Bytes() []byte { return c.buf }

// Offset returns the number of bytes decoded or encoded so far.
func (c *Codec) Offset() int64 {
	if !c.decoding {
		return int64(len(c.buf))
	}
	return int64(c.off)
}

// Remaining returns the number of bytes left to decode.
func (c *Codec) Remaining() int64 { return int64(len(c.buf) - c.off) }

// Rest consumes and returns the rest of a decoder's buffer, aliasing it.
func (c *Codec) Rest() []byte {
	if c.err != nil {
		return nil
	}
	b := c.buf[c.off:]
	c.off = len(c.buf)
	return b
}

// Fail makes the codec fail with err at the current offset, unless it has already failed.
func (c *Codec) Fail(err error) { c.failAt(c.Offset(), err) }

func (c *Codec) failAt(offset int64, err error) {
	if c.err == nil {
		c.err = &FieldError{Offset: offset, Err: err}
	}
}

// take consumes n decoded bytes, which alias the input.
func (c *Codec) take(n int) []byte {
	if len(c.buf)-c.off < n || c.err != nil {
		return c.short()
	}
	b := c.buf[c.off : c.off+n : c.off+n]
	c.off += n
	return b
}

func (c *Codec) short() []byte {
	c.Fail(ErrTruncated)
	return nil
}

// Int visits a 32-bit integer.
func (c *Codec) Int(v *int32) {
	if !c.decoding {
		c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(*v))
		return
	}
	if b := c.take(4); b != nil {
		*v = int32(binary.BigEndian.Uint32(b))
	} else {
		*v = 0
	}
}

// Long visits a 64-bit integer.
func (c *Codec) Long(v *int64) {
	if !c.decoding {
		c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(*v))
		return
	}
	if b := c.take(8); b != nil {
		*v = int64(binary.BigEndian.Uint64(b))
	} else {
		*v = 0
	}
}

// Bool visits a boolean: one byte, 0 or 1; any other value decodes as true, as Java's does.
func (c *Codec) Bool(v *bool) {
	if !c.decoding {
		if *v {
			c.buf = append(c.buf, 1)
		} else {
			c.buf = append(c.buf, 0)
		}
		return
	}
	b := c.take(1)
	*v = b != nil && b[0] != 0
}

// Byte visits a single byte.
func (c *Codec) Byte(v *byte) {
	if !c.decoding {
		c.buf = append(c.buf, *v)
		return
	}
	if b := c.take(1); b != nil {
		*v = b[0]
	} else {
		*v = 0
	}
}

// length decodes a length and checks it against the remaining bytes; -1 is null. unit is the
// smallest size of an element in bytes.
func (c *Codec) length(unit int64) int {
	start := c.Offset()
	var n int32
	c.Int(&n)
	if c.err != nil || n == -1 {
		return -1
	}
	if left := c.Remaining(); n < 0 || int64(n)*unit > left {
		if n < 0 {
			c.failAt(start, fmt.Errorf("%w %d", ErrLength, n))
		} else {
			c.failAt(start, fmt.Errorf("%w %d, only %d bytes are left", ErrLength, n, left))
		}
		return -1
	}
	return int(n)
}

// String visits a string. Null decodes as "". Invalid UTF-8 is kept unchanged.
func (c *Codec) String(v *string) {
	if !c.decoding {
		c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(*v)))
		c.buf = append(c.buf, *v...)
		return
	}
	n := c.length(1)
	if n <= 0 {
		*v = ""
		return
	}
	b := c.take(n)
	if c.view {
		*v = unsafe.String(unsafe.SliceData(b), len(b))
		return
	}
	*v = string(b)
}

// NullString visits a string that is null when empty.
func (c *Codec) NullString(v *string) {
	if !c.decoding && *v == "" {
		c.buf = binary.BigEndian.AppendUint32(c.buf, ^uint32(0))
		return
	}
	c.String(v)
}

// Buffer visits a byte buffer; nil is null. A decoded buffer aliases the input.
func (c *Codec) Buffer(v *[]byte) {
	if !c.decoding {
		if *v == nil {
			c.buf = binary.BigEndian.AppendUint32(c.buf, ^uint32(0))
			return
		}
		c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(*v)))
		c.buf = append(c.buf, *v...)
		return
	}
	n := c.length(1)
	switch {
	case n < 0:
		*v = nil
	case n == 0:
		*v = []byte{}
	default:
		*v = c.take(n)
	}
}

// Strings visits a vector of strings; nil is written as an empty vector, null decodes as nil.
func (c *Codec) Strings(v *[]string) {
	n := c.Count(len(*v), 4)
	if c.decoding {
		*v = grow(c, *v, n)
		for i := 0; i < n && c.err == nil; i++ {
			var s string
			c.String(&s)
			*v = append(*v, s)
		}
		return
	}
	for i := range *v {
		c.String(&(*v)[i])
	}
}

// StringBlock is Strings, except that decoded strings share one copy of the input: it suits strings
// with the same lifetime.
func (c *Codec) StringBlock(v *[]string) {
	if !c.decoding || c.view {
		c.Strings(v)
		return
	}
	n := c.Count(0, 4)
	start := c.off
	for i := 0; i < n && c.err == nil; i++ {
		c.take(max(0, c.length(1)))
	}
	*v = nil
	if n == 0 || c.err != nil {
		return
	}
	wire := c.buf[start:c.off]
	own := string(wire)
	list := make([]string, n)
	at := 0
	for i := range list {
		size := max(0, int(int32(binary.BigEndian.Uint32(wire[at:]))))
		list[i] = own[at+4 : at+4+size]
		at += 4 + size
	}
	*v = list
}

// Count visits the number of elements of a vector, each of which occupies at least unit
// bytes, and returns it; null decodes as 0.
func (c *Codec) Count(n int, unit int64) int {
	if c.decoding {
		return max(0, c.length(unit))
	}
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(n))
	return n
}

// Vector visits a vector of records, each of which occupies at least unit bytes.
func Vector[T any, P interface {
	*T
	Record
}](c *Codec, v *[]T, unit int64) {
	n := c.Count(len(*v), unit)
	if c.decoding {
		*v = grow(c, *v, n)
		var none T
		for i := 0; i < n && c.err == nil; i++ {
			if c.view && i < cap(*v) {
				*v = (*v)[:i+1] // with the previous element's contents
			} else {
				*v = append(*v, none)
			}
			P(&(*v)[i]).Visit(c)
		}
		return
	}
	for i := range *v {
		P(&(*v)[i]).Visit(c)
	}
}

// grow returns capacity for n elements: the old vector's, if the codec may overwrite it. For a count so large
// that it may be wrong, it returns less.
func grow[T any](c *Codec, old []T, n int) []T {
	if n == 0 {
		return nil
	}
	if c.view && cap(old) >= n {
		return old[:0]
	}
	return make([]T, 0, min(n, 1<<12))
}

// Marshal returns the encoding of r.
func Marshal(r Record) []byte {
	c := NewEncoder(nil)
	r.Visit(c)
	return c.buf
}

// Unmarshal decodes r from buf, whose unread rest is ignored. Buffers in r alias buf.
func Unmarshal(buf []byte, r Record) error {
	c := NewDecoder(buf)
	r.Visit(c)
	return c.err
}
