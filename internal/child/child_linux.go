package child

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/zkctl/zkctl/internal/ui"
)

// watchesStops says that watchStops works here.
const watchesStops = true

// dieWithParent asks the program to end when zkctl is killed.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = terminate }

// lockThread keeps the goroutine on its thread: for Linux, it is the thread whose end is the parent's.
func lockThread() (unlock func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

// watchStops does for Ctrl-Z what a shell expects: when the program stops, zkctl takes the terminal and stops, too; when it continues, the
// program gets the terminal and continues.
func (g *group) watchStops(pid int) (stop func()) {
	done := make(chan struct{})
	go func() {
		for {
			var info unix.Siginfo
			if err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil); err == unix.EINTR {
				continue
			} else if err != nil || info.Code != cldStopped {
				return
			}
			_ = unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG, nil) // seen
			select {
			case <-done:
				return
			default:
			}
			g.take(unix.Getpgrp())
			ui.SuspendProcess()
			g.take(pid)
			_ = syscall.Kill(-pid, syscall.SIGCONT)
		}
	}()
	return func() { close(done) }
}

// cldStopped is CLD_STOPPED of siginfo.
const cldStopped = 5
