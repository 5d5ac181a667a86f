//go:build unix && !linux

package child

import "syscall"

// watchesStops says that watchStops works here.
const watchesStops = false

func dieWithParent(*syscall.SysProcAttr) {}

func lockThread() (unlock func()) { return func() {} }

func (g *group) watchStops(int) (stop func()) { return func() {} }
