package export

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The values of --compress.
const (
	Gzip = "gzip"
	Zstd = "zstd"
)

const (
	gzipMark = "\x1f\x8b"
	zstdMark = "\x28\xb5\x2f\xfd"
)

// window bounds what compression holds.
const window = 1 << 20

// CompressionOf returns the compression that the ending of a file's name stands for, or "".
func CompressionOf(name string) string {
	switch name = strings.ToLower(name); {
	case strings.HasSuffix(name, ".gz"):
		return Gzip
	case strings.HasSuffix(name, ".zst"), strings.HasSuffix(name, ".zstd"):
		return Zstd
	}
	return ""
}

// Compress returns a writer that compresses, or not if compression is "". Its Close ends the stream and leaves dst open.
func Compress(dst io.Writer, compression string) (io.WriteCloser, error) {
	switch compression {
	case "":
		return plain{dst}, nil
	case Gzip:
		return gzip.NewWriter(dst), nil
	case Zstd:
		return zstd.NewWriter(dst, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	}
	return nil, fmt.Errorf("unknown compression %q; use gzip or zstd", compression)
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// decompress returns what is inside src, whose first bytes say how it is compressed.
func decompress(src *bufio.Reader) (r io.Reader, done func(), err error) {
	head, _ := src.Peek(len(zstdMark))
	switch {
	case bytes.HasPrefix(head, []byte(gzipMark)):
		r, err := gzip.NewReader(src)
		return r, func() {}, err
	case string(head) == zstdMark:
		d, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, nil, err
		}
		return d, d.Close, nil
	}
	return src, func() {}, nil
}
