package storage

import (
	"os"
	"syscall"
)

// syncData brings a file's content to disk, and of its metadata what reading it back needs.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
