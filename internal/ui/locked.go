package ui

import (
	"io"
	"sync"
)

// LockedWriter lets several goroutines write to W, one write at a time.
type LockedWriter struct {
	W   io.Writer
	mu  sync.Mutex
	err error
}

// Write writes to W.
func (l *LockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.W.Write(p)
	if l.err == nil {
		l.err = err
	}
	return n, err
}

// Failed is the first error of a write.
func (l *LockedWriter) Failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
