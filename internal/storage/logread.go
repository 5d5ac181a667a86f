package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"io/fs"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

const (
	fileHeaderSize  = 16
	entryHead       = 8 + 4 // checksum and length
	txnHeaderSize   = 32
	endOfRecord     = 'B'
	logWindow       = 256 << 10
	suspiciousEntry = 4 << 20  // a longer entry is checked before memory is allocated for it
	maxDamaged      = 32 << 20 // if the checksum is wrong, a longer entry has a wrong length
)

// Entry is one transaction of a log. It is valid until the next call of Next.
type Entry struct {
	Offset   int64  // in the file, of its checksum field
	Raw      []byte // the encoded transaction
	Stored   int64  // the checksum stored in the file
	Computed int64  // the checksum of Raw (Adler-32)
	EOR      byte   // the end-of-record byte, 'B' if intact
	Header   proto.TxnHeader

	codec  jute.Codec
	bodies proto.TxnBodies
}

// Intact reports whether the stored checksum matches the bytes.
func (e *Entry) Intact() bool { return e.Stored == e.Computed }

// Decode decodes the whole transaction. Its buffers alias Raw; its strings are copies. txn may be
// reused. If the record does not decode, the error wraps a *jute.FieldError.
func (e *Entry) Decode(txn *proto.TxnEntry) error {
	e.codec.Reset(e.Raw)
	txn.Visit(&e.codec)
	return e.codec.Err()
}

// View is like Decode, but copies and allocates nothing: strings alias Raw, and bodies are
// reused, so that txn and everything in it are valid only until the next call of Next or View. It
// is for callers that look at each transaction once.
func (e *Entry) View(txn *proto.TxnEntry) error {
	e.codec.ResetView(e.Raw)
	txn.View(&e.codec, &e.bodies)
	return e.codec.Err()
}

// logFile is what a LogReader needs of an *os.File.
type logFile interface {
	fs.File
	io.ReaderAt
}

// LogReader reads a log from its start, streaming. It holds two windows of the file: the current
// one, at least as long as the longest entry, and the next. It is not safe for concurrent use.
type LogReader struct {
	f      logFile
	name   string
	size   int64
	header proto.FileHeader

	window []byte
	lo, hi int   // window[lo:hi] is unread
	base   int64 // file offset of window[0]
	ahead  *readAhead
	spare  []byte // space for the next readAhead
	batch  *Batch // what NextBatch fills; its entries keep the window from being reused

	entry Entry
	last  int64 // zxid of the last entry
	next  error // if not nil, what the next call of Next returns
}

// OpenLog opens a log and reads its header. If the header is not that of a log, the error is a
// *Fault.
func OpenLog(path string) (*LogReader, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return newLogReader(f, path)
}

func newLogReader(f logFile, name string) (*LogReader, error) {
	r := &LogReader{f: f, name: name}
	if err := r.readHeader(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *LogReader) readHeader() error {
	info, err := r.f.Stat()
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	if info.IsDir() {
		return fmt.Errorf("open log: %s is a directory", r.name)
	}
	r.size = info.Size()
	r.window = make([]byte, min(logWindow, max(r.size, 4<<10)))
	err = r.read(fileHeaderSize)
	have := r.hi
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	// A truncated header must match the start of a valid one.
	head := jute.Marshal(&proto.FileHeader{Magic: proto.LogMagic, Version: proto.LogVersion})
	copy(head, r.window[:have])
	if err := jute.Unmarshal(head, &r.header); err != nil {
		return err
	}
	switch h := r.header; {
	case h.Magic == proto.SnapMagic:
		return &Fault{File: r.name, Kind: BadMagic, Err: errors.New("this is a snapshot, not a transaction log"),
			Remedy: ReadAsSnapshot}
	case have == 0:
		return unwritten(r.name, errors.New("the file is empty"))
	case allZero(r.window[:min(have, fileHeaderSize)]):
		if _, found, err := r.TrailingGarbage(); err != nil {
			return err
		} else if !found {
			return unwritten(r.name, ErrZeros)
		}
		fallthrough
	case h.Magic != proto.LogMagic:
		return &Fault{File: r.name, Kind: BadMagic, Err: fmt.Errorf("the file starts with %q instead of \"ZKLG\"", r.window[:min(have, 4)]),
			Meaning: "it is not a transaction log, or its first bytes are damaged; ZooKeeper does not start while it is there; " + giveUp}
	case h.Version != proto.LogVersion:
		return &Fault{File: r.name, Offset: 4, Kind: BadVersion, Err: fmt.Errorf("unknown format version %d; only %d is supported", h.Version, proto.LogVersion),
			Meaning: "its header is damaged; " + giveUp}
	case have < fileHeaderSize:
		return unwritten(r.name, fmt.Errorf("the file ends after %d bytes, inside its header", have))
	}
	r.lo = fileHeaderSize
	return nil
}

// giveUp says what to do about a log if nothing in it can be read.
const giveUp = "copy another member's data, or move the log away and lose its transactions"

// ErrZeros is the fault of a log whose bytes are all zero.
var ErrZeros = errors.New("the file contains only zeros")

// unwritten is the fault of a log left by a crash before its first transaction was on disk.
func unwritten(name string, err error) *Fault {
	return &Fault{File: name, Kind: NotAFile, Err: err,
		Meaning: "it holds no transactions, as after a crash; zkctl's server starts it anew, but Apache ZooKeeper may refuse to start while it is there (move it away)"}
}

// Name returns the path of the file as it was opened.
func (r *LogReader) Name() string { return r.name }

// Header returns the header of the file.
func (r *LogReader) Header() proto.FileHeader { return r.header }

// Offset returns the offset of the byte after the last entry.
func (r *LogReader) Offset() int64 { return r.base + int64(r.lo) }

// Close closes the file.
func (r *LogReader) Close() error {
	if r.ahead != nil {
		<-r.ahead.done
	}
	return r.f.Close()
}

// Next returns the next entry, io.EOF, or a *Fault. The end is where the file ends between
// entries, or where the preallocated zeros begin. An entry with a wrong checksum is returned as
// it is (see Intact), and so is one whose end-of-record byte is wrong, or missing because the
// file ends (then EOR is 0). If both the end and the checksum of an entry are wrong, or the file
// ends before its end, the next call returns a *Fault. After a fault reading cannot continue, and
// Next returns the same fault again.
//
// After io.EOF, Next may be called again: it returns what a server has appended since.
func (r *LogReader) Next() (*Entry, error) {
	e, err := r.step()
	if err == nil {
		e.check()
	}
	return e, err
}

// check computes the checksum.
func (e *Entry) check() { e.Computed = int64(adlerSum(1, e.Raw)) }

// step is Next without the checksum.
func (r *LogReader) step() (*Entry, error) {
	if r.next != nil {
		return nil, r.next
	}
	have := r.hi - r.lo
	if have < entryHead {
		var err error
		if have, err = r.fill(entryHead); err != nil {
			return nil, r.stop(err)
		}
		if have < entryHead {
			if allZero(r.window[r.lo:r.hi]) {
				r.forget()
				return nil, io.EOF
			}
			return nil, r.fault(CutOff, fmt.Errorf("the file ends inside the first %d bytes of a record", entryHead))
		}
	}
	head := r.window[r.lo:r.hi]
	stored := int64(binary.BigEndian.Uint64(head))
	length := int(int32(binary.BigEndian.Uint32(head[8:])))
	if length == 0 {
		r.forget()
		return nil, io.EOF
	}
	whole := entryHead + length + 1
	if length < 0 || have < whole {
		if err := r.load(length); err != nil {
			return nil, err
		}
		have = r.hi - r.lo
	}
	if length < txnHeaderSize {
		return nil, r.fault(BadRecord, fmt.Errorf("record length %d is too short for a transaction", length))
	}
	e := &r.entry
	e.Offset = r.base + int64(r.lo)
	e.Raw = r.window[r.lo+entryHead : r.lo+entryHead+length : r.lo+entryHead+length]
	e.Stored = stored
	e.Header = decodeHeader(e.Raw)
	if have < whole {
		e.EOR = 0
		r.next = r.faultAt(e.Offset, e.Header.Zxid, BadEnd, errors.New("the file ends before the record's last byte, 'B'"))
		whole--
	} else if e.EOR = r.window[r.lo+whole-1]; e.EOR != endOfRecord && e.Stored != int64(adlerSum(1, e.Raw)) {
		r.next = r.faultAt(e.Offset, r.last, BadLength, fmt.Errorf("with record length %d the checksum is wrong and the last byte is %#02x instead of 'B'", length, e.EOR))
	}
	r.lo += whole
	r.last = e.Header.Zxid
	return e, nil
}

// decodeHeader decodes the first txnHeaderSize bytes of a transaction.
func decodeHeader(b []byte) proto.TxnHeader {
	b = b[:txnHeaderSize]
	return proto.TxnHeader{
		ClientID: int64(binary.BigEndian.Uint64(b)),
		Cxid:     int32(binary.BigEndian.Uint32(b[8:])),
		Zxid:     int64(binary.BigEndian.Uint64(b[12:])),
		Time:     int64(binary.BigEndian.Uint64(b[20:])),
		Type:     proto.Op(binary.BigEndian.Uint32(b[28:])),
	}
}

// load brings the entry at lo into the window, except for its last byte if the file ends before
// it. It allocates only after checking the length.
func (r *LogReader) load(length int) error {
	if length < 0 {
		return r.fault(BadLength, fmt.Errorf("record length %d is negative", length))
	}
	end := r.Offset() + entryHead + int64(length) // without the end-of-record byte
	if end > r.size {
		if info, err := r.f.Stat(); err != nil {
			return r.stop(err)
		} else if end > info.Size() {
			if length > suspiciousEntry {
				return r.fault(BadLength, fmt.Errorf("record length %d is beyond the end of the file", length))
			}
			return r.fault(CutOff, fmt.Errorf("the file ends %d bytes before the end of a record of %d bytes", end+1-info.Size(), length))
		}
	}
	if length > suspiciousEntry && entryHead+length+1 > len(r.window) {
		if err := r.prove(length); err != nil {
			return err
		}
	}
	have, err := r.fill(entryHead + length + 1)
	if err != nil {
		return r.stop(err)
	}
	if have < entryHead+length {
		return r.fault(CutOff, fmt.Errorf("the file ends %d bytes before the end of a record of %d bytes", entryHead+length+1-have, length))
	}
	return nil
}

// prove checks an enormous entry without holding it, so that a wrong length that happens to fit
// the file costs no memory.
func (r *LogReader) prove(length int) error {
	sum := adler32.New()
	piece := make([]byte, 64<<10)
	body := io.NewSectionReader(r.f, r.Offset()+entryHead, int64(length))
	if _, err := io.CopyBuffer(sum, struct{ io.Reader }{body}, piece); err != nil {
		return r.stop(err)
	}
	stored := int64(binary.BigEndian.Uint64(r.window[r.lo:]))
	if stored == int64(sum.Sum32()) {
		return nil
	}
	if length <= maxDamaged {
		if n, _ := r.f.ReadAt(piece[:1], r.Offset()+entryHead+int64(length)); n == 1 && piece[0] == endOfRecord {
			return nil
		}
	}
	return r.fault(BadLength, fmt.Errorf("no record of length %d ends there", length))
}

// fill makes n bytes available at lo, if the file has them, and returns how many are.
func (r *LogReader) fill(n int) (have int, err error) {
	if have = r.hi - r.lo; have >= n {
		return have, nil
	}
	r.takeAhead()
	if err := r.read(n); err != nil {
		return r.hi - r.lo, err
	}
	if r.batch == nil { // otherwise batches in use occupy others, and the next window would be one more
		r.readAhead()
	}
	return r.hi - r.lo, nil
}

// read makes n bytes available at lo, if the file has them.
func (r *LogReader) read(n int) error {
	have := r.hi - r.lo
	if have >= n {
		return nil
	}
	if r.lo > 0 {
		window := r.window
		if r.batch != nil {
			window = r.batch.take(len(window))
		}
		copy(window, r.window[r.lo:r.hi])
		r.window = window
		r.base += int64(r.lo)
		r.lo, r.hi = 0, have
	}
	if n > len(r.window) {
		bigger := make([]byte, max(n, logWindow))
		copy(bigger, r.window[:r.hi])
		r.window = bigger
	}
	for r.hi < n {
		got, err := r.f.ReadAt(r.window[r.hi:], r.base+int64(r.hi))
		r.hi += got
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readAhead reads what follows the window while the window is in use. The first logWindow bytes
// of buf are kept free for the end of the current window.
type readAhead struct {
	at   int64 // file offset of buf[logWindow]
	buf  []byte
	n    int // bytes read
	done chan struct{}
}

func (r *LogReader) readAhead() {
	at := r.base + int64(r.hi)
	if r.ahead != nil || at >= r.size || len(r.window) < logWindow {
		return
	}
	a := &readAhead{at: at, buf: r.spare, done: make(chan struct{})}
	if r.spare = nil; a.buf == nil {
		a.buf = make([]byte, 2*logWindow)
	}
	r.ahead = a
	go func() {
		defer close(a.done)
		a.n, _ = r.f.ReadAt(a.buf[logWindow:], at) // read meets the error again
	}()
}

// takeAhead makes the bytes read ahead the window, unless other bytes are needed by now.
func (r *LogReader) takeAhead() {
	a := r.ahead
	if a == nil {
		return
	}
	r.ahead = nil
	<-a.done
	have := r.hi - r.lo
	if a.at != r.base+int64(r.hi) || have > logWindow {
		r.spare = a.buf
		return
	}
	copy(a.buf[logWindow-have:], r.window[r.lo:r.hi])
	if r.batch == nil && len(r.window) == 2*logWindow {
		r.spare = r.window
	}
	r.window = a.buf
	r.base = a.at - logWindow
	r.lo, r.hi = logWindow-have, logWindow+a.n
}

// forget drops the bytes read ahead, so that the next call reads the file again.
func (r *LogReader) forget() { r.hi = r.lo }

// retry makes Next read the entry at offset again, as it now is in the file.
func (r *LogReader) retry(offset, last int64) {
	r.base, r.lo, r.hi, r.next, r.last = offset, 0, 0, nil, last
}

func (r *LogReader) stop(err error) error {
	r.next = fmt.Errorf("read %s at byte %d: %w", r.name, r.Offset(), err)
	return r.next
}

// fault ends the reading with a fault of the record at lo.
func (r *LogReader) fault(kind FaultKind, err error) error {
	zxid := r.last
	if r.hi-r.lo >= entryHead+20 {
		z := int64(binary.BigEndian.Uint64(r.window[r.lo+entryHead+12:]))
		if z > r.last && (r.last == 0 || z>>32-r.last>>32 < 1<<16) {
			zxid = z
		}
	}
	r.next = r.faultAt(r.Offset(), zxid, kind, err)
	return r.next
}

func (r *LogReader) faultAt(offset, zxid int64, kind FaultKind, err error) *Fault {
	f := &Fault{File: r.name, Offset: offset, Kind: kind, Zxid: zxid, Err: err}
	f.Remedy = RecoverLog
	switch {
	case zxid == 0:
		f.Meaning, f.Remedy = "nothing in the log can be read; "+giveUp, NoRemedy
	case zxid == r.last:
		f.Meaning = fmt.Sprintf("the log is damaged after zxid %#x", uint64(zxid))
	default:
		f.Meaning = fmt.Sprintf("the log is damaged from zxid %#x on", uint64(zxid))
	}
	return f
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// TrailingGarbage looks, after Next has returned io.EOF, for non-zero bytes after the last entry,
// streaming; a server leaves none. offset is that of the first.
func (r *LogReader) TrailingGarbage() (offset int64, found bool, err error) {
	piece := make([]byte, 64<<10)
	for offset = r.Offset(); ; {
		n, err := r.f.ReadAt(piece, offset)
		for i, c := range piece[:n] {
			if c != 0 {
				return offset + int64(i), true, nil
			}
		}
		offset += int64(n)
		if errors.Is(err, io.EOF) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, fmt.Errorf("read %s at byte %d: %w", r.name, offset, err)
		}
	}
}
