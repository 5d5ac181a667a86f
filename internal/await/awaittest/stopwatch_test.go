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
}

// TestLateOnABusyMachine runs twice as many tasks as there are processors.
func TestLateOnABusyMachine(t *testing.T) {
	if stalled() == 0 {
		t.Skip("this system does not tell when tasks wait for a processor")
	}
	s := Start()
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
	time.Sleep(300 * time.Millisecond)
	limit := s.Took() * 2 / 3 // 200ms, unless the machine is very busy
	if took, late := s.Late(limit); late {
		t.Errorf("%v on a busy machine is late for %v", took, limit)
	}
}
