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

// Detach gives a command its own process group, so that Ctrl-C in the terminal of a demo or a test
// does not end it before its owner does.
func Detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
func resume(p *os.Process) error    { return p.Signal(syscall.SIGCONT) }

// pause returns once no thread runs any more, where the system tells.
func pause(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return awaitStop(p)
}

// guard is a shell that briefly outlives this process: when its stdin ends because this process has
// ended, however that happens, it kills the server and removes its folder. Unlike Linux's
// PDEATHSIG, it works on every Unix and does not depend on which thread started the child.
type guard struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// guardScript reads process ids, one per line; the last is the one to kill, or "0" for none.
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

// release ends the guard without killing anything.
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
