package main

import (
	"os"
	"syscall"
)

// syncData brings a file's content to disk, with only the metadata needed to read it back.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
