package storage

import (
	"context"
	"fmt"
	"os"

	"github.com/zkctl/zkctl/internal/ztree"
)

// OpenDirs reads the two folders version-2 of a server, that of the snapshots and that of
// the logs, which may be the same, and creates those that are missing with mode 0700.
func OpenDirs(snapshots, logs string) (*Dir, error) {
	for _, path := range []string{snapshots, logs} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, fmt.Errorf("create data directory: %w", err)
		}
	}
	d, err := readDir(snapshots)
	if err != nil || logs == snapshots {
		return d, err
	}
	l, err := readDir(logs)
	if err != nil {
		return nil, err
	}
	d.Logs = l.Logs
	return d, nil
}

// LoadForServer loads the newest state for a server that is to go on with it. A log may end
// in the middle of an entry, as a crash leaves it. One with a wrong checksum is an error:
// acknowledged transactions may stand behind it, which only a person can give up.
func (d *Dir) LoadForServer() (*ztree.Tree, []*Fault, error) {
	t, faults, err := d.Load(context.Background(), LoadOptions{})
	if err != nil {
		return nil, faults, err
	}
	for _, f := range faults {
		if kind, _, _ := ZxidOfName(f.File); kind == kindLog && (f.Kind == BadChecksum || f.Kind == BadRecord) {
			return nil, faults, f
		}
	}
	return t, faults, nil
}
