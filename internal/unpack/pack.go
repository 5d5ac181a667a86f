package unpack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Like compresses data in the form and the framing of data that was compressed before, with the name and
// time in its head if it is gzip. If that was not compressed, inside is returned as it is.
func Like(before, inside []byte) ([]byte, error) {
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch formOf(before) {
	case Gzip:
		z := gzip.NewWriter(&out)
		if r, err := gzip.NewReader(bytes.NewReader(before)); err == nil {
			z.Header = r.Header
		}
		w = z
	case Zlib:
		w = zlib.NewWriter(&out)
	case Zstd:
		w, err = zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	case Snappy:
		if bytes.HasPrefix(before, []byte(snappyJavaMark)) {
			return snappyJava(before, inside), nil
		}
		if len(inside) == 0 { // for which the writer writes not even the mark
			return []byte(snappyMark), nil
		}
		w = snappy.NewBufferedWriter(&out)
	case LZ4:
		w = lz4.NewWriter(&out)
	default:
		return inside, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = w.Write(inside)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

const (
	snappyJavaHead  = 16       // the mark, a version and the oldest compatible one
	snappyJavaBlock = 32 << 10 // SnappyOutputStream.DEFAULT_BLOCK_SIZE
)

// snappyJava compresses as SnappyOutputStream of snappy-java does: the head, then blocks with their lengths.
func snappyJava(before, inside []byte) []byte {
	out := bytes.Clone(before[:snappyJavaHead])
	for len(inside) > 0 {
		n := min(len(inside), snappyJavaBlock)
		block := snappy.Encode(nil, inside[:n])
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(block))), block...)
		inside = inside[n:]
	}
	return out
}
