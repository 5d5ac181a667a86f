package ui

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress is a line on Err that shows the progress of a long command. It shows nothing unless
// Err is a terminal, and nothing in the first half second. It is not safe for concurrent use.
type Progress struct {
	bar     *progressbar.ProgressBar // nil if Err is not a terminal
	from    time.Time
	streams *Streams
	texts   bool // it shows texts, no bar
	said    bool // one is there
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
		from: time.Now().Add(progressDelay), streams: s,
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

// Say shows a text, which has no control characters, in place of the bar.
func (p *Progress) Say(text func() string) {
	now := time.Now()
	if p.bar == nil || now.Before(p.from) {
		return
	}
	p.from, p.texts, p.said = now.Add(progressPause), true, true
	line := []rune(text())
	_, _ = io.WriteString(Raw(p.streams.Err), eraseLine+string(line[:min(len(line), max(p.streams.Width-1, 0))])) // as the bar
}

const eraseLine = "\r\x1b[K"

// Clear removes what Say has shown, until it shows the next text, so that something else can be written.
func (p *Progress) Clear() {
	if p.said {
		p.said = false
		_, _ = io.WriteString(Raw(p.streams.Err), eraseLine) // as the bar
	}
}

// Done removes the line. It may be called repeatedly.
func (p *Progress) Done() {
	p.Clear()
	if p.bar != nil && !p.texts && time.Now().After(p.from) {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
	}
	p.bar = nil
}
