// Package unpack decompresses data that looks compressed, and compresses what has changed inside: gzip, zlib,
// zstd, snappy and lz4.
package unpack

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/zkctl/zkctl/internal/storage"
)

// Form is how data is compressed; "" is not at all.
type Form string

// The forms that are recognised by their first bytes.
const (
	Gzip   Form = "gzip"
	Zlib   Form = "zlib"
	Zstd   Form = "zstd"
	Snappy Form = "snappy" // framed, as its specification says or as snappy-java does; raw snappy has no mark
	LZ4    Form = "lz4"    // framed
)

// ErrTooLong means that what is inside exceeds the limit.
var ErrTooLong = errors.New("what is inside the compressed data is too long")

// The first bytes of each form.
const (
	gzipMark       = "\x1f\x8b"
	zstdMark       = "\x28\xb5\x2f\xfd"
	snappyMark     = "\xff\x06\x00\x00sNaPpY"
	snappyJavaMark = "\x82SNAPPY\x00"
	lz4Mark        = "\x04\x22\x4d\x18"
)

// formOf returns how data seems to be compressed.
func formOf(data []byte) Form {
	switch starts := func(mark string) bool { return bytes.HasPrefix(data, []byte(mark)) }; {
	case starts(gzipMark):
		return Gzip
	case starts(zstdMark):
		return Zstd
	case starts(snappyMark), starts(snappyJavaMark):
		return Snappy
	case starts(lz4Mark):
		return LZ4
	case len(data) >= 6 && data[0]&0x0f == 8 && data[0]>>4 <= 7 && (int(data[0])<<8|int(data[1]))%31 == 0 && data[1]&0x20 == 0:
		return Zlib // RFC 1950: the method deflate, a window, a check
	}
	return ""
}

// Data returns what is inside compressed data, up to most bytes. Data that is not compressed, or only
// seems to be, is returned as it is, with the form "". The only error is ErrTooLong.
func Data(data []byte, most int) (inside []byte, form Form, err error) {
	form = formOf(data)
	if form == "" {
		return data, "", nil
	}
	r, done, err := open(data, form)
	if err != nil {
		return data, "", nil
	}
	defer done()
	inside, err = io.ReadAll(io.LimitReader(r, int64(most)+1))
	switch {
	case len(inside) > most:
		return nil, form, fmt.Errorf("%w: more than %d bytes of %s", ErrTooLong, most, form)
	case err != nil:
		return data, "", nil
	}
	return inside, form, nil
}

func open(data []byte, form Form) (r io.Reader, done func(), err error) {
	src, done := bytes.NewReader(data), func() {}
	switch form {
	case Gzip:
		r, err = gzip.NewReader(src)
	case Zlib:
		r, err = zlib.NewReader(src)
	case Zstd:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20)); err == nil {
			r, done = d, d.Close
		}
	case Snappy:
		if bytes.HasPrefix(data, []byte(snappyMark)) {
			r = snappy.NewReader(src)
		} else {
			r, err = storage.DecompressSnappy(src, int64(len(data)))
		}
	default:
		r = lz4.NewReader(src)
	}
	return r, done, err
}
