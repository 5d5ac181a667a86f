package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
)

// InFlight is how many single requests may wait for replies at the same time.
const InFlight = 256

// Fatal returns the error, or nil if it is an answer of the server.
func Fatal(err error) error {
	var op *client.OpError
	if errors.As(err, &op) {
		return nil
	}
	return err
}

// ForEach calls f for 0…n-1, at most limit at the same time, in numeric order, until ctx ends or
// f fails. errs, of length n, receives the reason for those not called. progress is called on the
// caller's goroutine with about how many are done.
func ForEach(ctx context.Context, n, limit int, f func(i int) error, errs []error, progress func(done int)) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		progress(max(0, i+1-limit))
		if ctx.Err() != nil {
			<-slots
			errs[i] = context.Cause(ctx)
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := f(i); err != nil {
				cancel(err)
			}
			<-slots
		}()
	}
	wg.Wait()
}

// settleTime is how long an interrupted command waits for pending replies.
const settleTime = 3 * time.Second

// Settling returns a context for requests whose outcome should be known even after ctx is
// cancelled: it ends settleTime after ctx.
func Settling(ctx context.Context) (context.Context, context.CancelFunc) {
	settled, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(settleTime, cancel)
		context.AfterFunc(settled, func() { timer.Stop() })
	})
	return settled, func() { stop(); cancel() }
}

// Stopped returns the error of an interrupted command, or nil if err is not an interruption.
func Stopped(ctx context.Context, err error, text string) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return &ui.ExitError{Code: ui.ExitInterrupted, Err: fmt.Errorf("interrupted: %s", text)}
}

// Thousands formats a number as 1,234,567.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
