//go:build unix

package storage

import "os"

// syncDir brings a directory's list of names to disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
