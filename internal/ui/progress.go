package ui

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress is a line on Err that tells how far a long command is. It shows nothing unless
// Err is a terminal, nor in the first half second. It belongs to one goroutine.
type Progress struct {
	bar  *progressbar.ProgressBar // nil when Err is no terminal
	from time.Time
}

// progressDelay is the time before the line first appears; progressPause that between two of its states.
const (
	progressDelay = 500 * time.Millisecond
	progressPause = 100 * time.Millisecond
)

// NewProgress begins a progress line. what is the verb; total is 0 when it is not known. A
// command whose answer itself goes to the terminal needs none.
func (s *Streams) NewProgress(what string, total int64) *Progress {
	if !s.ErrTTY {
		return &Progress{}
	}
	width := max(5, min(40, s.Width-len(what)-45)) // beside the bar stand counts, rate and times
	if total <= 0 {
		total = -1
	}
	return &Progress{
		from: time.Now().Add(progressDelay),
		bar: progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(Raw(s.Err)),
			progressbar.OptionSetDescription(what),
			progressbar.OptionSetWidth(width),
			progressbar.OptionShowCount(),
			progressbar.OptionThrottle(progressPause),
			progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine that writes beside the command
			progressbar.OptionSetRenderBlankState(false),
			progressbar.OptionUseANSICodes(true),
			progressbar.OptionClearOnFinish()),
	}
}

// Set tells how much is done.
func (p *Progress) Set(done int64) {
	if p.bar != nil && time.Now().After(p.from) {
		_ = p.bar.Set64(done)
	}
}

// Done removes the line. It may be called more than once.
func (p *Progress) Done() {
	if p.bar != nil && time.Now().After(p.from) {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
	}
	p.bar = nil
}
