//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

const stopSignal, continueSignal = syscall.SIGSTOP, syscall.SIGCONT

// peakMemory returns the largest resident set of an ended process, in bytes.
func peakMemory(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss) // bytes here, kibibytes elsewhere
	}
	return int64(usage.Maxrss) << 10
}
