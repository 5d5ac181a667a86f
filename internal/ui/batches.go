package ui

import (
	"io"
	"slices"
	"sync/atomic"
)

// BatchSize is how many bytes of text Batches write at once.
const BatchSize = 128 << 10

// batchSpare is usually more than what is appended between two calls of More.
const batchSpare = BatchSize / 8

// Batches write text on their own goroutine while more of it is formatted. They are not safe for concurrent use.
type Batches struct {
	Text []byte // not passed on yet; append to it, then call More

	full  chan batch
	empty chan []byte
	done  chan struct{}
	err   atomic.Pointer[error] // of the first write that failed
}

type batch struct {
	text    []byte
	written chan struct{} // if not nil, closed once everything up to this batch is written
}

// NewBatches writes to w. If first is set, its result is awaited and written before anything else; meanwhile up to
// 8 MiB wait. Close must be called.
func NewBatches(w io.Writer, first func() []byte) *Batches {
	waiting := 1
	if first != nil {
		waiting = 64
	}
	// There is room for every buffer: what waits, what is written, and the one that becomes Text next.
	b := &Batches{full: make(chan batch, waiting), empty: make(chan []byte, waiting+2), done: make(chan struct{})}
	b.Text = b.room()
	go b.write(w, first)
	return b
}

func (b *Batches) write(w io.Writer, first func() []byte) {
	defer close(b.done)
	put := func(text []byte) {
		if b.err.Load() == nil && len(text) > 0 {
			if _, err := w.Write(text); err != nil {
				b.err.Store(&err)
			}
		}
	}
	if first != nil {
		put(first())
	}
	for next := range b.full {
		put(next.text)
		if next.written != nil {
			close(next.written)
		}
		if cap(next.text) > 8*BatchSize { // something enormous
			continue
		}
		select {
		case b.empty <- next.text[:0]:
		default:
		}
	}
}

func (b *Batches) room() []byte {
	select {
	case text := <-b.empty:
		return text
	default:
		return make([]byte, 0, BatchSize+batchSpare)
	}
}

// More is called after each piece of text, and passes it on once there is enough of it. What is far too long is
// passed on in parts, so that what waits is bounded. Its error is that of the first write that failed.
func (b *Batches) More() error {
	if len(b.Text) < BatchSize {
		return nil
	}
	if len(b.Text) <= BatchSize+batchSpare {
		b.full <- batch{text: b.Text}
	} else {
		for part := range slices.Chunk(b.Text, BatchSize) {
			b.full <- batch{text: append(b.room(), part...)}
		}
	}
	b.Text = b.room()
	return b.Failed()
}

// Drain waits until everything is written.
func (b *Batches) Drain() error {
	last := batch{b.Text, make(chan struct{})}
	b.full <- last
	<-last.written
	b.Text = b.room()
	return b.Failed()
}

// Failed is the error of the first write that failed.
func (b *Batches) Failed() error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Close writes what is left and ends the goroutine.
func (b *Batches) Close() error {
	b.full <- batch{text: b.Text}
	close(b.full)
	<-b.done
	return b.Failed()
}

// CloseAfter closes after the text has been made; an error of that takes precedence.
func (b *Batches) CloseAfter(err error) error {
	if closed := b.Close(); err == nil {
		return closed
	}
	return err
}
