package awaittest

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestLate(t *testing.T) {
	s := Start()
	time.Sleep(20 * time.Millisecond)
	if took, late := s.Late(time.Hour); late || took < 20*time.Millisecond {
		t.Errorf("%v is late for an hour", took)
	}
	if took, late := s.Late(time.Millisecond); !late {
		t.Errorf("%v is in time for a millisecond", took)
	}
	if stalled() == 0 {
		t.Skip("this system does not tell when tasks wait for a processor")
	}

	// Twice as many tasks as processors.
	s = Start()
	var stop atomic.Bool
	defer stop.Store(true)
	for range 2 * runtime.NumCPU() {
		go func() {
			runtime.LockOSThread()
			for !stop.Load() {
			}
		}()
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2 * runtime.NumCPU()))
	for s.Took() < 300*time.Millisecond {
		time.Sleep(time.Millisecond)
	}
	if took, late := s.Late(200 * time.Millisecond); late {
		t.Errorf("%v on a busy machine is late for 200ms", took)
	}
}
