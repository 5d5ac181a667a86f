//go:build darwin || freebsd

package disk

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func fileSystemOf(dir string) (FileSystem, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return FileSystem{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	text := func(b []byte) string {
		s, _, _ := strings.Cut(string(b), "\x00")
		return s
	}
	f := FileSystem{Type: text(s.Fstypename[:]), Source: text(s.Mntfromname[:]), Mount: text(s.Mntonname[:])}
	f.Kind = kindOf(f.Type)
	return f, nil
}

func (f *FileSystem) traffic() (Traffic, error) { return Traffic{}, errUnknown }
