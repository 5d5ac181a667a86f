package logformatter

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// logScan is what the check of a directory needs to know of a log.
type logScan struct {
	runs    []run
	unsound int // transactions after the last run
}

// run is a stretch of transactions without a gap, each of them sound.
type run struct {
	first, last int64
	unsound     int // transactions right before it, in a log and not sound
}

// scanLog checks a log, streaming. snapshots are those beside it.
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
			Err:     fmt.Errorf("there are bytes other than zero after the last transaction, which ends at byte %d", r.Offset()),
			Meaning: "ZooKeeper does not read them; a transaction's length was overwritten with 0 perhaps, and what follows is lost to a server"})
	}
	return s.finish(), nil
}

// scanner is one run of scanLog.
type scanner struct {
	d           *verdict
	file        storage.File
	snapshots   []storage.File
	first, last int64
	any         bool // whether first and last are set
	broken      bool // whether the last entry was not sound
	eor         bool // whether the last entry's fault is its end, which the reader tells too
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
		fault(storage.BadEnd, "the server died while it wrote the transaction, which nobody was told of, or its length was changed; ZooKeeper reads no further (try: zkctl txnlog recover "+s.file.Path+")",
			"the record is cut short: its checksum is wrong, and its last byte, 'B', is missing")
	case !e.Intact():
		sound = false
		fault(storage.BadChecksum, "a byte of the transaction or of its checksum changed after it was written; ZooKeeper does not start on it (try: zkctl txnlog recover "+s.file.Path+")",
			"wrong checksum: the file says %#x, the bytes have %#x", e.Stored, e.Computed)
	case e.EOR != 'B':
		sound, s.eor = false, true
		what := fmt.Sprintf("the record's last byte is %#02x, not 'B'", e.EOR)
		if e.EOR == 0 {
			what = "the record's last byte, 'B', is missing"
		}
		fault(storage.BadEnd, "the server died while it wrote the transaction, or the byte was overwritten; ZooKeeper reads no further (try: zkctl txnlog recover "+s.file.Path+")",
			"%s", what)
	default:
		if err := e.View(&s.txn); err != nil {
			sound = false
			fault(storage.BadRecord, "the bytes are as they were written, and yet no transaction that ZooKeeper 3.4 to 3.9 knows: a server does not start on it", "%v", err)
		}
	}
	if !sound {
		s.broken = true
		s.d.scan.unsound++
		return // its zxid is not to be trusted
	}
	switch {
	case !s.any:
		s.any, s.first = true, h.Zxid
		if _, zxid, ok := storage.ZxidOfName(s.file.Path); ok && zxid != h.Zxid && !s.broken {
			fault(storage.BadOrder, "ZooKeeper finds transactions by the names of the logs: it may look for them in the wrong file", "the first zxid is %#x, the file's name says %#x", uint64(h.Zxid), uint64(zxid))
		}
		s.begin(h.Zxid)
	case h.Zxid <= s.last:
		fault(storage.BadOrder, "a server applies it out of turn, and its tree goes astray (was the log put together from others?)", "zxid %#x follows %#x, and should be greater", uint64(h.Zxid), uint64(s.last))
		return
	case sent(s.snapshots, s.last, h.Zxid):
		s.begin(h.Zxid)
	case !storage.Follows(s.last, h.Zxid):
		if !s.broken {
			fault(storage.BadOrder, "a server replays the log without a word, but its tree lacks them; look for them in the log of another member", "%s missing between zxid %#x and %#x", storage.AreMissing(s.last, h.Zxid), uint64(s.last), uint64(h.Zxid))
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

// sent tells whether a snapshot stands between two transactions: the leader sent it, and the
// server went on with its logs, in which the transactions before the snapshot are missing, or
// it begins an epoch. What comes after goes on from there.
func sent(snapshots []storage.File, last, zxid int64) bool {
	_, ok := between(snapshots, last, zxid)
	return ok
}

// between finds the last snapshot after one transaction that goes right before another.
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

// fault adds the fault that reading ends with, unless the last entry's said the same.
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
		s.d.First, s.d.Last = hexZxid(s.first), hexZxid(s.last)
	}
	return s.d
}
