// Package tempdir creates temporary folders that do not long outlive their process: if a process
// was killed, its folder is removed when the next one is created.
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
	lockFile = "lock" // in each folder; locked by its process
)

// Dir is a temporary folder of this process that only its user can access.
type Dir struct {
	path string
	lock *filelock.Lock
}

// Make creates a folder in the system's place for temporary files, and removes those of processes
// that have ended. kind is part of its name.
func Make(kind string) (*Dir, error) { return makeIn(os.TempDir(), prefix, kind) }

// MakeIn creates a folder in another folder, and removes those of the same kind there whose processes have ended.
func MakeIn(parent, kind string) (*Dir, error) { return makeIn(parent, prefix+kind+"-", kind) }

func makeIn(parent, swept, kind string) (*Dir, error) {
	sweep(parent, swept)
	for {
		path, err := os.MkdirTemp(parent, prefix+kind+"-")
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
			return nil, fmt.Errorf("create a temporary folder: %w", err)
		}
		return &Dir{path, lock}, nil
	}
}

// Path returns the folder's path.
func (d *Dir) Path() string { return d.path }

// Remove removes the folder and everything in it. It does nothing on a nil Dir.
func (d *Dir) Remove() error {
	if d == nil {
		return nil
	}
	_ = d.lock.Close()
	return os.RemoveAll(d.path)
}

// sweep removes the folders whose names begin with the prefix and that no process holds.
func sweep(in, prefix string) {
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
			continue // another user's, or not locked yet
		}
		free := filelock.Take(lock) == nil
		if free {
			_ = os.RemoveAll(path) // while nobody else can lock it
		}
		_ = lock.Close()
		if free && runtime.GOOS == "windows" { // an open file cannot be removed there
			_ = os.RemoveAll(path)
		}
	}
}
