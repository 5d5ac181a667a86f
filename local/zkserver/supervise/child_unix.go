//go:build unix

package supervise

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/zkctl/zkctl/internal/filelock"
)

// inherit lets the child hold the lock too.
func inherit(cmd *exec.Cmd, lock *filelock.Lock) { cmd.ExtraFiles = []*os.File{lock.File()} }

// terminate asks a process to end, and reports whether this system can.
func terminate(p *os.Process) bool {
	_ = p.Signal(syscall.SIGTERM)
	_ = p.Signal(syscall.SIGCONT)
	return true
}

// dumpThreads has a JVM write the stacks of its threads to its output.
func dumpThreads(p *os.Process) {
	_ = p.Signal(syscall.SIGQUIT)
	_ = p.Signal(syscall.SIGCONT)
}

type bound struct{}

func bind(*os.Process) (bound, error) { return bound{}, nil }
func (bound) release()                {}
