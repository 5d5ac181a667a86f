//go:build unix

package ui

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// resizeSignals are those that say that the terminal has another size.
var resizeSignals = []os.Signal{syscall.SIGWINCH}

// SuspendProcess stops the process group, as the terminal does for Ctrl-Z, and returns when it
// continues; at once if nobody could continue it (an orphaned process group).
func SuspendProcess() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if err := syscall.Kill(0, syscall.SIGTSTP); err != nil {
		return
	}
	select {
	case <-continued:
	case <-time.After(200 * time.Millisecond):
	}
}
