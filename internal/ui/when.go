package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// whenLayouts are the absolute times that ParseWhen accepts; those without a zone are local.
var whenLayouts = []string{
	time.RFC3339,
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05 MST",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 -0700",
	"2006-01-02T15:04",
	"2006-01-02 15:04",
	"2006-01-02",
	"1/2/06, 3:04:05 PM MST", // LogDates
	"1/2/06, 3:04:05 PM",
	"Mon Jan 2 15:04:05 MST 2006", // JavaDate
	time.RFC1123,
	time.RFC1123Z,
}

// clockLayouts are times of the current day.
var clockLayouts = []string{"15:04:05", "15:04"}

// ParseWhen parses a moment as a person or another tool writes it: "2h" or "1d12h" ago, "now",
// "2026-11-22 03:07:05" with or without a zone, a fraction of a second or a T, only a date, only
// a time of today, what the log tools print ("11/22/26, 3:07:05 AM UTC"), or milliseconds since
// 1970 as in the logs. Without a zone, it is local time.
func ParseWhen(s string, now time.Time) (time.Time, error) {
	text := strings.TrimSpace(s)
	if strings.EqualFold(text, "now") {
		return now, nil
	}
	ago := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(text, "-"), "ago"))
	if d, ok := parseSpan(ago); ok {
		return now.Add(-d), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && len(text) > 8 {
		return time.UnixMilli(n), nil
	}
	local := now.Location()
	for _, layout := range whenLayouts {
		t, err := time.ParseInLocation(layout, text, local)
		if err != nil {
			continue
		}
		if name, offset := t.Zone(); offset == 0 && name != "UTC" && name != "GMT" && name != "" && t.Location() != local && strings.Contains(layout, "MST") {
			return time.Time{}, fmt.Errorf("%q has the zone %s, which is not the local one; use an offset instead, as in 2026-11-22T03:07:05+01:00", s, name)
		}
		return t, nil
	}
	for _, layout := range clockLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), local), nil
		}
	}
	return time.Time{}, fmt.Errorf("invalid time %q; use 2h (ago), 03:07, or 2026-11-22T03:07:05 (followed by Z or an offset such as +01:00 if not local)", s)
}

// ParsePeriod parses the options --since and --until, of which either may be empty. from and to are
// milliseconds since 1970, the least and the greatest possible without a bound.
func ParsePeriod(since, until string, now time.Time) (from, to int64, err error) {
	from, to = math.MinInt64, math.MaxInt64
	for _, bound := range []struct {
		name, text string
		ms         *int64
	}{{"--since", since, &from}, {"--until", until, &to}} {
		if bound.text == "" {
			continue
		}
		at, err := ParseWhen(bound.text, now)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", bound.name, err)
		}
		*bound.ms = at.UnixMilli()
	}
	if from > to {
		return 0, 0, fmt.Errorf("--since %q is later than --until %q; exchange them", since, until)
	}
	return from, to, nil
}

// parseSpan parses a duration as time.ParseDuration does, with days and weeks.
func parseSpan(s string) (time.Duration, bool) {
	var sum time.Duration
	for _, unit := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		head, rest, found := strings.Cut(s, unit.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(head, 64)
		if err != nil || n < 0 || n*float64(unit.length) > math.MaxInt64/4 {
			return 0, false
		}
		sum += time.Duration(n * float64(unit.length))
		if s = rest; s == "" {
			return sum, true
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || s == "0" {
		return 0, false
	}
	return sum + d, true
}
