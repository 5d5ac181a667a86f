// Package ui is how zkctl talks to people and programs: streams that know whether they are
// terminals, colour, dates, output formats and exit codes.
package ui

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// Streams are what a command reads from and writes to. The answer goes to Out, everything else to
// Err. No command uses os.Stdout. Streams from System that are terminals escape what a terminal
// would obey; colour and the like come from Paint and Control.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	InTTY, OutTTY, ErrTTY bool // whether each is a terminal
	Color                 bool // whether Out has colours
	Width                 int  // columns of the terminal, 80 if unknown
	Height                int  // its rows, 24 if unknown
}

// System returns the process's own streams. NO_COLOR and TERM=dumb turn colours off.
func System() *Streams {
	s := &Streams{
		In: os.Stdin, Out: color.Output, Err: color.Error,
		InTTY: IsTerminal(os.Stdin), OutTTY: IsTerminal(os.Stdout), ErrTTY: IsTerminal(os.Stderr),
		Width: 80, Height: 24,
	}
	if s.OutTTY {
		s.Out = Terminal(s.Out)
	}
	color := os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if s.ErrTTY {
		s.Err = &terminal{w: s.Err, color: color, width: func() int {
			w, _, _ := term.GetSize(int(os.Stderr.Fd()))
			return w
		}}
	}
	s.Color = s.OutTTY && color
	s.Measure()
	return s
}

// UseColor sets whether Out has colours, and whether errors on a terminal do.
func (s *Streams) UseColor(on bool) {
	s.Color = on
	if t := terminalOf(s.Err); t != nil {
		t.color = on
	}
}

// Measure updates Width and Height to the terminal's current size.
func (s *Streams) Measure() {
	if w, h, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 && h > 0 {
		s.Width, s.Height = w, h
	}
}

// IsTerminal reports whether f is a terminal, including Cygwin's.
func IsTerminal(f *os.File) bool {
	return isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd())
}

// Format is the form of a command's answer.
type Format string

// Formats.
const (
	Text Format = "text"
	JSON Format = "json"
)

// ParseFormat parses the value of -o.
func ParseFormat(s string) (Format, error) {
	switch f := Format(strings.ToLower(s)); f {
	case Text, JSON:
		return f, nil
	}
	return "", fmt.Errorf("unknown output format %q; use text or json", s)
}

// JavaDate formats a time, in milliseconds since 1970, as java.util.Date.toString does, in the
// local time zone: "Sun Nov 22 03:12:48 UTC 2026".
func JavaDate(ms int64) string {
	return time.UnixMilli(ms).Local().Format("Mon Jan 02 15:04:05 MST 2006")
}

// The exit codes, which are zkCli's.
const (
	ExitOK             = 0
	ExitFailed         = 1 // Differs(failures-exit-1): zkCli exits with 0 after some failures.
	ExitNo             = 1 // of a predicate
	ExitUnsure         = 2 // of a predicate that could not tell
	ExitUnknownCommand = 127
	ExitInterrupted    = 130
)

// ExitError carries the exit code for an error. Without one, it is ExitFailed.
type ExitError struct {
	Code   int
	Err    error // nil if everything was already reported
	Passed bool  // it is the code of a program that ran, and counts even if a signal ended the command
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns the error.
func (e *ExitError) Unwrap() error { return e.Err }
