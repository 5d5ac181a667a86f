// Package filelock locks files between processes.
package filelock

import (
	"errors"
	"fmt"
	"os"
)

// ErrLocked says that somebody else holds the lock.
var ErrLocked = errors.New("it is locked by another process")

// Lock is held until Close, or until the process ends in whatever way.
type Lock struct{ f *os.File }

// Try locks the file at path, which it creates, or fails with ErrLocked. The file stays: to
// remove it would let two hold a lock of the same name.
func Try(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Take locks an open file until it is closed.
func Take(f *os.File) error { return lock(f) }

// Free reports whether an existing file is locked by nobody; false if that cannot be known.
func Free(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return lock(f) == nil
}

// Held tells whether somebody holds the lock of an existing file. Whoever calls Try in the
// same instant may find it locked.
func Held(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(lock(f), ErrLocked)
}

// Close gives the lock back. A nil Lock is none.
func (l *Lock) Close() error {
	if l == nil {
		return nil
	}
	return l.f.Close()
}
