package storage

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/zkctl/zkctl/internal/atomicfile"
)

// ErrCannotTruncate means that what Truncate would leave is not the state at the zxid. Nothing
// was changed; only a snapshot from the leader helps.
var ErrCannotTruncate = errors.New("the state before it cannot be rebuilt from this disk")

// Truncate removes every transaction after zxid from a server's logs, and the snapshots that may
// hold one of them (FileTxnLog.truncate, which forgets the latter). The caller has the leader's
// word that no quorum ever had them. No log may be open for writing.
//
// A zxid with counter 0 begins an epoch and is not a transaction: what comes before it stays. Any
// other must be in the logs, or be that of a snapshot.
//
// Files are removed from newest to oldest, and the log that holds zxid is cut last, so that a
// crash leaves too much but never a gap.
func Truncate(snapDir, logDir string, zxid int64) error {
	if err := truncate(snapDir, logDir, zxid, planTruncate); err != nil {
		return fmt.Errorf("truncate the log in %s to %#x: %w", logDir, uint64(zxid), err)
	}
	return nil
}

func truncate(snapDir, logDir string, zxid int64, choose func(snapshots, logs []File, zxid int64) (*truncation, error)) error {
	snaps, err := readDir(snapDir)
	if err != nil {
		return err
	}
	logs := snaps
	if logDir != snapDir {
		if logs, err = readDir(logDir); err != nil {
			return err
		}
	}
	plan, err := choose(snaps.Snapshots, logs.Logs, zxid)
	if err != nil {
		return err
	}
	return plan.carryOut(snapDir, logDir)
}

// truncation is what Truncate does.
type truncation struct {
	snapshots []File // to remove
	logs      []File // to remove
	cut       string // the log to shorten, "" for none
	at        int64  // to this length
	older     []File // snapshots to remove last
}

// planTruncate checks that the state at zxid can be rebuilt from what will be left: a snapshot
// that holds nothing later, and every transaction after it.
func planTruncate(snapshots, logs []File, zxid int64) (*truncation, error) {
	plan := &truncation{}
	base, known := int64(0), false
	for i := len(snapshots) - 1; i >= 0; i-- {
		s := snapshots[i]
		late, err := holdsLater(s, zxid)
		if err != nil {
			if len(Faults(err)) == 0 {
				return nil, err
			}
			continue // damaged: useless, but harmless
		}
		if !late {
			base, known = s.Zxid, true
			plan.snapshots = snapshots[i+1:]
			break
		}
	}
	if !known {
		plan.snapshots = snapshots
	}
	last, found := base, known && base == zxid || counterOf(zxid) == 0
	for i, file := range logs {
		if file.Zxid > zxid {
			plan.logs = logs[i:]
			break
		}
		if i+1 < len(logs) && logs[i+1].Zxid <= base {
			continue // the snapshot has all of it
		}
		r, err := OpenLog(file.Path)
		if f := (*Fault)(nil); errors.As(err, &f) && f.Kind == NotAFile {
			continue // left by a crash
		}
		if err != nil {
			return nil, err
		}
		err = plan.walk(r, zxid, base, &last, &known, &found)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		if plan.cut != "" {
			plan.logs = logs[i+1:]
			break
		}
	}
	switch {
	case !known:
		return nil, fmt.Errorf("%w: there is no snapshot of it, and the logs do not start with the first transaction", ErrCannotTruncate)
	case !found:
		return nil, fmt.Errorf("%w: it is not in the logs; the last before it is %#x", ErrCannotTruncate, uint64(last))
	}
	return plan, nil
}

// walk reads a log up to zxid. last is the transaction before it, known whether the state there
// is known, found whether zxid was found.
func (p *truncation) walk(r *LogReader, zxid, base int64, last *int64, known, found *bool) error {
	for {
		before := r.Offset()
		e, err := r.Next()
		if errors.Is(err, io.EOF) || len(Faults(err)) > 0 {
			return nil // what is damaged was never acknowledged, or will be missed below
		}
		if err != nil {
			return err
		}
		z := e.Header.Zxid
		switch {
		case z > zxid:
			p.cut, p.at = r.Name(), before
			return nil
		case !e.Intact() || e.EOR != endOfRecord:
			return nil
		case z <= base:
			// In the snapshot.
		case !*known && first(z):
			*known, *last = true, z
		case !*known || !Follows(*last, z):
			return fmt.Errorf("%w: %s missing", ErrCannotTruncate, AreMissing(*last, z))
		default:
			*last = z
		}
		*found = *found || z == zxid
	}
}

// holdsLater reports whether a snapshot may hold transactions after zxid: by its name, or because
// the server continued while writing it.
func holdsLater(s File, zxid int64) (bool, error) {
	if s.Zxid > zxid {
		return true, nil
	}
	l, err := readTree(s.Path)
	if err != nil {
		return false, err
	}
	return l.fuzzyUntil() > zxid, nil
}

// KeepOnly removes everything except the snapshot at zxid, which has just arrived from the
// leader. Logs from before it must not stay: nothing in them shows that the transactions between
// them and the next log were never logged here, and a replay, or a learner that is synchronised
// from the logs, would miss those. A crash in between leaves the earlier state or that of the
// snapshot. No log may be open for writing.
func KeepOnly(snapDir, logDir string, zxid int64) error {
	if err := truncate(snapDir, logDir, zxid, planKeepOnly); err != nil {
		return fmt.Errorf("keep only the snapshot of %#x in %s: %w", uint64(zxid), snapDir, err)
	}
	return nil
}

func planKeepOnly(snapshots, logs []File, zxid int64) (*truncation, error) {
	plan := &truncation{logs: logs}
	found := false
	for _, s := range snapshots {
		switch {
		case s.Zxid > zxid:
			plan.snapshots = append(plan.snapshots, s)
		case s.Zxid < zxid:
			plan.older = append(plan.older, s)
		default:
			found = true
		}
	}
	if !found {
		return nil, errors.New("no such snapshot")
	}
	return plan, nil
}

// carryOut removes the files, newest first, and cuts the log.
func (p *truncation) carryOut(snapDir, logDir string) error {
	for i := len(p.snapshots) - 1; i >= 0; i-- {
		// The order must survive a crash of the machine, too.
		if err := errors.Join(removeFile(p.snapshots[i].Path), atomicfile.SyncDir(snapDir)); err != nil {
			return err
		}
	}
	for i := len(p.logs) - 1; i >= 0; i-- {
		if err := errors.Join(removeFile(p.logs[i].Path), atomicfile.SyncDir(logDir)); err != nil {
			return err
		}
	}
	for _, s := range p.older {
		if err := errors.Join(removeFile(s.Path), atomicfile.SyncDir(snapDir)); err != nil {
			return err
		}
	}
	if p.cut == "" {
		return nil
	}
	f, err := os.OpenFile(p.cut, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := f.Truncate(p.at); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}
