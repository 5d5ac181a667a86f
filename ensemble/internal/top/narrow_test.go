package top

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/ui"
)

// TestNarrow: what covers the panes is folded, not cut, and of the totals there are as many as fit.
func TestNarrow(t *testing.T) {
	long := "member 3 (zk3.example.com:2181) could not be asked: the port speaks HTTP, not ZooKeeper's protocol"
	m := &model{survey: &probe.Survey{Readings: make([]*probe.Reading, 3)}, began: time.Now(), events: []event{{Text: long}}}
	m.verdict.Problems = []string{long}
	for i := range m.survey.Readings {
		m.survey.Readings[i] = &probe.Reading{}
	}
	for _, width := range []int{40, 60, 80, 200} {
		for over, want := range map[overlay]string{
			helpOverlay:   strings.Join(help(), "\n"),
			eventsOverlay: "00:00:00 " + long + " " + long,
		} {
			u := newScreen(&ui.Streams{})
			u.shown, u.overlay = m, over
			rows := u.covered(width, 1000)
			for _, row := range rows {
				if ui.Width(row) > width {
					t.Errorf("in %d columns: %q", width, row)
				}
			}
			if got := strings.Fields(strings.Join(rows, "\n")); !slices.Equal(got, strings.Fields(want)) {
				t.Errorf("in %d columns:\n%s", width, strings.Join(rows, "\n"))
			}
		}
		u := newScreen(&ui.Streams{})
		u.shown = m
		if got := u.totals(width); ui.Width(got) > width || strings.Contains(got, "…") {
			t.Errorf("totals in %d columns: %q", width, got)
		}
	}
}
