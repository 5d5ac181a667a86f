// Package await polls for conditions that nothing announces.
package await

import (
	"context"
	"time"
)

// Until asks, less and less often, down to 50 times a second, until the answer is true. Its error is that of ctx.
func Until(ctx context.Context, done func() bool) error {
	wait := time.Millisecond
	for !done() {
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
		wait = min(2*wait, 20*time.Millisecond)
	}
	return nil
}

// Within is Until for at most a time. It reports whether the answer was true.
func Within(limit time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return Until(ctx, done) == nil
}

// TB is what That needs of a testing.TB.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// That ends a test unless the answer becomes true within a time; what says what is waited for: "the member serves".
func That(t TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	if !Within(limit, done) {
		t.Fatalf("not within %v: %s", limit, what)
	}
}
