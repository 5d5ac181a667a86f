package snapshot

import (
	"io"
	"sync/atomic"
)

// out is a buffer that its own goroutine writes as it fills, so that formatting and writing
// overlap. flush ends the goroutine and must be called.
type out struct {
	b     []byte
	full  chan []byte
	free  chan []byte
	done  chan struct{}
	ended atomic.Bool // a write failed
	err   error       // valid once done is closed
}

const (
	outSize  = 128 << 10
	outSpare = 8 << 10 // usually more than what is added between two calls of settle
	outMost  = 64      // how many full buffers may wait
)

// newOut writes to w. If first is set, its result is awaited and written before anything else.
func newOut(w io.Writer, first func() []byte) *out {
	o := &out{full: make(chan []byte, outMost), free: make(chan []byte, outMost), done: make(chan struct{})}
	o.b = make([]byte, 0, outSize+outSpare)
	go o.drain(w, first)
	return o
}

func (o *out) drain(w io.Writer, first func() []byte) {
	defer close(o.done)
	if first != nil {
		o.write(w, first())
	}
	for b := range o.full {
		o.write(w, b)
		select {
		case o.free <- b[:0]:
		default:
		}
	}
}

func (o *out) write(w io.Writer, b []byte) {
	if o.err != nil || len(b) == 0 {
		return
	}
	if _, o.err = w.Write(b); o.err != nil {
		o.ended.Store(true)
	}
}

// settle passes the buffer on when it is full. If a large znode has stretched it, it is passed on
// in pieces, so that outMost also limits the bytes that wait.
func (o *out) settle() error {
	if len(o.b) < outSize {
		return nil
	}
	if rest := o.b; len(rest) > outSize+outSpare {
		for len(rest) > 0 {
			piece := rest[:min(outSize, len(rest))]
			rest = rest[len(piece):]
			o.full <- append(o.empty(), piece...)
		}
	} else {
		o.full <- o.b
	}
	o.b = o.empty()
	if o.ended.Load() {
		return errEnough
	}
	return nil
}

func (o *out) empty() []byte {
	select {
	case b := <-o.free:
		return b
	default:
		return make([]byte, 0, outSize+outSpare)
	}
}

// flush writes what is left and returns the write error, if any.
func (o *out) flush() error {
	o.full <- o.b
	close(o.full)
	<-o.done
	return o.err
}

// flushAfter flushes after a walk; an error of the walk takes precedence.
func (o *out) flushAfter(walk error) error {
	err := o.flush()
	if walk != nil {
		return walk
	}
	return err
}
