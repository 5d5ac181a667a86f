package client

import (
	"runtime/debug"
	"sync"
)

// walkGC is the value of GOGC during walks, which hold little but make garbage fast.
const walkGC = 40

var walking struct {
	sync.Mutex
	n, before int // walks, and GOGC without them
}

// LessGarbage lets garbage be collected sooner until the last walk is done.
func LessGarbage() (done func()) {
	walking.Lock()
	defer walking.Unlock()
	if walking.n++; walking.n == 1 {
		if walking.before = debug.SetGCPercent(walkGC); walking.before < walkGC { // lower by the user, or off
			debug.SetGCPercent(walking.before)
		}
	}
	return func() {
		walking.Lock()
		defer walking.Unlock()
		if walking.n--; walking.n == 0 {
			debug.SetGCPercent(walking.before)
		}
	}
}
