package ui

import (
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Width returns how many columns text takes. Most text is ASCII and what zkctl draws with, for which it needs none of
// runewidth's tables: they take 2 MiB, and time to build.
func Width(text string) int {
	if plain(text) {
		return utf8.RuneCountInString(text)
	}
	return runewidth.StringWidth(text)
}

// Cut shortens text to at most width columns, with an ellipsis at the end.
func Cut(text string, width int) string {
	switch {
	case Width(text) <= width:
		return text
	case width > 0 && plain(text):
		return string([]rune(text)[:width-1]) + "…"
	}
	return runewidth.Truncate(text, width, "…")
}

// plain reports whether each character takes one column.
func plain(text string) bool {
	if runewidth.DefaultCondition.EastAsianWidth {
		return false
	}
	for _, r := range text {
		if !narrow(r) {
			return false
		}
	}
	return true
}

// narrow reports whether a character is ASCII, or one that zkctl draws with.
func narrow(r rune) bool {
	return r >= ' ' && r <= '~' || r >= '─' && r <= '█' || r == '▲' || r == '▼' || r == '…' || r == '–'
}
