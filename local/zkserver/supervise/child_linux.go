package supervise

import (
	"os/exec"
	"syscall"
)

// separate keeps the terminal's Ctrl-C from the child, and has the system kill it when this process ends: also one that
// hangs or was stopped.
func separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
