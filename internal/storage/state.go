package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// LoadOptions select the state to load.
type LoadOptions struct {
	Zxid int64 // the last transaction to apply; 0 means the newest
	Time int64 // or: the last millisecond, since 1970, to apply; 0 means no limit
	// Visit, if set, is called after each transaction in the logs is applied.
	Visit func(file string, e *Entry, txn *proto.TxnEntry, t *ztree.Tree) error
	// Strict stops at the first fault of a log; otherwise a damaged tail ends that log, as in a
	// server.
	Strict bool
	// Gaps continues where transactions are missing, as a server silently would, and reports a
	// fault; otherwise Load fails there.
	Gaps bool
	// TrustEmpty starts with an empty tree if there is no snapshot, whatever the logs start with.
	TrustEmpty bool
	// Digests, if set, compares the tree with the digests in the logs. Mismatches are recorded
	// there and do not fail Load.
	Digests *DigestCheck
	// Until, if not 0, is where the logs end: what a server has added after it is not read. It gives the same state again
	// from a directory that a server writes to.
	Until int64
	// State, if set, receives which state was loaded.
	State *State
}

// State says which state was loaded.
type State struct {
	Zxid int64 // of the last transaction
	// Exact reports whether nothing later can be in it, as far as the snapshot that it started with and the logs tell: see Load.
	Exact bool
}

// ErrMissing means that transactions which the state needs are missing.
var ErrMissing = errors.New("transactions are missing")

// Load builds the state at a zxid or a time from the nearest usable snapshot before it and the
// logs (FileTxnSnapLog.restore). faults are those that it found and worked around.
//
// The snapshot is the newest whose content cannot go beyond the limit: a server continues while
// writing one, so snapshot.1f may hold changes later than 0x1f. How late is shown by the zxid of
// the digest that a snapshot records since 3.6, and by the zxids of its znodes, which miss a
// deletion or a change of an ACL; Load fails if the digest then does not agree at the limit. A
// damaged snapshot is a fault, and an earlier one is used. Without any snapshot the state starts
// with an empty tree, if the logs reach back to the first transaction.
//
// Transactions that the snapshot may already hold are applied again, as in a server. Their
// errors, NodeExists or NoNode, are not faults.
//
// A time is converted to the zxid of the last transaction before the first later one, because
// zxids, not clocks, give the order of changes.
func (d *Dir) Load(ctx context.Context, opt LoadOptions) (t *ztree.Tree, faults []*Fault, err error) {
	l := &load{dir: d, opt: opt, ctx: ctx}
	if err := l.run(); err != nil {
		return nil, l.faults, err
	}
	if l.from != nil {
		if l.ahead() {
			return nil, l.faults, fmt.Errorf("load %s: %s had another digest then: it holds part of the next transaction, or is damaged (choose a later zxid, or move the snapshot away so that an earlier one is used)",
				l.where(), filepath.Base(l.from.file))
		}
		if err := l.from.unknownACLs(); err != nil {
			l.note(err)
		}
	}
	l.tell()
	return l.tree, l.faults, nil
}

// load is a single run of Load or Stream.
type load struct {
	dir    *Dir
	opt    LoadOptions
	ctx    context.Context
	limit  int64
	tree   *ztree.Tree // nil if to is set
	to     Parts
	from   *loaded // nil if there is no snapshot
	last   int64   // zxid of the last transaction seen, or in the snapshot's name
	begun  bool    // whether last is set
	broke  *Fault  // the damage that ended the last log, if any
	faults []*Fault

	trusted bool // whether LoadOptions.TrustEmpty was needed
}

func (l *load) run() error {
	d := l.dir
	if l.limit = math.MaxInt64; l.opt.Zxid != 0 {
		l.limit = l.opt.Zxid
	}
	if len(d.Logs)+len(d.Snapshots) == 0 {
		return fmt.Errorf("load a data directory: %w", d.NoFiles("transaction log or snapshot"))
	}
	if l.opt.Time != 0 {
		zxid, err := d.zxidAt(l.ctx, l.opt.Time)
		if err != nil {
			return err
		}
		l.limit = min(l.limit, zxid)
	}
	if err := l.snapshot(); err != nil {
		return err
	}
	return l.replay()
}

// tell fills in LoadOptions.State. A snapshot without a digest does not tell when it was complete; if nothing follows in the logs
// that have been read, it was complete at their end.
func (l *load) tell() {
	if l.opt.State == nil {
		return
	}
	exact := l.broke == nil
	if s := l.from; exact && s != nil {
		complete := s.trailer.Digest != nil || s.fuzzyUntil() == 0 || l.limit == math.MaxInt64 && len(l.dir.Logs) > 0
		exact = complete && s.fuzzyUntil() <= l.last
	}
	*l.opt.State = State{l.last, exact}
}

// ahead reports whether the state at the zxid of the snapshot's digest is wanted but the tree is
// not in that state: the snapshot may hold part of the next transaction without a trace.
func (l *load) ahead() bool {
	t := l.from.trailer
	return l.limit == t.DigestZxid && l.last == t.DigestZxid && l.from.zxid < t.DigestZxid && !digestAgrees(l.tree, t.Digest)
}

// note records every fault in err, and reports whether there was one.
func (l *load) note(err error) bool {
	list := Faults(err)
	l.faults = append(l.faults, list...)
	return len(list) > 0
}

// Faults returns the faults that an error wraps, including joined ones.
func Faults(err error) []*Fault {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var list []*Fault
		for _, e := range joined.Unwrap() {
			list = append(list, Faults(e)...)
		}
		return list
	}
	var f *Fault
	if errors.As(err, &f) {
		return []*Fault{f}
	}
	return nil
}

// snapshot chooses and loads the snapshot, or starts with an empty tree.
func (l *load) snapshot() error {
	var late string // a snapshot that may go beyond the limit
	for i := len(l.dir.Snapshots) - 1; i >= 0; i-- {
		file := l.dir.Snapshots[i]
		if file.Zxid > l.limit {
			continue
		}
		if err := l.ctx.Err(); err != nil {
			return err
		}
		s, err := l.read(file.Path)
		if err != nil {
			if !l.note(err) {
				return err
			}
			continue
		}
		if s.fuzzyUntil() > l.limit {
			if late == "" {
				late = fmt.Sprintf("; %s was written while the server went on and may hold changes up to %#x", filepath.Base(file.Path), s.fuzzyUntil())
			}
			continue
		}
		l.tree, l.from, l.last, l.begun = s.tree, s, s.zxid, true
		if l.opt.Digests != nil {
			l.opt.Digests.begin(s)
		}
		return nil
	}
	if err := l.empty(); err != nil {
		return err
	}
	if l.opt.Digests != nil {
		l.opt.Digests.begin(&loaded{})
	}
	if len(l.dir.Logs) == 0 {
		return fmt.Errorf("load %s: %w: no usable snapshot%s and no transaction log", l.dir.Path, ErrMissing, late)
	}
	if l.limit == 0 {
		return nil
	}
	l.trusted = l.opt.TrustEmpty && len(l.dir.Snapshots) == 0
	if zxid := l.dir.Logs[0].Zxid; !first(zxid) && !l.opt.Gaps && !l.trusted {
		return fmt.Errorf("load %s: %w: no usable snapshot%s, and the logs start at %#x; everything before is lost (look for a snapshot or logs in a backup or on another member)", l.where(), ErrMissing, late, zxid)
	}
	return nil
}

// read reads a snapshot.
func (l *load) read(path string) (*loaded, error) {
	if l.to != nil {
		return l.pass(path)
	}
	s, err := readTree(path)
	if err == nil {
		if l.dir.settle(s); s.odd != nil {
			err = s.odd
		}
	}
	return s, err
}

// empty starts with the tree of a new server.
func (l *load) empty() error {
	t := ztree.New()
	if l.to != nil {
		return l.passNew(t)
	}
	l.tree = t
	return nil
}

func (l *load) decode(e *Entry, txn *proto.TxnEntry) error {
	if l.to != nil {
		return e.View(txn)
	}
	return e.Decode(txn)
}

// apply applies a transaction.
func (l *load) apply(txn *proto.TxnEntry) error {
	if l.to != nil {
		return l.to.Txn(txn)
	}
	l.tree.Apply(&txn.Header, txn.Body)
	return nil
}

// where names the wanted state.
func (l *load) where() string {
	if l.limit == math.MaxInt64 {
		return l.dir.Path
	}
	return fmt.Sprintf("%s at zxid %#x", l.dir.Path, l.limit)
}

// replay applies the logs after the snapshot.
func (l *load) replay() error {
	for _, file := range l.dir.LogsFrom(l.last) {
		if l.ended(file.Zxid) {
			return nil
		}
		if file.Zxid > l.limit {
			if !l.reached(file.Zxid) {
				return l.gap(file.Path, file.Zxid)
			}
			return nil
		}
		done, err := l.replayLog(file)
		if done || err != nil {
			return err
		}
	}
	// A limit between two epochs is reached where the first of them ends.
	if l.limit != math.MaxInt64 && l.last < l.limit {
		for _, s := range l.dir.Snapshots {
			if s.Zxid >= l.limit && !l.opt.Gaps {
				return fmt.Errorf("load %s: %w: the logs end at %#x, but %s holds later changes", l.where(), ErrMissing, l.last, filepath.Base(s.Path))
			}
		}
		if l.opt.Time == 0 && !l.opt.Gaps {
			return fmt.Errorf("load %s: the last transaction here is %#x", l.where(), l.last)
		}
	}
	return nil
}

// ended reports whether the logs end before a zxid, by LoadOptions.Until.
func (l *load) ended(zxid int64) bool { return l.opt.Until != 0 && zxid > l.opt.Until }

// reached reports whether the limit is at or after the last transaction, with none in between,
// given the next one that exists.
func (l *load) reached(next int64) bool {
	return l.last == l.limit || l.opt.Gaps || !l.begun && first(next) || l.begun && Follows(l.last, next)
}

// gap is the error for transactions missing before zxid.
//
// Differs(missing-transactions): Apache continues with the next log that exists, and ends up in a
// state that no server ever had.
func (l *load) gap(file string, zxid int64) error {
	if !l.begun {
		return fmt.Errorf("load %s: %w: the first in %s is %#x", l.where(), ErrMissing, file, zxid)
	}
	where := "in no log here"
	if l.broke != nil {
		where = fmt.Sprintf("not read, because %s is damaged from zxid %#x on", filepath.Base(l.broke.File), l.broke.Zxid)
	}
	return fmt.Errorf("load %s: %w: %s %s; the next in %s is %#x (look for them on another member or in a backup, or choose a zxid up to %#x)",
		l.where(), ErrMissing, AreMissing(l.last, zxid), where, filepath.Base(file), zxid, l.last)
}

// goRound records damage that ends a log, unless it must end the whole load.
func (l *load) goRound(err error) bool {
	if l.opt.Strict || !l.note(err) {
		return false
	}
	l.broke = l.faults[len(l.faults)-1]
	return true
}

// replayLog applies a log. done means that the limit is reached.
func (l *load) replayLog(file File) (done bool, err error) {
	r, err := OpenLog(file.Path)
	if err != nil {
		if l.goRound(err) {
			return false, nil
		}
		return false, err
	}
	defer r.Close()
	var txn proto.TxnEntry
	for n := 0; ; n++ {
		if n&0x3ff == 0 && l.ctx.Err() != nil {
			return false, l.ctx.Err()
		}
		e, err := nextSound(r)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			if l.goRound(err) {
				return false, nil
			}
			return false, err
		}
		zxid := e.Header.Zxid
		if l.begun && zxid <= l.last {
			continue // before the snapshot, or repeated from an earlier log
		}
		if l.ended(zxid) {
			return true, nil
		}
		if zxid > l.limit {
			if !l.reached(zxid) {
				return false, l.gap(file.Path, zxid)
			}
			return true, nil
		}
		if l.begun && !Follows(l.last, zxid) || !l.begun && !first(zxid) && !l.trusted {
			if err := l.gap(file.Path, zxid); !l.opt.Gaps {
				return false, err
			} else {
				l.note(&Fault{File: file.Path, Offset: e.Offset, Kind: BadOrder, Zxid: zxid, Err: err})
			}
		}
		if err := l.decode(e, &txn); err != nil {
			fault := &Fault{File: file.Path, Offset: e.Offset, Kind: BadRecord, Zxid: zxid, Err: err, Meaning: "the log cannot be replayed from here on"}
			if l.goRound(fault) {
				return false, nil
			}
			return false, fault
		}
		if err := l.apply(&txn); err != nil {
			return false, err
		}
		l.last, l.begun = zxid, true
		if l.opt.Digests != nil {
			l.opt.Digests.Compare(file.Path, e.Offset, &txn, l.tree)
		}
		if l.opt.Visit != nil {
			if err := l.opt.Visit(file.Path, e, &txn, l.tree); err != nil {
				return false, err
			}
		}
	}
}
