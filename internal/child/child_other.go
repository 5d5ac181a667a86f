//go:build !unix

package child

import (
	"os"
	"os/exec"
)

// passedOn is what the program gets itself, as zkctl does, on the console that they share.
var passedOn = []os.Signal{os.Interrupt}

// terminate ends a program: it cannot be asked to.
var terminate = os.Kill

type group struct{}

func (*group) prepare(*exec.Cmd, *os.File) (ready func()) { return func() {} }
func (*group) begin(*os.Process) (end func())             { return func() {} }
func (*group) alive(*os.Process) bool                     { return false }
func (*group) signal(p *os.Process, sig os.Signal) {
	if sig == os.Kill {
		_ = p.Kill()
	}
}

func exitCode(s *os.ProcessState) int { return s.ExitCode() }

func lockThread() (unlock func()) { return func() {} }
