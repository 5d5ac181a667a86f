package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps with the precision of the system: a timer of Go's scheduler may be a millisecond late.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil) // who calls it looks at the clock
}
