//go:build !unix

package apache

import (
	"errors"
	"os"
	"os/exec"
)

var errNoSignals = errors.New("this system has no such signal")

// Detach does nothing here: there are no process groups.
func Detach(*exec.Cmd) {}

func terminate(p *os.Process) error { return p.Kill() }
func pause(*os.Process) error       { return errNoSignals }
func resume(*os.Process) error      { return errNoSignals }

// guard does nothing here: a server outlives a process that dies without
// calling Stop.
type guard struct{}

func newGuard(string) (*guard, error) { return &guard{}, nil }
func (*guard) watch(int)              {}
func (*guard) release()               {}
