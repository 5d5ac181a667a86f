//go:build !unix

package ui

import "os"

// resizeSignals are none: the size is asked for whenever something is drawn.
var resizeSignals []os.Signal

// SuspendProcess does nothing: there is no job control.
func SuspendProcess() {}
