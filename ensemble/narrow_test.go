package ensemble

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
)

// The reason why an AdminServer does not answer is named, unless none runs there.
func TestClosedDoors(t *testing.T) {
	s := &probe.Survey{}
	for i, failure := range []error{errors.New("no answer in time"), probe.ErrForeign, probe.Reason(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), nil} {
		r := &probe.Reading{State: probe.Serving, Mode: "follower", Tried: []probe.Attempt{{Door: probe.Words, Err: probe.ErrNotWhitelisted}}}
		r.Addresses, r.AdminPort = []client.Address{{Host: fmt.Sprintf("zk%d", i+1), Port: 2181}}, 8080+i
		if failure != nil {
			r.Tried = append(r.Tried, probe.Attempt{Door: probe.Admin, Err: failure})
		}
		s.Readings = append(s.Readings, r)
	}
	want := "? is unknown: only srvr is open at zk1:2181, zk2:2181, zk3:2181, zk4:2181, and no AdminServer of theirs answers at port 8081, 8082; " +
		"AdminServer of zk1:2181 on port 8080: no answer in time; 4lw.commands.whitelist=mntr,conf in zoo.cfg, or --admin-port, shows the rest"
	if got := closed(s); len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
}

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
