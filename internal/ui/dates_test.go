package ui

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestTime(t *testing.T) {
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	for zone, want := range map[string]string{
		"UTC":              "2026-11-22T03:07:05.267Z",
		"America/New_York": "2026-11-21T22:07:05.267-05:00",
		"Asia/Kolkata":     "2026-11-22T08:37:05.267+05:30",
	} {
		const ms = 1795316825267
		where, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		time.Local = where
		if got := Time(ms); got != want {
			t.Errorf("%s: %q, want %q", zone, got, want)
		}
		if back, err := ParseWhen(want, time.Now()); err != nil || back.UnixMilli() != ms {
			t.Errorf("%s: %q is read as %v, %v", zone, want, back, err)
		}
	}
}

func TestLogDates(t *testing.T) {
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	for _, test := range []struct {
		zone string
		ms   int64
		want string
	}{
		{"UTC", 1795316825267, "11/22/26, 3:07:05 AM UTC"},
		{"UTC", 0, "1/1/70, 12:00:00 AM UTC"},
		{"UTC", -1, "12/31/69, 11:59:59 PM UTC"},
		{"UTC", 1795316825267 + 9*3600_000, "11/22/26, 12:07:05 PM UTC"},
		{"America/New_York", 1795316825267, "11/21/26, 10:07:05 PM EST"},
		{"Europe/Berlin", 1783000000000, "7/2/26, 3:46:40 PM CEST"},
		{"Asia/Dubai", 1795316825267, "11/22/26, 7:07:05 AM GMT+04:00"},
	} {
		where, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Skip(err)
		}
		time.Local = where
		if got := string(new(LogDates).Append(nil, test.ms)); got != test.want {
			t.Errorf("%s: %q, want %q", test.zone, got, test.want)
		}
	}
	time.Local = time.UTC
	var d LogDates
	for _, ms := range []int64{-1, 0, 1, 999, 1000, 1001, 999, -1000, -999} {
		if got := string(d.Append(nil, ms)); got != string(new(LogDates).Append(nil, ms)) {
			t.Errorf("%d: %q, want %q", ms, got, new(LogDates).Append(nil, ms))
		}
	}
}

func TestParseWhen(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, zone)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	for text, want := range map[string]time.Time{
		"now":                           now,
		"2h":                            at(-2 * time.Hour),
		"2h ago":                        at(-2 * time.Hour),
		"-90s":                          at(-90 * time.Second),
		"1d12h":                         at(-36 * time.Hour),
		"1w":                            at(-7 * 24 * time.Hour),
		"1.5d":                          at(-36 * time.Hour),
		"2026-11-22T12:00:00":           now,
		"2026-11-22 12:00:00.250":       at(250 * time.Millisecond),
		"2026-11-22 12:00":              now,
		"2026-11-22":                    at(-12 * time.Hour),
		"2026-11-22T11:00:00Z":          now,
		"2026-11-22T06:00:00-05:00":     now,
		"2026-11-22 11:00:00 UTC":       now,
		"11:30":                         at(-30 * time.Minute),
		"11:59:30":                      at(-30 * time.Second),
		"11/22/26, 11:00:00 AM UTC":     now,
		"11/22/26, 12:00:00 PM":         now,
		"Sun Nov 22 11:00:00 UTC 2026":  now,
		"Sun, 22 Nov 2026 11:00:00 GMT": now,
		"1795345200000":                 now,
	} {
		if got, err := ParseWhen(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "12", "2026-13-01", "2h2", "25:00", "1e300d", "99999999999w", "11/22/26, 3:07:05 AM PST"} {
		if got, err := ParseWhen(text, now); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestParsePeriod(t *testing.T) {
	now := time.UnixMilli(1_795_316_825_322)
	for _, test := range []struct {
		since, until string
		from, to     int64
		want         string
	}{
		{"", "", math.MinInt64, math.MaxInt64, ""},
		{"1h", "", now.UnixMilli() - 3_600_000, math.MaxInt64, ""},
		{"2h", "1h", now.UnixMilli() - 7_200_000, now.UnixMilli() - 3_600_000, ""},
		{"1h", "2h", 0, 0, "exchange them"},
		{"soon", "", 0, 0, "--since: "},
		{"", "soon", 0, 0, "--until: "},
	} {
		from, to, err := ParsePeriod(test.since, test.until, now)
		if from != test.from || to != test.to || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q, %q: %d, %d, %v", test.since, test.until, from, to, err)
		}
	}
}
