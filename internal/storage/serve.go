package storage

import (
	"context"
	"fmt"
	"os"

	"github.com/zkctl/zkctl/internal/ztree"
)

// OpenDirs reads the two folders version-2 of a server, that of the snapshots and that of
// the logs, which may be the same, and creates those that are missing with mode 0700. What has the
// name of a log or a snapshot and is no file is an error: it would be in the way of the file, or
// was to lead to it.
func OpenDirs(snapshots, logs string) (*Dir, error) {
	for _, path := range []string{snapshots, logs} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, fmt.Errorf("create data directory: %w", err)
		}
	}
	d, err := readDir(snapshots)
	if err != nil {
		return nil, err
	}
	if logs != snapshots {
		l, err := readDir(logs)
		if err != nil {
			return nil, err
		}
		d.Logs, d.NotFiles = l.Logs, append(d.NotFiles, l.NotFiles...)
	}
	if len(d.NotFiles) > 0 {
		return nil, d.NotFiles[0]
	}
	return d, nil
}

// LoadForServer loads the newest state for a server that is to go on with it. A log may hold
// nothing yet, or end in the middle of an entry, as a crash leaves it: those are the faults
// returned. A log that is damaged otherwise is an error: acknowledged transactions may stand
// behind the damage, which only a person can give up. trustEmpty is LoadOptions.TrustEmpty.
//
// Differs(logs-without-snapshot): Apache does not start on logs without a snapshot, even if they
// begin with the first transaction, and so have everything (FileTxnSnapLog.restore).
func (d *Dir) LoadForServer(trustEmpty bool) (*ztree.Tree, []*Fault, error) {
	t, faults, err := d.Load(context.Background(), LoadOptions{TrustEmpty: trustEmpty})
	for _, f := range faults {
		if kind, _, _ := ZxidOfName(f.File); kind == kindLog && !f.ofCrash() {
			return nil, faults, f // also where Load has failed: it is why
		}
	}
	return t, faults, err
}

// ofCrash tells whether a crash leaves a log so, with nothing lost that was acknowledged.
//
// Differs(damaged-log): Apache goes on after zeros, a last byte that is not 'B' and a length beyond
// the end of the file, whatever follows (see nextSound), and with a format version that it does not know.
func (f *Fault) ofCrash() bool {
	return f.Kind == NotAFile || f.Kind == CutOff || f.Kind == BadEnd
}
