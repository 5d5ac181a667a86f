//go:build unix && !linux

package supervise

import (
	"os/exec"
	"syscall"
)

// separate keeps the terminal's Ctrl-C from the child.
func separate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
