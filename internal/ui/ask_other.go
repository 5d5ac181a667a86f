//go:build !unix

package ui

import (
	"context"
	"os"
)

// awaitInput cannot wait without reading on this system: Ctrl-C takes effect after the answer.
func awaitInput(ctx context.Context, _ *os.File) error { return ctx.Err() }
