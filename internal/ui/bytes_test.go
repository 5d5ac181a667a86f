package ui

import (
	"math"
	"testing"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 17: "17 B", 1023: "1023 B", 1024: "1.0 KiB", 4000: "3.9 KiB", 10200: "10 KiB", 64 << 10: "64 KiB", 1023 << 10: "1023 KiB",
		1<<20 - 1: "1.0 MiB", 45 << 20: "45 MiB", 1 << 30: "1.0 GiB", math.MaxInt64: "8.0 EiB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s, want %s", n, got, want)
		}
	}
}
