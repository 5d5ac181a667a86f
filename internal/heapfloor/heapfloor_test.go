package heapfloor

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestHold(t *testing.T) {
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	Hold()
	runtime.GC()
	metrics.Read(goal)
	if got := goal[0].Value.Uint64(); got < 2*size {
		t.Errorf("the heap is collected at %d bytes, below %d", got, 2*size)
	}
}
