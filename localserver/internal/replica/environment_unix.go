//go:build unix

package replica

import (
	"math"
	"os"
	"strings"
	"syscall"
)

// openFiles returns the number of open file descriptors and the process's limit; -1 means unknown.
func openFiles() (open, limit int64) {
	open, limit = -1, -1
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if d, err := os.Open(dir); err == nil {
			names, err := d.Readdirnames(-1)
			d.Close()
			if err == nil {
				open = int64(len(names)) - 1 // without d
				break
			}
		}
	}
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) == nil {
		limit = int64(min(uint64(r.Cur), math.MaxInt64))
	}
	return open, limit
}

func osVersion() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text)), err
}
