package storage

import (
	"encoding/binary"
	"io"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// RawLogWriter writes a log entry by entry, unchanged, for copies and repairs. It buffers; Close
// flushes, but neither syncs nor closes the destination.
type RawLogWriter struct {
	dst io.Writer
	buf []byte
	at  int64
	err error
	pad struct{ size, step int64 }
}

// NewRawLogWriter starts a log on dst with the header.
func NewRawLogWriter(dst io.Writer, header proto.FileHeader) *RawLogWriter {
	return &RawLogWriter{dst: dst, buf: jute.Marshal(&header), at: fileHeaderSize}
}

// Preallocate makes Close extend the log with zeros to the size that a server would have
// preallocated in steps of step bytes, as TxnLogToolkit does when it recovers a log; 0 means 64
// MiB. In a file the zeros take no space.
func (w *RawLogWriter) Preallocate(step int64) {
	if step == 0 {
		step = defaultPreallocate
	}
	w.pad.size, w.pad.step = fileHeaderSize, step
}

// WriteEntry writes an entry with the given checksum, right or wrong.
func (w *RawLogWriter) WriteEntry(raw []byte, checksum int64) error {
	if w.pad.step > 0 {
		w.pad.size = padded(w.at, w.pad.size, w.pad.step)
	}
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(checksum))
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(len(raw)))
	w.buf = append(append(w.buf, raw...), endOfRecord)
	w.at += int64(entryHead + len(raw) + 1)
	if len(w.buf) >= appendBuffer {
		return w.flush()
	}
	return w.err
}

func (w *RawLogWriter) flush() error {
	if w.err == nil {
		_, w.err = w.dst.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}

// Close flushes the buffer and writes the zeros.
func (w *RawLogWriter) Close() error {
	if err := w.flush(); err != nil {
		return err
	}
	missing := w.pad.size - w.at
	if missing <= 0 {
		return nil
	}
	if f, ok := w.dst.(interface{ Truncate(size int64) error }); ok {
		w.err = f.Truncate(w.pad.size)
		return w.err
	}
	zeros := make([]byte, min(missing, 64<<10))
	for missing > 0 && w.err == nil {
		var n int
		n, w.err = w.dst.Write(zeros[:min(missing, int64(len(zeros)))])
		missing -= int64(n)
	}
	return w.err
}
