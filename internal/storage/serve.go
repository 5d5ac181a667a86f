package storage

import (
	"context"
	"fmt"
	"os"

	"github.com/zkctl/zkctl/internal/ztree"
)

// OpenDirs reads a server's two folders version-2, for snapshots and for logs, which may be the
// same, and creates missing ones with mode 0700. It is an error if something with the name of a
// log or a snapshot is not a file: it would be in the way of the file, or was meant to point to
// it.
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

// LoadForServer loads the newest state for a server to continue from. A crash may have left a log
// without entries, or one that ends in the middle of an entry: those are the returned faults. Any
// other damage to a log is an error: acknowledged transactions may follow it, and only a person
// can give those up. trustEmpty is LoadOptions.TrustEmpty.
//
// Differs(logs-without-snapshot): Apache does not start from logs without a snapshot, even if
// they begin with the first transaction and so are complete (FileTxnSnapLog.restore).
func (d *Dir) LoadForServer(trustEmpty bool) (*ztree.Tree, []*Fault, error) {
	t, faults, err := d.Load(context.Background(), LoadOptions{TrustEmpty: trustEmpty})
	for _, f := range faults {
		if kind, _, _ := ZxidOfName(f.File); kind == kindLog && !f.ofCrash() {
			return nil, faults, f // if Load failed, this is why
		}
	}
	return t, faults, err
}

// ofCrash reports whether a crash leaves a log like this, without losing anything acknowledged.
//
// Differs(damaged-log): Apache continues after zeros, after a last byte that is not 'B', and
// after a length beyond the end of the file, whatever follows (see nextSound). It also continues
// with an unknown format version.
func (f *Fault) ofCrash() bool {
	return f.Kind == NotAFile || f.Kind == CutOff || f.Kind == BadEnd
}
