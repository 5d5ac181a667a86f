package transfer

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

const (
	// lineEvery is the time between two lines of progress where there is no terminal.
	lineEvery = 10 * time.Second
	// lineAfter is the time before the line on a terminal first appears.
	lineAfter = 500 * time.Millisecond
)

// progress shows on Err how far a run is: znodes, bytes of data, rate, time left. That is a line that changes on a terminal, else
// a line now and then.
type progress struct {
	env   *command.Env
	what  string
	unit  string // what is counted
	bar   *ui.Status
	bytes atomic.Int64
	total atomic.Int64 // 0 if unknown
	from  time.Time
	next  time.Time
}

func newProgress(env *command.Env, what string) *progress {
	p := &progress{env: env, what: what, unit: "znodes", bar: env.Streams.NewStatus()}
	p.begin()
	return p
}

// begin starts the clock.
func (p *progress) begin() {
	p.from = time.Now()
	p.next = p.from.Add(lineEvery)
}

// of says how many there are.
func (p *progress) of(total int) { p.total.Store(int64(total)) }

// set says that n are done.
func (p *progress) set(n int) {
	p.show(func() string { return p.line(n, time.Since(p.from)) })
}

func (p *progress) show(text func() string) {
	switch now := time.Now(); {
	case p.env.Streams.ErrTTY:
		if now.Sub(p.from) > lineAfter {
			p.bar.Set(text)
		}
	case now.After(p.next):
		p.next = now.Add(lineEvery)
		p.env.Note("%s", text())
	}
}

// line describes the progress when n are done after a time.
func (p *progress) line(n int, took time.Duration) string {
	rate, total := float64(n)/max(took.Seconds(), 0.001), int(p.total.Load())
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", p.what, command.Thousands(n))
	if total >= n && total > 0 {
		fmt.Fprintf(&b, "/%s", command.Thousands(total))
	}
	b.WriteString(" " + p.unit)
	if bytes := p.bytes.Load(); bytes > 0 {
		fmt.Fprintf(&b, ", %s", ui.Bytes(bytes))
	}
	fmt.Fprintf(&b, ", %s/s", command.Thousands(int(rate)))
	if total > n && n > 0 {
		fmt.Fprintf(&b, ", %v left", time.Duration(float64(total-n)/rate*float64(time.Second)).Round(time.Second))
	}
	return b.String()
}

// reader counts the bytes of what is read.
func (p *progress) reader(r io.Reader) io.Reader { return &counted{p, r} }

type counted struct {
	p *progress
	r io.Reader
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.bytes.Add(int64(n))
	c.p.show(func() string { return c.p.what + " " + ui.Bytes(c.p.bytes.Load()) })
	return n, err
}

// done removes the line, until there is more to show.
func (p *progress) done() { p.bar.Done() }
