//go:build unix

package child

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// passedOn are the signals that the program gets instead of zkctl.
var passedOn = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH}

// terminate asks a program to end.
const terminate = syscall.SIGTERM

// group is the process group of the program.
type group struct {
	terminal *os.File // whose foreground group it is; nil for none
	own      bool     // it is not zkctl's
}

// prepare makes the program start in its group. ready is called when it has started.
func (g *group) prepare(cmd *exec.Cmd, terminal *os.File) (ready func()) {
	ready = func() {}
	// Without watching for stops, Ctrl-Z would leave the terminal to a group that nobody continues.
	if g.own = terminal == nil || watchesStops; !g.own {
		return ready
	}
	attr := &syscall.SysProcAttr{Setpgid: true}
	if terminal != nil {
		g.terminal = terminal
		attr.Foreground, attr.Ctty = true, int(terminal.Fd())
		signal.Ignore(syscall.SIGTTOU) // it takes the terminal while it is still in the background
		ready = func() { signal.Reset(syscall.SIGTTOU) }
	}
	dieWithParent(attr)
	cmd.SysProcAttr = attr
	return ready
}

// alive reports whether anything of the group runs, once the program itself has ended.
func (g *group) alive(p *os.Process) bool { return g.own && syscall.Kill(-p.Pid, 0) == nil }

// begin is called once the program runs, and end when it has ended.
func (g *group) begin(p *os.Process) (end func()) {
	if g.terminal == nil {
		return func() {}
	}
	stop := g.watchStops(p.Pid)
	return func() {
		stop()
		g.take(unix.Getpgrp())
	}
}

// take makes a process group that of the terminal's foreground. A background process that does so would be stopped.
func (g *group) take(pgrp int) {
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	_ = unix.IoctlSetPointerInt(int(g.terminal.Fd()), unix.TIOCSPGRP, pgrp)
}

func (g *group) signal(p *os.Process, sig os.Signal) {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return
	}
	if g.own {
		_ = syscall.Kill(-p.Pid, s)
	} else {
		_ = p.Signal(s)
	}
	if s == terminate { // a stopped program would not notice
		if g.own {
			_ = syscall.Kill(-p.Pid, syscall.SIGCONT)
		} else {
			_ = p.Signal(syscall.SIGCONT)
		}
	}
}

// exitCode is what a shell would say of the end of a program.
func exitCode(s *os.ProcessState) int {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return s.ExitCode()
}
