package load

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm wakes a goroutine with the precision of the system: a timer of Go's scheduler may be a millisecond late, and a thread that
// sleeps holds on to the processor that the scheduler gave it.
type alarm struct{ f *os.File }

func newAlarm() *alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return &alarm{}
	}
	return &alarm{os.NewFile(uintptr(fd), "timerfd")}
}

// sleep sleeps for about d; who calls it looks at the clock.
func (a *alarm) sleep(d time.Duration) {
	if a.f == nil {
		time.Sleep(d)
		return
	}
	var expired [8]byte
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	raw, err := a.f.SyscallConn()
	if err == nil {
		controlErr := raw.Control(func(fd uintptr) { err = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
		if err == nil {
			err = controlErr
		}
	}
	if err == nil {
		_, err = a.f.Read(expired[:])
	}
	if err != nil {
		time.Sleep(d)
	}
}

func (a *alarm) close() {
	if a.f != nil {
		_ = a.f.Close()
	}
}
