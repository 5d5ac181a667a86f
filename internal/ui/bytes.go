package ui

import "fmt"

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
