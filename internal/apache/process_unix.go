//go:build unix

package apache

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// Detach gives a command a process group of its own, so that Ctrl-C in the
// terminal of a demonstration or a test run does not end it before its owner does.
func Detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
func pause(p *os.Process) error     { return p.Signal(syscall.SIGSTOP) }
func resume(p *os.Process) error    { return p.Signal(syscall.SIGCONT) }

// guard is a shell that outlives this process by a moment: when its stdin
// ends, because this process ended in whatever way, it kills the server and
// removes the server's folder. Unlike Linux' PDEATHSIG it works on every unix
// and does not depend on which thread started the child.
type guard struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// guardScript reads process ids, one a line; the last is the one to kill. A
// "0" says that there is none.
const guardScript = `trap '' HUP INT TERM
pid=0
while read -r line; do pid=$line; done
[ "$pid" = 0 ] || kill -KILL "$pid" 2>/dev/null
rm -rf "$1"`

func newGuard(dir string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "zkctl-guard", dir)
	Detach(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the guard of its process: %w", err)
	}
	return &guard{cmd: cmd, stdin: stdin}, nil
}

// watch names the process to kill; 0 for none.
func (g *guard) watch(pid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cmd != nil {
		_, _ = fmt.Fprintln(g.stdin, pid)
	}
}

// release ends the guard without its killing anything.
func (g *guard) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Kill()
	_ = g.stdin.Close()
	_ = g.cmd.Wait()
	g.cmd = nil
}
