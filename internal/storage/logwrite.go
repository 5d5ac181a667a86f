package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// LogOptions control how logs are written.
type LogOptions struct {
	Preallocate int64 // bytes of zeros ahead of the entries; 0 means 64 MiB, negative means none
	MaxSize     int64 // a log rolls over after this many bytes (txnLogSizeLimitInKb); 0 means never
	NoSync      bool  // leave it to the system when data reaches the disk (forceSync=no)

	// Sync brings what was written to a log to disk; nil means fdatasync. Tests of failing disks
	// replace it.
	Sync func(*os.File) error
}

const (
	defaultPreallocate = 64 << 20
	preallocateAhead   = 4 << 10 // FilePadding extends a file this long before it is full
	appendBuffer       = 1 << 20 // how much Append buffers before it writes
)

// LogWriter appends to the logs of a directory. It is for a single goroutine: append everything
// that waits, then Sync once, then acknowledge. After a file error nothing more may be
// acknowledged: every later call returns that error.
type LogWriter struct {
	dir  string
	opt  LogOptions
	f    *os.File
	last int64 // zxid of the last entry
	at   int64 // bytes written to f
	size int64 // of f, including preallocated zeros
	buf  []byte
	err  error
}

// NewLogWriter returns a writer to dir. It starts a log named after the first zxid appended.
func NewLogWriter(dir string, opt LogOptions) *LogWriter {
	if opt.Preallocate == 0 {
		opt.Preallocate = defaultPreallocate
	}
	if opt.Sync == nil {
		opt.Sync = SyncData
	}
	return &LogWriter{dir: dir, opt: opt}
}

// SyncLogs brings the end of the newest log to disk. A killed process may have left data there
// that it had not synced, and whoever reads it takes it as history.
func SyncLogs(dir string) error {
	d, err := ReadDir(dir)
	if err != nil || len(d.Logs) == 0 {
		return err
	}
	f, err := os.OpenFile(d.Logs[len(d.Logs)-1].Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(SyncData(f), f.Close())
}

// Append adds a transaction; it is on disk after the next Sync. Zxids must rise.
func (w *LogWriter) Append(txn *proto.TxnEntry) error {
	return w.append(txn.Header.Zxid, func(c *jute.Codec) { txn.Visit(c) })
}

// AppendRaw is Append for a transaction that is already encoded, as a leader proposes it.
func (w *LogWriter) AppendRaw(zxid int64, raw []byte) error {
	if len(raw) < txnHeaderSize {
		return fmt.Errorf("append to log: %d bytes are too few for a transaction", len(raw))
	}
	return w.append(zxid, func(c *jute.Codec) { *c = *jute.NewEncoder(append(c.Bytes(), raw...)) })
}

func (w *LogWriter) append(zxid int64, encode func(*jute.Codec)) error {
	if w.err != nil {
		return w.err
	}
	if zxid <= w.last {
		return fmt.Errorf("append to log: zxid %#x does not follow %#x", uint64(zxid), uint64(w.last))
	}
	if w.f == nil {
		if err := w.begin(zxid); err != nil {
			return w.fail(err)
		}
	}
	start := len(w.buf)
	c := jute.NewEncoder(append(w.buf, make([]byte, entryHead)...))
	encode(c)
	w.buf = sealEntry(c.Bytes(), start)
	w.last = zxid
	if len(w.buf) >= appendBuffer {
		return w.flush()
	}
	return nil
}

// sealEntry fills in the head of the entry that starts at start and adds its last byte.
func sealEntry(buf []byte, start int) []byte {
	raw := buf[start+entryHead:]
	binary.BigEndian.PutUint64(buf[start:], uint64(adlerSum(1, raw)))
	binary.BigEndian.PutUint32(buf[start+8:], uint32(len(raw)))
	return append(buf, endOfRecord)
}

// begin creates a log. If one of that name exists but its first entry is not intact, a crash left
// it and nothing in it was acknowledged (LoadForServer); it is replaced.
func (w *LogWriter) begin(zxid int64) error {
	path := filepath.Join(w.dir, LogName(zxid))
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, fs.ErrExist) && !holdsEntry(path) {
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	}
	if err != nil {
		return err
	}
	w.f, w.at, w.size = f, 0, 0
	header := jute.Marshal(&proto.FileHeader{Magic: proto.LogMagic, Version: proto.LogVersion})
	if _, err := f.Write(header); err != nil {
		return err
	}
	w.at, w.size = fileHeaderSize, fileHeaderSize
	return atomicfile.SyncDir(w.dir)
}

// holdsEntry reports whether a file has content that must not be overwritten.
func holdsEntry(path string) bool {
	r, err := OpenLog(path)
	if err == nil {
		_, err = nextSound(r)
		r.Close()
	}
	fault := (*Fault)(nil)
	return !errors.Is(err, io.EOF) && !(errors.As(err, &fault) && fault.ofCrash())
}

func (w *LogWriter) fail(err error) error {
	w.err = fmt.Errorf("write log: %w", err)
	return w.err
}

func (w *LogWriter) flush() error {
	if len(w.buf) == 0 || w.err != nil {
		return w.err
	}
	end := w.at + int64(len(w.buf))
	size := padded(w.at, w.size, w.opt.Preallocate)
	if size = padded(end, size, w.opt.Preallocate); size != w.size {
		if err := w.f.Truncate(size); err != nil {
			return w.fail(err)
		}
		w.size = size
	}
	if _, err := w.f.WriteAt(w.buf, w.at); err != nil {
		return w.fail(err)
	}
	w.at, w.size, w.buf = end, max(w.size, end), w.buf[:0]
	return nil
}

// padded returns the size to which a file of size bytes, in use up to end, is preallocated
// (FilePadding.calculateFileSizeWithPadding).
func padded(end, size, step int64) int64 {
	if step <= 0 || end+preallocateAhead < size {
		return size
	}
	if end > size {
		size = end + step
		return size - size%step
	}
	return size + step
}

// Sync brings everything appended to disk.
func (w *LogWriter) Sync() error {
	if w.f == nil || w.err != nil {
		return w.err
	}
	if err := w.flush(); err != nil {
		return err
	}
	if !w.opt.NoSync {
		if err := w.opt.Sync(w.f); err != nil {
			return w.fail(err)
		}
	}
	if w.opt.MaxSize > 0 && w.at > w.opt.MaxSize {
		return w.end()
	}
	return nil
}

// end closes the current log, which is completely on disk.
func (w *LogWriter) end() error {
	f := w.f
	w.f = nil
	if err := f.Close(); err != nil {
		return w.fail(err)
	}
	return nil
}

// Roll ends the current log; the next Append starts another. Everything appended is on disk when
// Roll returns.
func (w *LogWriter) Roll() error {
	if err := w.Sync(); err != nil || w.f == nil {
		return err
	}
	return w.end()
}

// Close syncs and ends the log.
func (w *LogWriter) Close() error {
	err := w.Roll()
	if w.f != nil {
		w.f.Close()
		w.f = nil
	}
	if w.err == nil {
		w.err = fmt.Errorf("write log: %w", fs.ErrClosed)
	}
	return err
}

// Abandon stops the writer as killing the process would: what was not synced may be lost.
func (w *LogWriter) Abandon() {
	if w.f != nil {
		w.f.Close()
		w.f = nil
	}
	w.err = fmt.Errorf("write log: %w", fs.ErrClosed)
}
