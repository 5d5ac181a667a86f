package client

import "sync"

// dispatcher passes events to the configured function, one at a time and in order, on its own
// goroutine, so that the function may take its time and call the Conn.
type dispatcher struct {
	mu     sync.Mutex
	queue  []Event
	bytes  int // of the paths in queue
	closed bool
	wake   chan struct{}
}

// Limits on what may wait: events, and bytes of their paths.
const (
	maxEvents     = 100_000
	maxEventBytes = 16 << 20
)

func newDispatcher(f func(Event)) *dispatcher {
	d := &dispatcher{wake: make(chan struct{}, 1)}
	if f == nil {
		d.closed = true
		return d
	}
	go d.run(f)
	return d
}

func (d *dispatcher) run(f func(Event)) {
	for range d.wake {
		for {
			d.mu.Lock()
			if len(d.queue) == 0 {
				closed := d.closed
				d.mu.Unlock()
				if closed {
					return
				}
				break
			}
			e := d.queue[0]
			d.queue = d.queue[1:]
			d.bytes -= len(e.Path)
			d.mu.Unlock()
			f(e)
		}
	}
}

// full reports whether another event, with a path of this length, would be too many.
func (d *dispatcher) full(path int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.closed && (len(d.queue) >= maxEvents || d.bytes+path > maxEventBytes)
}

func (d *dispatcher) push(e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.queue = append(d.queue, e)
		d.bytes += len(e.Path)
		d.signal()
	}
}

// close ends the goroutine once the queue is empty.
func (d *dispatcher) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.signal()
}

func (d *dispatcher) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}
