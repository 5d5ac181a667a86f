// Package heapfloor gives the heap of a long-running process the room that suits its size. With Go's default, a small heap
// is collected every few megabytes, which took a fifth of the CPU time of a busy server, and a large one that is no longer
// busy holds as much garbage as data.
package heapfloor

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// least is how much garbage a heap may hold besides as much as it has data.
	least = 16 << 20
	// plenty is how much garbage a large heap may hold in any case, and share is the same in percent of its data.
	plenty, share = 64 << 20, 25
	// every is how often a large heap is collected at most, as long as it may hold the garbage.
	every = 5 * time.Second
	// most is GOGC for a heap with hardly any data: it is collected at 4 MiB · most / 100.
	most = 500
	// calm is how long a process must make little garbage before what it has is returned.
	calm = time.Second
)

// keeper adapts GOGC to the heap and to how fast it is filled.
type keeper struct {
	mu      sync.Mutex
	percent int // GOGC as it has set it

	live, allocated uint64 // bytes, at the last look
	at              time.Time
	timer           *time.Timer // runs while the process is busy
}

var once sync.Once

// Hold adapts GOGC from now on, after each collection. A GOGC in the environment takes precedence, and so does one that
// the process sets later, for as long as it lasts.
func Hold() {
	once.Do(func() {
		if os.Getenv("GOGC") != "" {
			return
		}
		k := &keeper{percent: most, at: time.Now()}
		k.timer = time.AfterFunc(time.Hour, k.settle)
		k.timer.Stop()
		debug.SetGCPercent(most)
		k.watch()
	})
}

// room returns how much garbage a heap with so many bytes of data may hold if so many are allocated a second.
func room(live uint64, rate float64) uint64 {
	return min(live+least, max(plenty, live*share/100, uint64(rate*every.Seconds())))
}

// watch has the next collection noticed.
func (k *keeper) watch() {
	type canary struct{ *byte }
	runtime.AddCleanup(&canary{new(byte)}, func(struct{}) {
		k.collected()
		k.watch()
	}, struct{}{})
}

// rate looks at the heap, and returns how many bytes a second were allocated since the last look.
func (k *keeper) rate() float64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	now, before, then := time.Now(), k.allocated, k.at
	k.live, k.allocated, k.at = s[0].Value.Uint64(), s[1].Value.Uint64(), now
	return float64(k.allocated-before) / max(now.Sub(then).Seconds(), 0.001)
}

func (k *keeper) collected() {
	k.mu.Lock()
	defer k.mu.Unlock()
	rate := k.rate()
	if k.busy(rate) {
		k.timer.Reset(calm)
	}
	k.give(rate)
}

// busy reports whether a process that allocates so fast may hold more garbage than one at rest.
func (k *keeper) busy(rate float64) bool { return room(k.live, rate) > room(k.live, 0) }

// give sets GOGC for the heap as it was at the last look.
func (k *keeper) give(rate float64) {
	live := max(k.live, 1)
	percent := int(min(room(live, rate)*100/live, most))
	if change := percent - k.percent; 16*max(change, -change) < k.percent { // not worth stopping the world
		return
	}
	if was := debug.SetGCPercent(percent); was != k.percent { // somebody else's
		debug.SetGCPercent(was)
		return
	}
	k.percent = percent
}

// settle returns the garbage of a process that was busy once it no longer is.
func (k *keeper) settle() {
	k.mu.Lock()
	rate := k.rate()
	busy := k.busy(rate)
	if busy {
		k.timer.Reset(calm)
	} else {
		k.give(0)
	}
	k.mu.Unlock()
	if !busy {
		debug.FreeOSMemory()
	}
}
