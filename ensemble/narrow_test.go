package ensemble

import (
	"errors"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
)

// Neither the table nor the sentences below it are broken by the terminal.
func TestStatusOnNarrowTerminal(t *testing.T) {
	s := &probe.Survey{Notes: []string{strings.Repeat("a note of several words ", 5)}}
	for i, host := range []string{"zk1.example.com", "zk2.example.com", "zk3.example.com"} {
		r := &probe.Reading{State: probe.Serving, Mode: "follower", Zxid: answer.Some(answer.Hex(1<<32 + 7)), Doors: []probe.Door{probe.Words}}
		r.ID, r.Addresses = answer.Some(int64(i+1)), []client.Address{{Host: host, Port: 2181}}
		switch i {
		case 0:
			r.Mode = "leader"
		case 2:
			r.State, r.Error = probe.Silent, errors.New("no answer in time")
		}
		s.Readings = append(s.Readings, r)
	}
	for _, width := range []int{60, 80} {
		v := &statusView{streams: &ui.Streams{OutTTY: true, Width: width}, rates: true}
		for line := range strings.Lines(v.text(s)) {
			if n := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d columns: %q has %d", width, line, n)
			}
		}
	}
}
