//go:build !linux

package supervise

// adopts is false: only on Linux is a process the first of a container.
func adopts() bool { return false }

func (*family) reap() (stop func()) { return func() {} }
