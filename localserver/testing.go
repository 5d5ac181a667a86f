package localserver

import (
	"context"
	"time"

	"github.com/zkctl/zkctl/internal/sharedio"
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
	tail := &sharedio.Buffer{Keep: 64 << 10}
	if o.Log == nil {
		o.Log = tail
	}
	ctx, cancel := context.WithTimeout(context.Background(), testStart)
	defer cancel()
	e, err := Start(ctx, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, tail.Tail(50))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last lines of the local ZooKeeper's log:\n%s", tail.Tail(50))
		}
		if err := e.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return e
}
