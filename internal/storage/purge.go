package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// MinPurgeKeep is the smallest number of snapshots that zkCleanup.sh agrees to keep.
const MinPurgeKeep = 3

// Purge is what can be removed from a data directory without loss (PurgeTxnLog), in zxid order.
type Purge struct {
	Keep      []File // snapshots to keep: the newest complete ones
	Snapshots []File // to delete: older than those kept
	Logs      []File // to delete: their transactions are all in the oldest snapshot kept
	Damaged   []*Fault
}

// PlanPurge plans to keep the count newest complete snapshots, every log that one of them needs,
// and everything newer. Unlike PurgeTxnLog, which looks only at a snapshot's last bytes, it reads
// each one to its checksum; a damaged one does not count, and Damaged says why. If no snapshot is
// complete, nothing is to be deleted. logs and snapshots may be the same directory.
func PlanPurge(ctx context.Context, logs, snapshots *Dir, count int) (*Purge, error) {
	if count < 1 {
		return nil, errors.New("purge: at least one snapshot must be kept")
	}
	p := &Purge{}
	for i := len(snapshots.Snapshots) - 1; i >= 0 && len(p.Keep) < count; i-- {
		file := snapshots.Snapshots[i]
		err := CheckSnapshot(ctx, file.Path)
		if fault := (*Fault)(nil); errors.As(err, &fault) {
			p.Damaged = append(p.Damaged, fault)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("purge: %w", err)
		}
		p.Keep = append([]File{file}, p.Keep...)
	}
	if len(p.Keep) == 0 {
		return p, nil
	}
	oldest := p.Keep[0].Zxid
	for _, f := range snapshots.Snapshots {
		if f.Zxid < oldest {
			p.Snapshots = append(p.Snapshots, f)
		}
	}
	needed := logs.LogsFrom(oldest)
	for _, f := range logs.Logs[:len(logs.Logs)-len(needed)] {
		if f.Zxid < oldest {
			p.Logs = append(p.Logs, f)
		}
	}
	return p, nil
}

// PlanPurgeIn is PlanPurge for the folders of these names, which may be the same.
func PlanPurgeIn(ctx context.Context, logDir, snapDir string, count int) (*Purge, error) {
	logs, err := ReadDir(logDir)
	if err != nil {
		return nil, err
	}
	snapshots := logs
	if snapDir != logDir {
		if snapshots, err = ReadDir(snapDir); err != nil {
			return nil, err
		}
	}
	return PlanPurge(ctx, logs, snapshots, count)
}

// Old returns the files to delete, in PurgeTxnLog's order.
func (p *Purge) Old() []File { return slices.Concat(p.Logs, p.Snapshots) }

// CheckSnapshot reads a snapshot to its last checksum; damage is a *Fault. A snapshot without a
// checksum was left by a server that died while writing it.
func CheckSnapshot(ctx context.Context, path string) error {
	r, err := OpenSnapshot(path)
	if err != nil {
		return err
	}
	defer r.Close()
	for ctx.Err() == nil {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			if r.Trailer().Seals == 0 {
				return &Fault{File: path, Offset: r.Offset(), Kind: CutOff, Err: errors.New("the file ends before its checksum"),
					Meaning: PassedOver}
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
