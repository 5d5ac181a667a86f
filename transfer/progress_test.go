package transfer

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestProgress(t *testing.T) {
	var shown bytes.Buffer
	env := &command.Env{Streams: &ui.Streams{Out: io.Discard, Err: &shown, ErrTTY: true, Width: 40}}
	p := newProgress(env, "read")
	if line := p.line(1000, 2*time.Second); line != "read 1,000 znodes, 500/s" {
		t.Errorf("%q", line)
	}
	p.of(3000)
	p.bytes.Add(2 << 20)
	if line := p.line(1000, 2*time.Second); line != "read 1,000/3,000 znodes, 2.0 MiB, 500/s, 4s left" {
		t.Errorf("%q", line)
	}
	if line := p.line(3001, 2*time.Second); strings.Contains(line, "/3,000") || strings.Contains(line, "left") {
		t.Errorf("more than there were: %q", line)
	}
	p.show(func() string { return "too early" })
	if shown.Len() > 0 {
		t.Errorf("in the first moments: %q", shown.String())
	}
	await.Within(time.Second, func() bool { // nothing is shown before
		p.set(1000)
		return shown.Len() > 0
	})
	p.done()
	if text := shown.String(); !strings.HasPrefix(text, "\rread 1,000/3,000 znodes") || !strings.HasSuffix(text, "\r\x1b[K") {
		t.Errorf("%q", text)
	}
	for line := range strings.SplitSeq(shown.String(), "\r") {
		if n := ui.Width(strings.TrimSuffix(line, "\x1b[K")); n >= env.Streams.Width {
			t.Errorf("%q takes %d columns of %d", line, n, env.Streams.Width)
		}
	}
	// Elsewhere, lines.
	shown.Reset()
	env.Streams.ErrTTY = false
	p = newProgress(env, "read")
	p.set(1)
	p.next = time.Now().Add(-time.Second)
	p.set(2)
	if text := shown.String(); !strings.HasPrefix(text, "read 2 znodes, ") || strings.Count(text, "\n") != 1 {
		t.Errorf("%q", text)
	}
}
