package port

import "golang.org/x/sys/windows"

// errAddrInUse is the error for listening on a taken port.
var errAddrInUse error = windows.WSAEADDRINUSE
