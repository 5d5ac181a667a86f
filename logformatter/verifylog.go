package logformatter

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// logScan is what the check of a directory needs to know about a log.
type logScan struct {
	runs    []run
	unsound int // transactions after the last run
}

// run is a series of sound transactions without a gap.
type run struct {
	first, last int64
	unsound     int // unsound transactions right before it
}

// scanLog checks a log, streaming. snapshots are those next to it.
func scanLog(ctx context.Context, file storage.File, snapshots []storage.File) (*verdict, error) {
	d := &verdict{Kind: kindLog, File: file.Path, OK: true}
	r, err := storage.OpenLog(file.Path)
	if err != nil {
		return d, d.addError(err)
	}
	defer r.Close()
	s := &scanner{d: d, file: file, snapshots: snapshots}
	for n := 0; ; n++ {
		if n&0xfff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			d.cause = s.fault(err)
			if d.cause == nil {
				return nil, err
			}
			return s.finish(), nil
		}
		s.entry(e)
	}
	offset, found, err := r.TrailingGarbage()
	if err != nil {
		return nil, err
	}
	if found {
		d.add(&storage.Fault{File: file.Path, Offset: offset, Kind: storage.BadRecord, Zxid: s.last,
			Err:     fmt.Errorf("non-zero bytes follow the last transaction, which ends at byte %d", r.Offset()),
			Meaning: "ZooKeeper does not read them; perhaps a transaction's length was overwritten with 0, and a server loses everything after it"})
	}
	return s.finish(), nil
}

// scanner is a single run of scanLog.
type scanner struct {
	d           *verdict
	file        storage.File
	snapshots   []storage.File
	first, last int64
	any         bool // whether first and last are set
	broken      bool // whether the last entry was not sound
	eor         bool // whether the last entry's fault is its end, which the reader reports too
	txn         proto.TxnEntry
}

func (s *scanner) entry(e *storage.Entry) {
	h := &e.Header
	s.d.Transactions++
	fault := func(kind storage.FaultKind, meaning, format string, args ...any) {
		s.d.add(&storage.Fault{File: s.file.Path, Offset: e.Offset, Kind: kind, Zxid: h.Zxid, Err: fmt.Errorf(format, args...), Meaning: meaning})
	}
	sound := true
	s.eor = false
	switch {
	case !e.Intact() && e.EOR == 0:
		sound, s.eor = false, true
		fault(storage.BadEnd, "the server died while writing the transaction, before acknowledging it, or its length was changed; ZooKeeper reads no further (try: zkctl txnlog recover "+s.file.Path+")",
			"the record is cut short: its checksum is wrong, and its last byte, 'B', is missing")
	case !e.Intact():
		sound = false
		fault(storage.BadChecksum, "a byte of the transaction or of its checksum changed after it was written; ZooKeeper refuses to start with it (try: zkctl txnlog recover "+s.file.Path+")",
			"wrong checksum: the file says %#x, the bytes give %#x", e.Stored, e.Computed)
	case e.EOR != 'B':
		sound, s.eor = false, true
		what := fmt.Sprintf("the record's last byte is %#02x instead of 'B'", e.EOR)
		if e.EOR == 0 {
			what = "the record's last byte, 'B', is missing"
		}
		fault(storage.BadEnd, "the server died while writing the transaction, or the byte was overwritten; ZooKeeper reads no further (try: zkctl txnlog recover "+s.file.Path+")",
			"%s", what)
	default:
		if err := e.View(&s.txn); err != nil {
			sound = false
			fault(storage.BadRecord, "the bytes are as written, but ZooKeeper 3.4 to 3.9 has no such transaction: a server refuses to start with it", "%v", err)
		}
	}
	if !sound {
		s.broken = true
		s.d.scan.unsound++
		return // its zxid cannot be trusted
	}
	switch {
	case !s.any:
		s.any, s.first = true, h.Zxid
		if _, zxid, ok := storage.ZxidOfName(s.file.Path); ok && zxid != h.Zxid && !s.broken {
			fault(storage.BadOrder, "ZooKeeper finds transactions by log names; it may look for them in the wrong file", "the first zxid is %#x, the file's name says %#x", uint64(h.Zxid), uint64(zxid))
		}
		s.begin(h.Zxid)
	case h.Zxid <= s.last:
		fault(storage.BadOrder, "a server applies it out of order and gets a wrong tree (was the log pieced together from others?)", "zxid %#x follows %#x but should be greater", uint64(h.Zxid), uint64(s.last))
		return
	case sent(s.snapshots, s.last, h.Zxid):
		s.begin(h.Zxid)
	case !storage.Follows(s.last, h.Zxid):
		if !s.broken {
			fault(storage.BadOrder, "a server replays the log without an error, but its tree lacks them; look for them in another member's log", "%s missing between zxid %#x and %#x", storage.AreMissing(s.last, h.Zxid), uint64(s.last), uint64(h.Zxid))
		}
		s.begin(h.Zxid)
	}
	s.broken, s.d.scan.unsound = false, 0
	s.last = h.Zxid
	s.d.scan.runs[len(s.d.scan.runs)-1].last = h.Zxid
	if epoch := h.Zxid >> 32; len(s.d.Epochs) == 0 || s.d.Epochs[len(s.d.Epochs)-1] != epoch {
		s.d.Epochs = append(s.d.Epochs, epoch)
	}
}

// sent reports whether a snapshot fills the gap between two transactions: one that the leader
// sent, after which the server's logs continue, or one that begins an epoch. The log may continue
// from either.
func sent(snapshots []storage.File, last, zxid int64) bool {
	_, ok := between(snapshots, last, zxid)
	return ok
}

// between finds the last snapshot taken after one transaction and right before another.
func between(snapshots []storage.File, last, zxid int64) (found storage.File, ok bool) {
	for _, f := range snapshots {
		if f.Zxid > last && f.Zxid < zxid && storage.Follows(f.Zxid, zxid) {
			found, ok = f, true
		}
	}
	return found, ok
}

func (s *scanner) begin(zxid int64) {
	s.d.scan.runs = append(s.d.scan.runs, run{zxid, zxid, s.d.scan.unsound})
}

// fault adds the fault that ended the reading, unless the last entry's fault said the same.
func (s *scanner) fault(err error) *storage.Fault {
	list := storage.Faults(err)
	if len(list) == 0 {
		return nil
	}
	if !s.eor || list[0].Kind != storage.BadEnd && list[0].Kind != storage.BadLength {
		s.d.add(list[0])
	}
	return list[0]
}

func (s *scanner) finish() *verdict {
	if s.any {
		s.d.First, s.d.Last = proto.Hex(s.first), proto.Hex(s.last)
	}
	return s.d
}
