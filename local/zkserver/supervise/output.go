package supervise

import (
	"io"
	"sync"
)

// output is where the server's stdout and stderr go.
type output struct {
	to     io.Writer
	file   *rotated   // nil if the output is passed on
	faults chan error // has room for one

	mu   sync.Mutex
	tail []byte // of what the server wrote since begin, at most maxTail bytes
}

const maxTail = 16 << 10

func newOutput(opt *Options) *output {
	o := &output{faults: make(chan error, 1)}
	if opt.LogFile == "" {
		o.to = opt.Streams.Err
		return o
	}
	o.file = &rotated{path: opt.LogFile, limit: opt.LogSize, keep: opt.LogFiles, fault: func(err error) {
		select {
		case o.faults <- err:
		default:
		}
	}}
	o.to = o.file
	return o
}

// open makes sure that the output can be kept.
func (o *output) open() error {
	if o.file == nil {
		return nil
	}
	return o.file.open()
}

func (o *output) close() {
	if o.file != nil {
		_ = o.file.Close()
	}
}

// begin forgets what earlier lives of the server wrote.
func (o *output) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = nil
}

// Write always succeeds, so that the server never waits for its output.
func (o *output) Write(p []byte) (int, error) {
	_, _ = o.to.Write(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = append(o.tail, p...)
	if over := len(o.tail) - maxTail; over > 0 {
		o.tail = append([]byte(nil), o.tail[over:]...)
	}
	return len(p), nil
}

// end returns the end of what the server wrote since begin.
func (o *output) end() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.tail)
}
