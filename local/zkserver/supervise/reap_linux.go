package supervise

import (
	"os"
	"os/signal"
	"unsafe"

	"golang.org/x/sys/unix"
)

// adopts reports whether the system makes orphans children of this process.
func adopts() bool { return os.Getpid() == 1 }

// reap waits for orphans until stop is called.
func (f *family) reap() (stop func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, unix.SIGCHLD)
	go func() {
		for {
			for f.reapOne() {
			}
			select {
			case <-signals:
			case <-f.changed:
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// reapOne reports whether it has waited for an orphan. While the server is the next to be waited for, orphans are not.
func (f *family) reapOne() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		return false
	}
	// siginfo_t: si_pid is the first of what follows signo, errno and code, aligned as a pointer is.
	offset := 3*unsafe.Sizeof(info.Signo) + unsafe.Sizeof(uintptr(0)) - unsafe.Sizeof(info.Signo)
	pid := int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), offset)))
	if pid == 0 || pid == f.own {
		return false
	}
	_, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
	return err == nil
}
