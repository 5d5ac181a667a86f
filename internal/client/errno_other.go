//go:build !windows

package client

import "syscall"

// The system's errors for a connection closed by the other side, and for a port that nobody
// listens on.
var (
	hangupErrnos = []error{syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE}
	errRefused   = error(syscall.ECONNREFUSED)
)
