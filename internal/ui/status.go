package ui

import (
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/escape"
)

// Status is a line on Err that says how a long command is doing. It shows nothing unless Err is a terminal. It is not safe for
// concurrent use.
type Status struct {
	s     *Streams
	shown time.Time
}

// NewStatus returns a status line that shows nothing yet.
func (s *Streams) NewStatus() *Status { return &Status{s: s} }

// statusPause is the time between two updates.
const statusPause = 100 * time.Millisecond

// Set replaces the line, if an update is due; only then is the text made.
func (l *Status) Set(text func() string) {
	now := time.Now()
	if !l.s.ErrTTY || now.Sub(l.shown) < statusPause {
		return
	}
	l.shown = now
	l.s.Measure()
	_, _ = fmt.Fprintf(Raw(l.s.Err), "\r%s\x1b[K", Cut(escape.Line(text()), max(1, l.s.Width-1)))
}

// Done removes the line. It may be called repeatedly.
func (l *Status) Done() {
	if l.s.ErrTTY && !l.shown.IsZero() {
		_, _ = fmt.Fprint(Raw(l.s.Err), "\r\x1b[K")
		l.shown = time.Time{}
	}
}
