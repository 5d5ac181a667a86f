// Package textdiff compares data and merges changes of it.
//
//   - lines.go: the lines in which two texts differ, as a unified diff.
//   - data.go: data of any kind: text, JSON by its structure, what is inside compressed data, bytes.
//   - print.go: a diff as patch reads it, and as a terminal shows it.
//   - merge.go: two changes of the same text, merged.
package textdiff

import (
	"strings"

	"github.com/aymanbagabas/go-udiff/lcs"
)

// Context is how many equal lines around a change are usually shown.
const Context = 3

// Diff is how one text becomes another.
type Diff struct {
	From, To string // the names of the two
	Hunks    []Hunk
	Summary  string // a sentence instead of lines, about data that is not text
}

// Hunk is a group of changed lines, with equal ones around and between them.
type Hunk struct {
	From, FromLines int // the first line in the old text, from 1, and how many
	To, ToLines     int // the same in the new text
	Lines           []Line
}

// Line is a line of one text or of both.
type Line struct {
	Kind byte   // '-' only in the old text, '+' only in the new one, ' ' in both
	Text string // with its line break, which the last line of a text may lack
}

// Empty reports whether the two are the same.
func (d Diff) Empty() bool { return len(d.Hunks) == 0 && d.Summary == "" }

// Lines compares two texts line by line, and shows up to context equal lines around each change.
// Large texts that have little in common are compared roughly, in time that stays linear.
func Lines(from, to, a, b string, context int) Diff {
	d := Diff{From: from, To: to}
	old, now := splitLines(a), splitLines(b)
	changes := lcs.DiffLines(old, now)
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].Start-changes[n-1].End <= 2*context {
			n++
		}
		d.Hunks = append(d.Hunks, newHunk(old, now, changes[:n], context))
		changes = changes[n:]
	}
	return d
}

// newHunk makes a hunk of changes that are next to each other.
func newHunk(old, now []string, changes []lcs.Diff, context int) Hunk {
	first, last := changes[0], changes[len(changes)-1]
	before := min(context, first.Start)
	after := min(context, len(old)-last.End)
	h := Hunk{
		From: first.Start - before + 1, FromLines: last.End + after - (first.Start - before),
		To: first.ReplStart - before + 1, ToLines: last.ReplEnd + after - (first.ReplStart - before),
	}
	add := func(kind byte, lines []string) {
		for _, text := range lines {
			h.Lines = append(h.Lines, Line{kind, text})
		}
	}
	at := first.Start - before
	for _, c := range changes {
		add(' ', old[at:c.Start])
		add('-', old[c.Start:c.End])
		add('+', now[c.ReplStart:c.ReplEnd])
		at = c.End
	}
	add(' ', old[at:last.End+after])
	return h
}

// splitLines splits a text into lines with their line breaks.
func splitLines(text string) []string {
	lines := make([]string, 0, strings.Count(text, "\n")+1)
	for line := range strings.Lines(text) {
		lines = append(lines, line)
	}
	return lines
}
