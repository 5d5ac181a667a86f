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

// LoadOptions say which state to load.
type LoadOptions struct {
	Zxid int64 // the last transaction to apply; the newest when 0
	Time int64 // or: the last millisecond, since 1970, to apply; 0 for no limit
	// Visit, when set, is called after each transaction of the logs has been applied.
	Visit func(file string, e *Entry, txn *proto.TxnEntry, t *ztree.Tree) error
	// Strict ends at the first fault of a log; otherwise a damaged tail ends that log, as for a server.
	Strict bool
	// Gaps goes on where transactions are missing, as a server would without a word, and
	// makes a fault of it; otherwise Load fails there.
	Gaps bool
	// TrustEmpty begins with an empty tree where there is no snapshot, whatever the logs begin with.
	TrustEmpty bool
	// Digests, when set, compares the tree with the digests in the logs. What does not agree
	// is told there and is no fault of Load.
	Digests *DigestCheck
}

// ErrMissing is what Load fails with when transactions are missing that the state needs.
var ErrMissing = errors.New("transactions are missing")

// Load builds the state at a zxid or a time from the nearest usable snapshot before it and
// the logs (FileTxnSnapLog.restore). faults are what it met and went round.
//
// The snapshot is the newest whose content cannot go beyond the limit: a server goes on
// while it writes one, so snapshot.1f may hold later changes than 0x1f. How late they can be
// is told by the zxid of the digest that a snapshot records since 3.6, and by those of its
// znodes, which miss a deletion and a change of an ACL; Load fails where the digest then does
// not agree at the limit. A damaged snapshot is a fault, and an earlier one serves. Without
// any snapshot the state begins with an empty tree, if the logs reach back to the first
// transaction.
//
// Transactions that the snapshot may already hold are applied again, as a server does. What
// they answer there, NodeExists or NoNode, is no fault.
//
// A time is turned into the zxid of the last transaction before the first later one, since
// zxids, not clocks, are the order of changes.
func (d *Dir) Load(ctx context.Context, opt LoadOptions) (t *ztree.Tree, faults []*Fault, err error) {
	l := &load{dir: d, opt: opt, ctx: ctx, limit: math.MaxInt64}
	if opt.Zxid != 0 {
		l.limit = opt.Zxid
	}
	if len(d.Logs)+len(d.Snapshots) == 0 {
		return nil, nil, fmt.Errorf("load a data directory: %w", d.NoFiles("transaction log or snapshot"))
	}
	if opt.Time != 0 {
		zxid, err := d.zxidAt(ctx, opt.Time)
		if err != nil {
			return nil, nil, err
		}
		l.limit = min(l.limit, zxid)
	}
	if err := l.snapshot(); err != nil {
		return nil, l.faults, err
	}
	if err := l.replay(); err != nil {
		return nil, l.faults, err
	}
	if l.from != nil {
		if l.ahead() {
			return nil, l.faults, fmt.Errorf("load %s: %s had another digest then: it holds a part of the next transaction, or is damaged (choose a later zxid, or move the snapshot away, so that an earlier one serves)",
				l.where(), filepath.Base(l.from.file))
		}
		if err := l.from.unknownACLs(); err != nil {
			l.note(err)
		}
	}
	return l.tree, l.faults, nil
}

// load is one run of Load.
type load struct {
	dir    *Dir
	opt    LoadOptions
	ctx    context.Context
	limit  int64
	tree   *ztree.Tree
	from   *loaded // nil when there is no snapshot
	last   int64   // zxid of the last transaction met, or in the snapshot's name
	begun  bool    // whether last is one
	broke  *Fault  // what ended the last log, when that was damage
	faults []*Fault

	trusted bool // LoadOptions.TrustEmpty counts
}

// ahead tells whether the state at the zxid of the snapshot's digest is wanted, and the tree
// is not that: the snapshot may hold a part of the next transaction without a trace.
func (l *load) ahead() bool {
	t := l.from.trailer
	return l.limit == t.DigestZxid && l.last == t.DigestZxid && l.from.zxid < t.DigestZxid && !digestAgrees(l.tree, t.Digest)
}

// note keeps every fault in err, and tells whether there was one.
func (l *load) note(err error) bool {
	list := Faults(err)
	l.faults = append(l.faults, list...)
	return len(list) > 0
}

// Faults are the faults that an error wraps, also when several are joined.
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

// snapshot chooses and loads the snapshot, or begins with an empty tree.
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
		s, err := readTree(file.Path)
		if err == nil {
			if l.dir.settle(s); s.odd != nil {
				err = s.odd
			}
		}
		if err != nil {
			if !l.note(err) {
				return err
			}
			continue
		}
		if s.fuzzyUntil() > l.limit {
			if late == "" {
				late = fmt.Sprintf("; %s was written while the server went on, and may hold changes up to %#x", filepath.Base(file.Path), s.fuzzyUntil())
			}
			continue
		}
		l.tree, l.from, l.last, l.begun = s.tree, s, s.zxid, true
		if l.opt.Digests != nil {
			l.opt.Digests.begin(s)
		}
		return nil
	}
	l.tree = ztree.New()
	if l.opt.Digests != nil {
		l.opt.Digests.begin(&loaded{})
	}
	if len(l.dir.Logs) == 0 {
		return fmt.Errorf("load %s: %w: there is no usable snapshot%s, and no transaction log", l.dir.Path, ErrMissing, late)
	}
	if l.limit == 0 {
		return nil
	}
	l.trusted = l.opt.TrustEmpty && len(l.dir.Snapshots) == 0
	if zxid := l.dir.Logs[0].Zxid; !first(zxid) && !l.opt.Gaps && !l.trusted {
		return fmt.Errorf("load %s: %w: there is no usable snapshot%s, and the logs begin with %#x; what was before is lost (look for a snapshot or logs in a backup or on another member)", l.where(), ErrMissing, late, zxid)
	}
	return nil
}

// where names the state that is wanted.
func (l *load) where() string {
	if l.limit == math.MaxInt64 {
		return l.dir.Path
	}
	return fmt.Sprintf("%s at zxid %#x", l.dir.Path, l.limit)
}

// replay applies the logs after the snapshot.
func (l *load) replay() error {
	for _, file := range l.dir.LogsFrom(l.last) {
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
	// A limit between two epochs ends where the first of them does.
	if l.limit != math.MaxInt64 && l.last < l.limit {
		for _, s := range l.dir.Snapshots {
			if s.Zxid >= l.limit && !l.opt.Gaps {
				return fmt.Errorf("load %s: %w: the logs end with %#x, and %s holds later changes too", l.where(), ErrMissing, l.last, filepath.Base(s.Path))
			}
		}
		if l.opt.Time == 0 && !l.opt.Gaps {
			return fmt.Errorf("load %s: the last transaction here is %#x", l.where(), l.last)
		}
	}
	return nil
}

// reached tells whether the limit lies at or after the last transaction with none between,
// given the next one that exists.
func (l *load) reached(next int64) bool {
	return l.last == l.limit || l.opt.Gaps || !l.begun && first(next) || l.begun && Follows(l.last, next)
}

// gap is the error of transactions that are missing before zxid.
//
// Differs(missing-transactions): Apache goes on with the next log that there is, and has a state
// that no server ever had.
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

// goRound notes damage that ends a log, unless it is to end the whole.
func (l *load) goRound(err error) bool {
	if l.opt.Strict || !l.note(err) {
		return false
	}
	l.broke = l.faults[len(l.faults)-1]
	return true
}

// replayLog applies one log. done tells that the limit is reached.
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
			continue // before the snapshot, or a copy of what an earlier log had
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
		if err := e.Decode(&txn); err != nil {
			fault := &Fault{File: file.Path, Offset: e.Offset, Kind: BadRecord, Zxid: zxid, Err: err, Meaning: "the log cannot be replayed from here on"}
			if l.goRound(fault) {
				return false, nil
			}
			return false, fault
		}
		l.tree.Apply(&txn.Header, txn.Body)
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
