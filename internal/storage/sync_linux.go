package storage

import (
	"os"
	"syscall"
)

// SyncData brings a file's content to disk, with only the metadata needed to read it back, as FileChannel.force(false) does.
func SyncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
