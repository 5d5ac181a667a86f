package textdiff

import (
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff/lcs"
)

// Sides name the three texts of a merge in the marks around a conflict.
type Sides struct{ Ours, Base, Theirs string }

// The marks, each at the start of a line; names follow all but the third.
const (
	oursMark   = "<<<<<<< "
	baseMark   = "||||||| "
	betweenRow = "======="
	theirsMark = ">>>>>>> "
)

// Merge makes two changes of the text base to one. Where both change the same lines, or insert at the
// same place, and not alike, the merged text has all three versions between marks, as git writes them
// with merge.conflictStyle=diff3. Changes of neighbouring lines do not conflict.
func Merge(base, ours, theirs string, names Sides) (merged string, conflicts int) {
	m := merger{base: splitLines(base), ours: splitLines(ours), theirs: splitLines(theirs), names: names}
	m.merge(lcs.DiffLines(m.base, m.ours), lcs.DiffLines(m.base, m.theirs))
	return m.out.String(), m.conflicts
}

type merger struct {
	base, ours, theirs []string
	names              Sides
	out                strings.Builder
	conflicts          int
}

// merge goes through the regions of base that a side changes.
func (m *merger) merge(ours, theirs []lcs.Diff) {
	at := 0 // the first line of base that is not written yet
	for len(ours) > 0 || len(theirs) > 0 {
		var r region
		if len(theirs) == 0 || len(ours) > 0 && ours[0].Start <= theirs[0].Start {
			r = region{ours[0].Start, ours[0].End}
		} else {
			r = region{theirs[0].Start, theirs[0].End}
		}
		o, t := 0, 0
		for grown := true; grown; {
			grown = false
			for o < len(ours) && r.meets(ours[o]) {
				r.end = max(r.end, ours[o].End)
				o, grown = o+1, true
			}
			for t < len(theirs) && r.meets(theirs[t]) {
				r.end = max(r.end, theirs[t].End)
				t, grown = t+1, true
			}
		}
		m.write(m.base[at:r.start])
		m.resolve(m.base[r.start:r.end], r.of(m.ours, m.base, ours[:o]), r.of(m.theirs, m.base, theirs[:t]))
		at = r.end
		ours, theirs = ours[o:], theirs[t:]
	}
	m.write(m.base[at:])
}

// region is a range of lines of base.
type region struct{ start, end int }

// meets reports whether a change, which does not start before the region, overlaps it. An insertion at
// an edge does, because its order with the other change is not known.
func (r region) meets(d lcs.Diff) bool {
	return d.Start < r.end || d.Start == r.end && (d.Start == d.End || r.start == r.end)
}

// of returns the lines of a side for the region, in which the side has made the changes.
func (r region) of(side, base []string, changes []lcs.Diff) []string {
	if len(changes) == 0 {
		return base[r.start:r.end]
	}
	first, last := changes[0], changes[len(changes)-1]
	return side[first.ReplStart-(first.Start-r.start) : last.ReplEnd+(r.end-last.End)]
}

func (m *merger) resolve(base, ours, theirs []string) {
	switch {
	case slices.Equal(ours, theirs), slices.Equal(base, theirs):
		m.write(ours)
	case slices.Equal(base, ours):
		m.write(theirs)
	default:
		m.conflicts++
		m.mark(oursMark + m.names.Ours)
		m.write(ours)
		m.mark(baseMark + m.names.Base)
		m.write(base)
		m.mark(betweenRow)
		m.write(theirs)
		m.mark(theirsMark + m.names.Theirs)
	}
}

func (m *merger) write(lines []string) {
	for _, line := range lines {
		m.row()
		m.out.WriteString(line)
	}
}

// mark writes a mark on a line of its own.
func (m *merger) mark(text string) {
	m.row()
	m.out.WriteString(text + "\n")
}

// row ends a line that has no line break, because another one follows.
func (m *merger) row() {
	if n := m.out.Len(); n > 0 && m.out.String()[n-1] != '\n' {
		m.out.WriteByte('\n')
	}
}

// Unresolved returns the first line, from 1, that is a mark of a merge with these names, or 0.
func Unresolved(text string, names Sides) int {
	n := 0
	for line := range strings.Lines(text) {
		n++
		switch strings.TrimRight(line, "\r\n") {
		case oursMark + names.Ours, baseMark + names.Base, theirsMark + names.Theirs:
			return n
		}
	}
	return 0
}
