package client

import "syscall"

// The system's errors for a connection closed by the other side, and for a port that nobody
// listens on.
var (
	hangupErrnos = []error{syscall.WSAECONNRESET, syscall.WSAECONNABORTED, syscall.EPIPE}
	errRefused   = error(syscall.Errno(10061)) // WSAECONNREFUSED
)
