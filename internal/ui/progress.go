package ui

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress is a line on Err that shows the progress of a long command. It shows nothing unless
// Err is a terminal, and nothing in the first half second. It is not safe for concurrent use.
type Progress struct {
	bar  *progressbar.ProgressBar // nil if Err is not a terminal
	from time.Time
}

// progressDelay is the time before the line first appears; progressPause is the time between
// updates.
const (
	progressDelay = 500 * time.Millisecond
	progressPause = 100 * time.Millisecond
)

// NewProgress starts a progress line. what is the verb; total is 0 if not known. A command whose
// answer goes to the terminal needs none.
func (s *Streams) NewProgress(what string, total int64) *Progress {
	if !s.ErrTTY {
		return &Progress{}
	}
	width := max(5, min(40, s.Width-len(what)-45)) // counts, rate and times are next to the bar
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
			progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine that writes besides the command
			progressbar.OptionSetRenderBlankState(false),
			progressbar.OptionUseANSICodes(true),
			progressbar.OptionClearOnFinish()),
	}
}

// Set updates how much is done.
func (p *Progress) Set(done int64) {
	if p.bar != nil && time.Now().After(p.from) {
		_ = p.bar.Set64(done)
	}
}

// Done removes the line. It may be called repeatedly.
func (p *Progress) Done() {
	if p.bar != nil && time.Now().After(p.from) {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
	}
	p.bar = nil
}
