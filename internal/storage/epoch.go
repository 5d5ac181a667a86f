package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/zkctl/zkctl/internal/atomicfile"
)

// The files that hold a server's epochs, next to its snapshots.
const (
	AcceptedEpochFile = "acceptedEpoch" // the last epoch that this server accepted from a leader
	CurrentEpochFile  = "currentEpoch"  // the last epoch whose leader this server synchronised with
)

// WriteEpoch replaces an epoch file in the folder version-2. The file is on disk when WriteEpoch
// returns; a crash leaves the old number or the new one (AtomicFileOutputStream). The temporary
// name is the one that Apache's servers look for (QuorumPeer.loadDataBase).
func WriteEpoch(dir, name string, epoch int64) (err error) {
	path := filepath.Join(dir, name)
	tmp := path + ".tmp"
	defer func() {
		if err != nil {
			_ = os.Remove(tmp)
			err = fmt.Errorf("write epoch %d to %s: %w", epoch, path, err)
		}
	}()
	if err := removeFile(tmp); err != nil { // to open a FIFO would wait for its reader
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(strconv.FormatInt(epoch, 10)); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return atomicfile.SyncDir(dir)
}

// removeFile removes a file, which may no longer exist.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
