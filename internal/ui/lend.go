package ui

import (
	"os"
	"sync/atomic"

	"golang.org/x/term"
)

// lent counts the programs that have the terminal.
var lent atomic.Int32

// Lent reports whether another program has the terminal. Then Ctrl-C is for that program, although the
// terminal sends it to this process too.
func Lent() bool { return lent.Load() > 0 }

// Lend runs a program that takes the terminal, and gives the terminal its modes back afterwards. What was
// typed earlier is for later commands.
func (s *Streams) Lend(run func() error) error {
	if in, ok := s.In.(Ahead); ok {
		in.Answer(func(string) bool { return false })
	}
	lent.Add(1)
	defer lent.Add(-1)
	if s.InTTY {
		if before, err := term.GetState(int(os.Stdin.Fd())); err == nil {
			defer func() { _ = term.Restore(int(os.Stdin.Fd()), before) }()
		}
	}
	return run()
}
