package ui

import (
	"math"
	"testing"
)

func TestDuration(t *testing.T) {
	for ms, want := range map[int64]string{
		0: "0ms", 388: "388ms", 1000: "1s", 2574: "2.57s", 59_994: "59.99s", 59_999: "59.99s", 60_000: "1m 0s", 252_900: "4m 12s",
		3_600_000: "1h 0m", 529_200_000: "6d 3h", math.MaxInt64: "106751991167d 7h",
	} {
		if got := Duration(ms); got != want {
			t.Errorf("%d: %q, want %q", ms, got, want)
		}
	}
}
