// Package atomicfile writes files that exist completely or not at all, whatever stops the process
// or the machine: under a hidden temporary name in the same folder, synced, then renamed.
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/lazyre"
)

// File is a file being written. It gets its name only in Commit. It is not safe for concurrent
// use.
type File struct {
	path    string
	replace bool
	f       *os.File // locked, so that sweep leaves it alone
}

// Create starts a new file of mode 0600. It fails with fs.ErrExist if path exists.
func Create(path string) (*File, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, exists(path)
	}
	return begin(path)
}

// Replace starts a file that replaces path. An existing file keeps its mode, and a symbolic link
// stays a link; a new file has mode 0600.
func Replace(path string) (*File, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, statErr := os.Stat(path)
	switch {
	case statErr != nil, info.Mode().IsRegular():
	case info.IsDir():
		return nil, &fs.PathError{Op: "replace", Path: path, Err: errors.New("it is a folder; name a file")}
	default: // such as /dev/null, of which the rest of the system would then miss the device
		return nil, &fs.PathError{Op: "replace", Path: path, Err: errors.New("it is a device, pipe or socket; name a file")}
	}
	f, err := begin(path)
	if err != nil {
		return nil, err
	}
	f.replace = true
	if statErr == nil {
		if err := f.f.Chmod(info.Mode().Perm()); err != nil && runtime.GOOS != "windows" {
			f.Abandon()
			return nil, f.named(err)
		}
	}
	return f, nil
}

// Write replaces the content of the file at path, as Replace does.
func Write(path string, content []byte) error { return write(path, content, false) }

// WriteOwn is Write for a secret: the file has mode 0600 even if it exists with another.
func WriteOwn(path string, content []byte) error { return write(path, content, true) }

func write(path string, content []byte, own bool) error {
	f, err := Replace(path)
	if err != nil {
		return err
	}
	defer f.Abandon()
	if own {
		if err := f.f.Chmod(0o600); err != nil && runtime.GOOS != "windows" {
			return f.named(err)
		}
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Commit()
}

// leftover matches the temporary names.
var leftover = lazyre.New(`^\..*\.zkctl-[0-9]+$`)

func begin(path string) (*File, error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	sweep(dir)
	for {
		f, err := os.CreateTemp(dir, "."+name+".zkctl-*") // of mode 0600
		if err != nil {
			return nil, (&File{path: path}).named(err)
		}
		_ = filelock.Take(f) // on a file system without locks nothing is swept either
		// Another process may have swept it before it was locked.
		if mine, err := f.Stat(); err == nil {
			if there, err := os.Lstat(f.Name()); err != nil || !os.SameFile(mine, there) {
				f.Close()
				continue
			}
		}
		return &File{path: path, f: f}, nil
	}
}

// sweep removes what killed writers left: temporary files that nobody has locked.
func sweep(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		if path := filepath.Join(dir, name); leftover().MatchString(name) && filelock.Free(path) {
			_ = os.Remove(path)
		}
	}
}

// Write implements io.Writer. After an error, Commit must not be called.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	return n, f.named(err)
}

// Truncate changes the size of what has been written, like os.File.Truncate.
func (f *File) Truncate(size int64) error { return f.named(f.f.Truncate(size)) }

// Commit brings the file to disk and gives it its name. On error there is no file, or the old
// one.
func (f *File) Commit() error {
	defer f.Abandon()
	if err := f.f.Sync(); err != nil {
		return f.named(err)
	}
	if runtime.GOOS == "windows" { // an open file cannot have a second name there
		if err := f.f.Close(); err != nil {
			return f.named(err)
		}
	}
	if err := f.publish(); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(f.path))
}

func (f *File) publish() error {
	if !f.replace {
		// Unlike a rename, a link does not replace a file that was created meanwhile.
		switch err := os.Link(f.f.Name(), f.path); {
		case errors.Is(err, fs.ErrExist):
			return exists(f.path)
		case err == nil:
			return nil
		}
	}
	return os.Rename(f.f.Name(), f.path)
}

// Abandon discards the file. After Commit it does nothing.
func (f *File) Abandon() {
	if f.f == nil {
		return
	}
	_ = os.Remove(f.f.Name())
	_ = f.f.Close()
	if runtime.GOOS == "windows" { // an open file cannot be removed there
		_ = os.Remove(f.f.Name())
	}
	f.f = nil
}

func exists(path string) error { return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist} }

// named returns err with the final path in place of the temporary one.
func (f *File) named(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return &fs.PathError{Op: e.Op, Path: f.path, Err: e.Err}
	}
	return err
}
