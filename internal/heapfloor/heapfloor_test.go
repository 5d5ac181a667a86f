package heapfloor

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
)

func TestRoom(t *testing.T) {
	const mega = 1 << 20
	for _, test := range []struct {
		live uint64
		rate float64
		want uint64
	}{
		{0, 0, 16 * mega}, {16 * mega, 0, 32 * mega}, {48 * mega, 1e9, 64 * mega},
		{200 * mega, 0, 64 * mega}, {200 * mega, 20 * mega, 100 * mega}, {200 * mega, 1e9, 216 * mega},
		{1024 * mega, 0, 256 * mega},
	} {
		if got := room(test.live, test.rate); got != test.want {
			t.Errorf("%d bytes, filled at %g a second, have room for %d, want %d", test.live, test.rate, got, test.want)
		}
	}
}

// TestHold: the heap gets room while it is small, and in relation to its data less once it is not.
func TestHold(t *testing.T) {
	goal := func() uint64 {
		runtime.GC()
		s := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	Hold()
	if got := goal(); got < 20<<20 {
		t.Errorf("the heap is collected at %d bytes", got)
	}
	const size = 128 << 20
	data := make([]byte, size)
	if !await.Within(time.Minute, func() bool { return goal() < size*16/10 }) {
		t.Errorf("a heap of %d bytes is collected at %d", size, goal())
	}
	runtime.KeepAlive(data)
}
