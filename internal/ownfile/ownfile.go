// Package ownfile opens files that only their user may access: mode 0600, in a folder of mode
// 0700, and never a link to another file.
package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

// Dir creates the folder; if it exists, Dir closes it to others.
func Dir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil || !shared(info) {
		return err
	}
	return os.Chmod(path, 0o700)
}

// Open opens the file, and closes it to others if it was open to them. Anything but a regular
// file, such as a symbolic link, is refused: it could lead to another file.
func Open(path string, flag int) (*os.File, error) {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, refused(path, info)
	}
	f, err := os.OpenFile(path, flag|noFollow, 0o600)
	if errors.Is(err, syscall.ELOOP) { // it was just created
		return nil, fmt.Errorf("%s is a symbolic link; remove it", path)
	}
	if err != nil {
		return nil, err
	}
	info, err = f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = refused(path, info)
	case shared(info):
		if err = f.Chmod(0o600); err != nil {
			err = fmt.Errorf("others can read it (mode %04o): %w", info.Mode().Perm(), err)
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func refused(path string, info fs.FileInfo) error {
	what := "not a file"
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		what = "a symbolic link"
	case info.IsDir():
		what = "a folder"
	}
	return fmt.Errorf("%s is %s; remove it", path, what)
}

func shared(info fs.FileInfo) bool {
	return runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}
