//go:build unix

package atomicfile

import (
	"errors"
	"os"
)

// SyncDir brings a directory's list of names to disk.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
