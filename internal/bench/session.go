package main

import (
	"context"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// openSession opens a session, no later than the deadline of ctx, or after timeout, 30 s if it is 0. Its requests may take as long.
func openSession(ctx context.Context, addr string, timeout time.Duration) (*wiretest.Client, error) {
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	wait := timeout
	if at, ok := ctx.Deadline(); ok {
		wait = max(min(wait, time.Until(at)), time.Nanosecond)
	}
	c, err := wiretest.Dialer{Wait: wait}.Dial(addr, timeout, nil)
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	return c, c.SetDeadline(time.Time{})
}
