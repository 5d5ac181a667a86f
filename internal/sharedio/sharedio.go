// Package sharedio has writers that several goroutines may use.
package sharedio

import (
	"io"
	"strings"
	"sync"
)

// Writer lets several goroutines write to W, one write at a time.
type Writer struct {
	W   io.Writer
	mu  sync.Mutex
	err error
}

// Write writes to W.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.W.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// Failed is the first error of a write.
func (w *Writer) Failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Buffer keeps what is written, and can be read meanwhile.
type Buffer struct {
	Keep int // keep at least this many of the last bytes; 0 keeps all

	mu sync.Mutex
	b  []byte
}

// Write never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b = append(b.b, p...)
	if over := len(b.b) - b.Keep; b.Keep > 0 && over > b.Keep {
		b.b = append(b.b[:0], b.b[over:]...)
	}
	return len(p), nil
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.b)
}

// Tail is the last lines, without the last line's end.
func (b *Buffer) Tail(lines int) string {
	all := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Reset forgets what has been written.
func (b *Buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b = nil
}
