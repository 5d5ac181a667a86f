//go:build !windows

package port

import "syscall"

// errAddrInUse is the error for listening on a taken port.
var errAddrInUse error = syscall.EADDRINUSE
