//go:build unix

package ui

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// awaitInput returns when f has something to read, or when the context ends.
func awaitInput(ctx context.Context, f *os.File) error {
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	for ctx.Err() == nil {
		n, err := unix.Poll(fds, 50) // milliseconds
		if err != nil && !errors.Is(err, unix.EINTR) {
			return nil // not a file that can be polled: reading will tell
		}
		if n > 0 {
			return nil
		}
	}
	return ctx.Err()
}
