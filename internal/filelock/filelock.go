// Package filelock locks files between processes.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/await"
)

// ErrLocked means that another process holds the lock.
var ErrLocked = errors.New("locked by another process")

// Lock is held until Close, or until the process ends, for whatever reason.
type Lock struct{ f *os.File }

// patience is how long Try waits for a lock that is only held for a moment longer: by Held, or by a child process that was being
// started when the lock was given up, and has all files until exec.
const patience = 100 * time.Millisecond

// Try locks the file at path, which it creates if necessary, or fails with ErrLocked. The file is
// not removed: otherwise two processes could hold a lock of the same name. It contains this
// process's id, for Holder.
func Try(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	await.Within(patience, func() bool {
		err = lock(f)
		return !errors.Is(err, ErrLocked)
	})
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	l := &Lock{f}
	if err := l.Note(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return l, nil
}

// Note replaces what the file says of its holder. Holder understands nothing but a process id.
func (l *Lock) Note(text string) error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err := l.f.WriteAt([]byte(text), 0)
	return err
}

// File returns the file, for a child process that is to hold the lock too: on unix it is held until every process that has
// the file has ended.
func (l *Lock) File() *os.File { return l.f }

// Holder returns the process that holds the lock of a file from Try, or 0 if none does.
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

// Free reports whether nobody has locked an existing file; it returns false if that cannot be
// determined.
func Free(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return lock(f) == nil
}

// Held reports whether somebody holds the lock of an existing file.
func Held(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(lock(f), ErrLocked)
}

// Close releases the lock. It does nothing on a nil Lock.
func (l *Lock) Close() error {
	if l == nil {
		return nil
	}
	return l.f.Close()
}
