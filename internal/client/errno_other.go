//go:build !windows

package client

import "syscall"

// What the system says of a connection that the other side closed, and of a port on which
// nobody listens.
var (
	hangupErrnos = []error{syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE}
	errRefused   = error(syscall.ECONNREFUSED)
)
