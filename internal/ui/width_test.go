package ui

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// TestWidth: without runewidth's tables, widths are what they would be with them.
func TestWidth(t *testing.T) {
	c := runewidth.NewCondition()
	c.EastAsianWidth = false
	for r := rune(0); r < 0x3000; r++ {
		if w := c.RuneWidth(r); narrow(r) && w != 1 {
			t.Errorf("%q takes %d columns", r, w)
		}
	}
	for _, text := range []string{"", "a", "plain text", "├── a…", "▁▂▃▄▅▆▇█ ▲▼ –", "zażółć", "日本語", "e\u0301", "a\x00b", "\xff"} {
		if got, want := Width(text), runewidth.StringWidth(text); got != want {
			t.Errorf("%q: %d columns, want %d", text, got, want)
		}
		for width := range 12 {
			if got, want := Cut(text, width), runewidth.Truncate(text, width, "…"); got != want {
				t.Errorf("%q in %d columns: %q, want %q", text, width, got, want)
			}
		}
	}
	if got := Cut(strings.Repeat("x", 9), 4); got != "xxx…" {
		t.Errorf("%q", got)
	}
}
