//go:build linux || darwin || freebsd

package disk

import (
	"os"
	"syscall"
)

func spaceOf(dir string) (Space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Space{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	size := int64(s.Bsize)
	free := int64(s.Bavail) * size
	return Space{Free: free, Total: int64(s.Blocks-s.Bfree)*size + free}, nil
}

func shared(a, b string) (bool, error) {
	x, err := device(a)
	if err != nil {
		return false, err
	}
	y, err := device(b)
	return x == y, err
}

func device(dir string) (uint64, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errUnknown
	}
	return uint64(stat.Dev), nil
}
