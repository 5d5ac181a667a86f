package ui

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes formats a size for people as du -h does: exact below 1 KiB, then in binary units, with
// one decimal below ten: 17 B, 3.9 KiB, 64 KiB. JSON has the exact number instead.
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		if value /= 1 << 10; value < 1023.5 { // beyond, it would be rounded to 1024
			break
		}
	}
	decimals := 0
	if value < 9.95 {
		decimals = 1
	}
	return fmt.Sprintf("%.*f %s", decimals, value, unit)
}

// ParseBytes reads a number of bytes, maybe in units of 1024: 100, 4k, 1m.
func ParseBytes(text string) (int64, error) {
	shift := 0
	if n := len(text); n > 0 {
		if unit := strings.IndexByte("kmgt", text[n-1]|0x20); unit >= 0 {
			text, shift = text[:n-1], 10*(unit+1)
		}
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err == nil && n > math.MaxInt64>>shift {
		err = errors.New("too large")
	}
	return int64(n) << shift, err
}
