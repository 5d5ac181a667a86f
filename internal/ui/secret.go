package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// AskSecret asks for a line that the terminal does not echo. In must be the process's terminal.
// Ctrl-C and Ctrl-D end it with the exit code of an interruption; so does the end of the context.
func (s *Streams) AskSecret(ctx context.Context, question string) (string, error) {
	if in, ok := s.In.(Ahead); ok {
		in.Answer(func(string) bool { return false }) // what was typed earlier is for later commands
	}
	fd := int(os.Stdin.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("turn off the terminal's echo: %w", err)
	}
	defer func() {
		_ = term.Restore(fd, before)
		fmt.Fprintln(s.Err)
	}()
	terminal := term.NewTerminal(secretLine{ctx, s.In, Raw(s.Err)}, "")
	line, err := terminal.ReadPassword(question)
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		return "", &ExitError{Code: ExitInterrupted, Err: errors.New("interrupted")}
	}
	return line, err
}

// secretLine is the terminal as golang.org/x/term uses it.
type secretLine struct {
	ctx context.Context
	in  io.Reader
	out io.Writer
}

func (l secretLine) Read(p []byte) (int, error) {
	if f, ok := l.in.(*os.File); ok {
		if err := awaitInput(l.ctx, f); err != nil {
			return 0, err
		}
	}
	return l.in.Read(p)
}

func (l secretLine) Write(p []byte) (int, error) { return l.out.Write(p) }
