package transfer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// retention says which backups to keep: the last ones, and the last of each of so many hours, days, weeks, months, years.
type retention map[string]int

// periods are the words of --keep, with what two moments of the same period have in common.
var periods = []struct {
	word string
	of   func(t time.Time) string
}{
	{"last", nil},
	{"hourly", func(t time.Time) string { return t.Format("2006-01-02 15") }},
	{"daily", func(t time.Time) string { return t.Format(time.DateOnly) }},
	{"weekly", func(t time.Time) string { year, week := t.ISOWeek(); return fmt.Sprint(year, " ", week) }},
	{"monthly", func(t time.Time) string { return t.Format("2006-01") }},
	{"yearly", func(t time.Time) string { return t.Format("2006") }},
}

// parseRetention parses --keep: a number, or last=24,daily=7.
func parseRetention(text string) (retention, error) {
	r := retention{}
	for part := range strings.SplitSeq(text, ",") {
		word, number, found := strings.Cut(part, "=")
		if !found {
			word, number = "last", part
		}
		n, err := strconv.Atoi(number)
		known := slices.ContainsFunc(periods, func(p struct {
			word string
			of   func(t time.Time) string
		}) bool {
			return p.word == word
		})
		if _, twice := r[word]; err != nil || n < 1 || !known || twice {
			return nil, fmt.Errorf("--keep: %q is not a number of backups; use 24, or last=24,daily=7,weekly=5,monthly=12,yearly=2", part)
		}
		r[word] = n
	}
	return r, nil
}

// keeps returns which backups, oldest first by their moments, are to be kept. The newest always is.
func (r retention) keeps(moments []time.Time) []bool {
	keep := make([]bool, len(moments))
	for _, p := range periods {
		left, last := r[p.word], ""
		for i := len(moments) - 1; i >= 0 && left > 0; i-- {
			if p.of != nil {
				period := p.of(moments[i])
				if period == last {
					continue
				}
				last = period
			}
			keep[i] = true
			left--
		}
	}
	if len(keep) > 0 {
		keep[len(keep)-1] = true
	}
	return keep
}
