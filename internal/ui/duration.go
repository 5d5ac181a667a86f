package ui

import (
	"fmt"
	"time"
)

// Duration formats a length of time, in ms, for people: 350ms, 2.57s, 4m 12s, 6d 3h. JSON has the exact number instead.
func Duration(ms int64) string {
	const second, minute, hour, day = 1000, 60_000, 3_600_000, 86_400_000 // a time.Duration ends after 292 years
	switch {
	case ms < second:
		return fmt.Sprintf("%dms", ms)
	case ms < minute:
		return (time.Duration(min(ms, minute-10)) * time.Millisecond).Round(10 * time.Millisecond).String() // never 60s
	case ms < hour:
		return fmt.Sprintf("%dm %ds", ms/minute, ms%minute/second)
	case ms < day:
		return fmt.Sprintf("%dh %dm", ms/hour, ms%hour/minute)
	}
	return fmt.Sprintf("%dd %dh", ms/day, ms%day/hour)
}
