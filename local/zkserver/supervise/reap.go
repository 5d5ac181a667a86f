package supervise

import "sync"

// family is the children of this process: the server, for which exec.Cmd waits, and, if this process is the first of a
// container, orphans that the system makes its children.
type family struct {
	mu      sync.Mutex // held while a child starts, and while one is waited for
	own     int        // the server
	changed chan struct{}
}

func newFamily() *family { return &family{changed: make(chan struct{}, 1)} }

// start starts the server by a function that returns its process id.
func (f *family) start(start func() (pid int, err error)) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.own, err = start()
	return err
}

// ended says that the server has ended and been waited for.
func (f *family) ended() {
	f.mu.Lock()
	f.own = 0
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}
