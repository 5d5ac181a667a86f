package localserver

import (
	"context"
	"strings"
	"sync"
	"time"
)

// testStart limits the start of a server for a test.
const testStart = time.Minute

// TB is the part of a test that New needs, implemented by *testing.T, *testing.B and *testing.F.
// With it, programs that are not tests need not link the package testing.
type TB interface {
	Helper()
	Failed() bool
	Cleanup(func())
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// New starts what opt describes (by default, one server) for a test or benchmark, and closes it
// at the end. If it cannot start, the test fails. A failed test shows the last lines of the log,
// unless opt sends it elsewhere.
func New(t TB, opt ...Options) *Ensemble {
	t.Helper()
	var o Options
	switch len(opt) {
	case 0:
	case 1:
		o = opt[0]
	default:
		t.Fatalf("localserver.New takes one Options, not %d", len(opt))
	}
	tail := &tailWriter{}
	if o.Log == nil {
		o.Log = tail
	}
	ctx, cancel := context.WithTimeout(context.Background(), testStart)
	defer cancel()
	e, err := Start(ctx, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, tail)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last lines of the local ZooKeeper's log:\n%s", tail)
		}
		if err := e.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return e
}

// tailWriter keeps the last lines.
type tailWriter struct {
	mu    sync.Mutex
	lines []string
}

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, strings.TrimRight(string(p), "\n"))
	if over := len(w.lines) - 50; over > 0 {
		w.lines = append(w.lines[:0], w.lines[over:]...)
	}
	return len(p), nil
}

func (w *tailWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.lines, "\n")
}
