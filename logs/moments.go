package logs

import (
	"slices"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// mostMoments limits how many moments are kept, and longestText the bytes of a text of one.
const (
	mostMoments = 1500
	longestText = 400
)

// moments are what a timeline shows. Moments of the same log and phrase that follow each other directly are one; if there
// are too many, so are those that follow each other within some time.
type moments struct {
	list   []survey.Moment
	last   map[string]int // the last moment of a log and phrase
	n      int64
	within int64 // ms
}

func (t *moments) add(h *head, m *catalogue.Match) {
	t.n++
	e := h.event
	one := survey.Moment{Log: h.source.short, File: h.source.file, Line: e.Line, N: 1}
	if e.Timed {
		one.Time = e.Time - h.source.correction()
		one.Until = one.Time
	}
	if m != nil {
		one.Phrase, one.Problem = m.Phrase.Name, m.Phrase.Rank == catalogue.Problem
	} else {
		one.Problem = e.Level >= format.Error
	}
	key := momentKey(&one, e.Text)
	if t.joined(key, &one) {
		return
	}
	one.Text = cut(e.Text, longestText)
	if cause := rootCause(e.More); cause != nil {
		one.Cause = cut(cause, longestText)
	}
	t.append(key, one)
	for len(t.list) > mostMoments {
		t.thin()
	}
}

// momentKey is what moments that may be one have in common: the log and the phrase, or the shape of the text.
func momentKey(one *survey.Moment, text []byte) string {
	key := one.Log + "\x00" + one.Phrase
	if one.Phrase == "" {
		key += string(appendShape(nil, text))
	}
	return key
}

// joined adds a moment to an earlier one, if it belongs there.
func (t *moments) joined(key string, one *survey.Moment) bool {
	i, ok := t.last[key]
	if !ok {
		return false
	}
	old := &t.list[i]
	if i != len(t.list)-1 && (t.within == 0 || one.Time == 0 || old.Until == 0 || one.Time-old.Until > t.within) {
		return false
	}
	old.Until = max(old.Until, one.Until)
	old.N += one.N
	return true
}

func (t *moments) append(key string, one survey.Moment) {
	if t.last == nil {
		t.last = map[string]int{}
	}
	if len(t.last) > 4*mostMoments {
		clear(t.last)
	}
	t.last[key] = len(t.list)
	t.list = append(t.list, one)
}

// thin joins more moments than before.
func (t *moments) thin() {
	old := t.list
	keys := make([]string, len(old))
	for i := range old {
		keys[i] = momentKey(&old[i], []byte(old[i].Text))
	}
	t.within = max(1000, t.within*4)
	t.list, t.last = t.list[:0:0], nil
	for i := range old {
		if !t.joined(keys[i], &old[i]) {
			t.append(keys[i], old[i])
		}
	}
	if len(t.list) > mostMoments*3/4 && t.within > 3_600_000 { // that does not help: leave some out
		kept := slices.DeleteFunc(slices.Clone(t.list), func(m survey.Moment) bool { return !m.Problem })
		for i := 1; len(kept) > mostMoments/2 && i < len(kept); i++ {
			kept = slices.Delete(kept, i, i+1)
		}
		t.list, t.last = kept, nil
	}
}

// cut returns the beginning of a text.
func cut(text []byte, most int) string {
	if len(text) <= most {
		return string(text)
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return string(text[:most]) + "…"
}
