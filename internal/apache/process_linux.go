package apache

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// awaitStop waits until a child that was sent SIGSTOP has stopped: on a busy machine its threads
// run on for a while. It reaps nothing.
func awaitStop(p *os.Process) error {
	for {
		err := unix.Waitid(unix.P_PID, p.Pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ECHILD): // it has ended, and has been waited for
			return os.ErrProcessDone
		default:
			return err
		}
	}
}
