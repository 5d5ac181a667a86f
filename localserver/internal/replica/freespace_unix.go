//go:build linux || darwin || freebsd

package replica

import "syscall"

// freeSpace is how many bytes can still be written to a folder's file system, if that is known.
func freeSpace(dir string) (bytes int64, ok bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
