package logformatter

import (
	"io"
	"sync/atomic"
)

// batchSize is how many bytes of text are written at once.
const batchSize = 128 << 10

// batches writes text on its own goroutine while the next batch is formatted. It is not safe for
// concurrent use.
type batches struct {
	buf   []byte // the text being formatted
	full  chan batch
	empty chan []byte
	done  chan struct{}
	err   atomic.Pointer[error] // the first failed write
}

type batch struct {
	text    []byte
	written chan struct{} // if not nil, closed once everything up to this batch is written
}

func newBatches(w io.Writer) *batches {
	b := &batches{full: make(chan batch, 1), empty: make(chan []byte, 3), done: make(chan struct{})}
	room := func() []byte { return make([]byte, 0, batchSize+batchSize/8) }
	b.buf = room()
	b.empty <- room()
	b.empty <- room()
	go func() {
		defer close(b.done)
		for next := range b.full {
			if b.err.Load() == nil && len(next.text) > 0 {
				if _, err := w.Write(next.text); err != nil {
					b.err.Store(&err)
				}
			}
			if next.written != nil {
				close(next.written)
			}
			if cap(next.text) > 8*batchSize { // after an enormous transaction
				next.text = room()
			}
			b.empty <- next.text[:0]
		}
	}()
	return b
}

// more is called after each piece of text and writes once there is enough of it.
func (b *batches) more() error {
	if len(b.buf) < batchSize {
		return nil
	}
	b.full <- batch{text: b.buf}
	b.buf = <-b.empty
	return b.failed()
}

// drain waits until everything is written.
func (b *batches) drain() error {
	last := batch{b.buf, make(chan struct{})}
	b.full <- last
	<-last.written
	b.buf = <-b.empty
	return b.failed()
}

func (b *batches) failed() error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}

// close writes what is left and ends the goroutine.
func (b *batches) close() error {
	b.full <- batch{text: b.buf}
	close(b.full)
	<-b.done
	return b.failed()
}
