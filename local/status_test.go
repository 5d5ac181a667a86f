package local

import (
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// What a member does not report is unknown, not 0.
func TestStatusOfAClosedMember(t *testing.T) {
	st := &Status{Name: "dev", State: "running", Members: []localserver.Status{{ID: 1, Role: "follower", Engine: localserver.Apache, PID: 8, Addr: "a:1", Version: "3.8", Sessions: -1, DataSize: -1, Watches: -1}}}
	if got := st.text(&ui.Streams{}); strings.Count(got, "  ?") != 3 || strings.Contains(got, "-1") {
		t.Error(got)
	}
}

// A narrow terminal gets the columns that matter, a pipe gets all.
func TestStatusFits(t *testing.T) {
	st := &Status{Name: "dev", State: "running", PID: 7, DataDir: "/data", Memory: 30 << 20, Members: []localserver.Status{
		{ID: 1, Role: "leader", Engine: localserver.Embedded, Addr: "127.0.0.1:20001", DataDir: "/data/1", Version: "3.8", Zxid: 0x12300000001, Epoch: 0x123},
		{ID: 2, Role: "follower", Engine: localserver.Embedded, Addr: "127.0.0.1:20002", DataDir: "/data/2", Version: "3.8", Zxid: 0x12300000000, Epoch: 0x123, Lag: 1},
		{ID: 3, Role: "stopped", Engine: localserver.Embedded, Addr: "127.0.0.1:20003", DataDir: "/data/3"},
		{ID: 4, Role: "observer", Engine: localserver.Apache, PID: 8, Addr: "127.0.0.1:20004", DataDir: "/elsewhere", Memory: 99 << 20, Version: "3.8"},
	}}
	for _, c := range []struct {
		tty       bool
		width     int
		has, lack []string
	}{
		{false, 60, []string{"MEMORY", "DIRECTORY", "WATCHES", "ENGINE", "30 MiB*", "99 MiB", "/elsewhere"}, nil},
		{true, 200, []string{"MEMORY", "DIRECTORY", "WATCHES", "ENGINE"}, nil},
		{true, 100, []string{"MEMORY", "DIRECTORY", "ADDRESS"}, []string{"WATCHES"}},
		{true, 60, []string{"ID", "ROLE", "ZXID", "LAG", "SESSIONS", "CONNS"}, []string{"MEMORY", "ADDRESS", "share"}},
	} {
		got := st.text(&ui.Streams{OutTTY: c.tty, Width: c.width})
		_, table, _ := strings.Cut(got, "\n\n")
		if wide := text.LongestLineLen(table); c.tty && wide > c.width {
			t.Errorf("%d columns on a terminal of %d:\n%s", wide, c.width, got)
		}
		for _, word := range c.has {
			if !strings.Contains(table, word) {
				t.Errorf("width %d: no %s in\n%s", c.width, word, got)
			}
		}
		for _, word := range c.lack {
			if strings.Contains(table, word) {
				t.Errorf("width %d: %s in\n%s", c.width, word, got)
			}
		}
	}
}
