// Package filelock locks files between processes.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ErrLocked says that somebody else holds the lock.
var ErrLocked = errors.New("it is locked by another process")

// Lock is held until Close, or until the process ends in whatever way.
type Lock struct{ f *os.File }

// Try locks the file at path, which it creates, or fails with ErrLocked. The file stays: to
// remove it would let two hold a lock of the same name. It has this process's id in it, for
// Holder.
func Try(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := note(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f}, nil
}

func note(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	return err
}

// Holder is the process that holds the lock of a file by Try; 0 when nobody does.
func Holder(path string) (pid int) {
	if !Held(path) {
		return 0
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
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
