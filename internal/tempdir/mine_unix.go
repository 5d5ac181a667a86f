//go:build unix

package tempdir

import (
	"io/fs"
	"os"
	"syscall"
)

// mine reports whether a folder belongs to this user and nobody else can have put anything into
// it.
func mine(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && info.Mode().Perm()&0o077 == 0
}
