// Package tempdir makes temporary folders that do not outlive their process for long: one whose
// process was killed is removed when the next is made.
package tempdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/zkctl/zkctl/internal/filelock"
)

const (
	prefix   = "zkctl-"
	lockFile = "lock" // in each folder; its process holds it
)

// Dir is a temporary folder of this process, for its user alone.
type Dir struct {
	path string
	lock *filelock.Lock
}

// Make makes a folder in the system's place for temporary files, and removes those of processes
// that have ended. kind is a word for its name.
func Make(kind string) (*Dir, error) {
	sweep(os.TempDir())
	for {
		path, err := os.MkdirTemp("", prefix+kind+"-")
		if err != nil {
			return nil, err
		}
		lock, err := filelock.Try(filepath.Join(path, lockFile))
		// Another process may have swept it before it was locked.
		if _, gone := os.Stat(filepath.Join(path, lockFile)); gone != nil || errors.Is(err, filelock.ErrLocked) {
			_ = lock.Close()
			continue
		}
		if err != nil {
			_ = os.RemoveAll(path)
			return nil, fmt.Errorf("make a temporary folder: %w", err)
		}
		return &Dir{path, lock}, nil
	}
}

// Path is where the folder is.
func (d *Dir) Path() string { return d.path }

// Remove removes the folder with all that is in it. A nil Dir is none.
func (d *Dir) Remove() error {
	if d == nil {
		return nil
	}
	_ = d.lock.Close()
	return os.RemoveAll(d.path)
}

// sweep removes the folders that nobody holds.
func sweep(in string) {
	f, err := os.Open(in)
	if err != nil {
		return
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		path := filepath.Join(in, name)
		if info, err := os.Lstat(path); err != nil || !info.IsDir() || !mine(info) {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR, 0)
		if err != nil {
			continue // somebody else's, or not locked yet
		}
		free := filelock.Take(lock) == nil
		if free {
			_ = os.RemoveAll(path) // while nobody else can take it
		}
		_ = lock.Close()
		if free && runtime.GOOS == "windows" { // where an open file cannot be removed
			_ = os.RemoveAll(path)
		}
	}
}
