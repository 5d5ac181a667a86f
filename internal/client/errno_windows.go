package client

import "syscall"

// What the system says of a connection that the other side closed, and of a port on which
// nobody listens.
var (
	hangupErrnos = []error{syscall.WSAECONNRESET, syscall.WSAECONNABORTED, syscall.EPIPE}
	errRefused   = error(syscall.Errno(10061)) // WSAECONNREFUSED
)
