package storage

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
)

// The compressions of snapshots, as in SnapshotOptions and file names.
const (
	gzCompression     = "gz"
	snappyCompression = "snappy"
)

// CompressionOfName returns the compression that a snapshot's name implies: "", "gz" or "snappy"
// (SnapStream.getStreamMode).
func CompressionOfName(name string) string {
	ending := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	if ending == gzCompression || ending == snappyCompression {
		return ending
	}
	return ""
}

// Decompress returns the uncompressed bytes of src, whose first bytes show whether and how it is
// compressed. It holds up to size bytes.
func Decompress(src *bufio.Reader, size int64) (io.Reader, error) {
	compression := ""
	if head, _ := src.Peek(len(snappyMagic)); bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		compression = gzCompression
	} else if string(head) == snappyMagic {
		compression = snappyCompression
	}
	return decompress(src, size, compression)
}

// decompress returns the uncompressed bytes of src, which holds size bytes.
func decompress(src io.Reader, size int64, compression string) (io.Reader, error) {
	switch compression {
	case gzCompression:
		return gzip.NewReader(bufio.NewReaderSize(src, 64<<10))
	case snappyCompression:
		return DecompressSnappy(src, size)
	}
	return src, nil
}

// DecompressSnappy returns the uncompressed bytes of src, which holds size bytes as snappy-java frames them.
func DecompressSnappy(src io.Reader, size int64) (io.Reader, error) {
	r := &snappyReader{src: bufio.NewReaderSize(src, 64<<10), left: size}
	return r, r.readHeader()
}

// The framing of snappy-java's SnappyOutputStream (SnappyCodec): a header, then blocks of
// a 32-bit length and that many bytes of raw snappy.
const (
	snappyMagic      = "\x82SNAPPY\x00"
	snappyHeaderSize = len(snappyMagic) + 4 + 4
	snappyVersion    = 1
	snappyBlock      = 32 << 10 // SnappyOutputStream.DEFAULT_BLOCK_SIZE
	snappyMaxBlock   = 8 << 20  // ZooKeeper writes snappyBlock
)

var errSnappy = errors.New("damaged snappy block")

type snappyReader struct {
	src     *bufio.Reader
	left    int64 // bytes that src may still hold
	packed  []byte
	block   []byte
	pending []byte // part of block not yet delivered
}

func (r *snappyReader) readHeader() error {
	var h [snappyHeaderSize]byte
	if err := r.readFull(h[:]); err != nil {
		return err
	}
	return checkSnappyHeader(h[:])
}

func checkSnappyHeader(h []byte) error {
	if string(h[:len(snappyMagic)]) != snappyMagic {
		return fmt.Errorf("%w: the file does not start with snappy-java's header", errSnappy)
	}
	if v := binary.BigEndian.Uint32(h[12:]); v > snappyVersion {
		return fmt.Errorf("%w: it needs version %d of snappy-java's format; only %d is supported", errSnappy, v, snappyVersion)
	}
	return nil
}

func (r *snappyReader) readFull(b []byte) error {
	n, err := io.ReadFull(r.src, b)
	r.left -= int64(n)
	return err
}

func (r *snappyReader) Read(p []byte) (int, error) {
	for len(r.pending) == 0 {
		if err := r.readBlock(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.pending)
	r.pending = r.pending[n:]
	return n, nil
}

func (r *snappyReader) readBlock() error {
	var head [4]byte
	if err := r.readFull(head[:]); err != nil {
		return err
	}
	if string(head[:]) == snappyMagic[:4] { // several streams in a row
		var h [snappyHeaderSize]byte
		copy(h[:], head[:])
		if err := r.readFull(h[4:]); err != nil {
			return cutOff(err)
		}
		return checkSnappyHeader(h[:])
	}
	n := int64(int32(binary.BigEndian.Uint32(head[:])))
	if n < 0 || n > snappyMaxBlock {
		return fmt.Errorf("%w: block length %d", errSnappy, n)
	}
	if n > r.left {
		return io.ErrUnexpectedEOF
	}
	r.packed = resize(r.packed, int(n))
	if err := r.readFull(r.packed); err != nil {
		return cutOff(err)
	}
	if n == 0 {
		return nil
	}
	size, err := snappy.DecodedLen(r.packed)
	// A byte of snappy yields at most 64/3 bytes.
	if err != nil || size > snappyMaxBlock || int64(size) > 22*n+64 {
		return fmt.Errorf("%w: a block of %d bytes announces %d", errSnappy, n, size)
	}
	r.block = resize(r.block, size)
	if r.pending, err = snappy.Decode(r.block, r.packed); err != nil {
		r.pending = nil
		return fmt.Errorf("%w: %v", errSnappy, err)
	}
	return nil
}

func resize(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// cutOff turns an unexpected end of the input into io.ErrUnexpectedEOF.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// compress returns a writer whose Close ends the compressed stream; it does not close dst.
func compress(dst io.Writer, compression string) (io.WriteCloser, error) {
	switch compression {
	case "":
		return plainWriter{dst}, nil
	case gzCompression:
		return gzip.NewWriter(dst), nil
	case snappyCompression:
		return &snappyWriter{dst: dst, block: make([]byte, 0, snappyBlock)}, nil
	}
	return nil, fmt.Errorf("unknown compression %q (use gz or snappy)", compression)
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }

type snappyWriter struct {
	dst    io.Writer
	block  []byte
	packed []byte
	begun  bool
}

func (w *snappyWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n := copy(w.block[len(w.block):cap(w.block)], p)
		w.block = w.block[:len(w.block)+n]
		p = p[n:]
		written += n
		if len(w.block) == cap(w.block) {
			if err := w.flush(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

func (w *snappyWriter) flush() error {
	out := w.packed[:0]
	if !w.begun {
		w.begun = true
		out = append(out, snappyMagic...)
		out = binary.BigEndian.AppendUint32(out, snappyVersion)
		out = binary.BigEndian.AppendUint32(out, snappyVersion)
	}
	if len(w.block) > 0 {
		packed := snappy.Encode(nil, w.block)
		out = binary.BigEndian.AppendUint32(out, uint32(len(packed)))
		out = append(out, packed...)
	}
	w.packed, w.block = out, w.block[:0]
	_, err := w.dst.Write(out)
	return err
}

func (w *snappyWriter) Close() error { return w.flush() }
