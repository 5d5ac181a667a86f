package port

import "golang.org/x/sys/windows"

// errAddrInUse is what listening on a taken port fails with.
var errAddrInUse error = windows.WSAEADDRINUSE
