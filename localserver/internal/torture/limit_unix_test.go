//go:build unix

package torture

import (
	"os/signal"
	"syscall"
)

// limitFiles makes writes beyond a length fail with EFBIG.
func limitFiles(length uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: length, Max: length})
}
