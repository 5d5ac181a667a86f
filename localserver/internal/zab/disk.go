package zab

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/storage"
)

// disk stores what a member has promised: its log and its two epochs. Everything is on disk when a
// method returns; for a logWriter, when Sync returns.
type disk interface {
	// epochs returns -1 for an epoch that was never written.
	epochs() (accepted, current int64, err error)
	setEpoch(name string, epoch int64) error
	newLog(opt storage.LogOptions) logWriter

	// truncate and keepOnly are storage.Truncate and storage.KeepOnly.
	truncate(zxid int64) error
	keepOnly(zxid int64) error

	// since calls visit with the logged transactions, starting with the last one not after zxid, if
	// any, until visit returns false. It fails with errTooLong before the first call if the logs to
	// read exceed the limit (0: none), and with errHole, in place or at the end, if a snapshot
	// shows that transactions are missing.
	since(zxid int64, limit int64, visit func(*Proposal) (bool, error)) error

	// diffLimit returns how long a log may be to be sent in place of a snapshot (0: no limit,
	// negative: never).
	diffLimit(factor float64) int64
}

// logWriter is what a Journal needs of a storage.LogWriter.
type logWriter interface {
	AppendRaw(zxid int64, raw []byte) error
	Sync() error
	Roll() error
	Close() error
	Abandon()
}

var errHole = errors.New("transactions may be missing from the log")

var errTooLong = errors.New("the log is too long to be sent instead of a snapshot")

// fileDisk is a data directory: snapshots and epochs in snapDir, logs in logDir.
type fileDisk struct{ snapDir, logDir string }

func (d fileDisk) epochs() (accepted, current int64, err error) {
	dir, err := storage.ReadDir(d.snapDir)
	if err != nil {
		return 0, 0, err
	}
	for _, f := range dir.EpochFaults {
		return 0, 0, f
	}
	return dir.AcceptedEpoch, dir.CurrentEpoch, nil
}

func (d fileDisk) setEpoch(name string, epoch int64) error {
	return storage.WriteEpoch(d.snapDir, name, epoch)
}

func (d fileDisk) newLog(opt storage.LogOptions) logWriter {
	return storage.NewLogWriter(d.logDir, opt)
}

func (d fileDisk) truncate(zxid int64) error {
	return storage.Truncate(d.snapDir, d.logDir, zxid)
}

func (d fileDisk) keepOnly(zxid int64) error {
	return storage.KeepOnly(d.snapDir, d.logDir, zxid)
}

func (d fileDisk) diffLimit(factor float64) int64 {
	dir, err := storage.ReadDir(d.snapDir)
	if err != nil || len(dir.Snapshots) == 0 {
		return 0
	}
	return int64(float64(dir.Snapshots[len(dir.Snapshots)-1].Size) * factor)
}

func (d fileDisk) since(zxid, limit int64, visit func(*Proposal) (bool, error)) error {
	dir, err := storage.ReadDir(d.logDir)
	if err != nil {
		return err
	}
	files := dir.LogsFrom(zxid)
	size := int64(0)
	for _, f := range files {
		size += f.Size
	}
	if limit > 0 && size > limit {
		return fmt.Errorf("%w: %d bytes of at most %d", errTooLong, size, limit)
	}
	snaps, err := storage.ReadDir(d.snapDir)
	if err != nil {
		return err
	}
	var held *Proposal // the last one not after zxid
	before := int64(0)
	seen := func(p *Proposal) (bool, error) {
		if Epoch(p.Zxid()) != Epoch(before) { // within an epoch, counters show gaps
			if err := hole(snaps.Snapshots, before, p.Zxid()); err != nil {
				return false, err
			}
		}
		before = p.Zxid()
		return visit(p)
	}
	for _, f := range files {
		more, err := d.visitLog(f.Path, zxid, &held, seen)
		if err != nil || !more {
			return err
		}
	}
	if held != nil {
		if more, err := decoded(held, seen); err != nil || !more {
			return err
		}
	}
	return hole(snaps.Snapshots, before, math.MaxInt64)
}

// hole returns errHole if transactions may be missing between two consecutive ones in the logs, or
// after the last. Apache ZooKeeper keeps its logs when it receives a snapshot from its leader, so a
// snapshot between the two means that some may be missing.
func hole(snapshots []storage.File, before, zxid int64) error {
	if before == 0 {
		return nil
	}
	for _, s := range snapshots {
		if s.Zxid > before && s.Zxid < zxid {
			return fmt.Errorf("%w: between %#x and %#x there is %s", errHole, uint64(before), uint64(zxid), s.Path)
		}
	}
	return nil
}

func (d fileDisk) visitLog(path string, zxid int64, held **Proposal, visit func(*Proposal) (bool, error)) (more bool, err error) {
	r, err := storage.OpenLog(path)
	if err != nil {
		if f := (*storage.Fault)(nil); errors.As(err, &f) && f.Kind == storage.NotAFile {
			return true, nil // left by a crash, or still being written
		}
		return false, err
	}
	defer r.Close()
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) || len(storage.Faults(err)) > 0 || err == nil && !e.Intact() {
			return true, nil // the rest was never acknowledged, or the caller notices its absence
		}
		if err != nil {
			return false, err
		}
		p := &Proposal{Raw: append([]byte(nil), e.Raw...)}
		if e.Header.Zxid <= zxid {
			*held = p
			continue
		}
		for _, p := range []*Proposal{*held, p} {
			if p == nil {
				continue
			}
			if more, err := decoded(p, visit); err != nil || !more {
				return false, err
			}
		}
		*held = nil
	}
}

// decoded decodes p, of which only Raw is set, and visits it.
func decoded(p *Proposal, visit func(*Proposal) (bool, error)) (bool, error) {
	if err := jute.Unmarshal(p.Raw, &p.Txn); err != nil {
		return false, fmt.Errorf("read a logged transaction: %w", err)
	}
	p.Config = configOf(&p.Txn)
	return visit(p)
}

// noDisk is the disk of a member in memory: its promises end with it, and its past cannot be
// rebuilt.
type noDisk struct{ accepted, current int64 }

func (d *noDisk) epochs() (accepted, current int64, err error) { return d.accepted, d.current, nil }

func (d *noDisk) setEpoch(name string, epoch int64) error {
	if name == storage.AcceptedEpochFile {
		d.accepted = epoch
	} else {
		d.current = epoch
	}
	return nil
}

func (d *noDisk) newLog(storage.LogOptions) logWriter { return noLog{} }
func (d *noDisk) truncate(int64) error                { return storage.ErrCannotTruncate }
func (d *noDisk) keepOnly(int64) error                { return nil }
func (d *noDisk) diffLimit(float64) int64             { return -1 }
func (d *noDisk) since(int64, int64, func(*Proposal) (bool, error)) error {
	return nil
}

// noLog keeps nothing.
type noLog struct{}

func (noLog) AppendRaw(int64, []byte) error { return nil }
func (noLog) Sync() error                   { return nil }
func (noLog) Roll() error                   { return nil }
func (noLog) Close() error                  { return nil }
func (noLog) Abandon()                      {}

// tail returns the last proposals on a disk, up to last, and at least limit of them.
func tail(d disk, from, last int64, limit int) (list []*Proposal, err error) {
	err = d.since(from, 0, func(p *Proposal) (bool, error) {
		if p.Zxid() > last {
			return false, nil
		}
		if list = append(list, p); len(list) > 2*limit {
			list = append([]*Proposal(nil), list[len(list)-limit:]...)
		}
		return true, nil
	})
	return list, err
}
