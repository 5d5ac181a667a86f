package ui

import (
	"io"
	"sync"
)

// LockedWriter lets several goroutines write to W, one write at a time.
type LockedWriter struct {
	W  io.Writer
	mu sync.Mutex
}

// Write writes to W.
func (l *LockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.W.Write(p)
}
