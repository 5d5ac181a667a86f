package ui

import "strings"

var bars = []rune("▁▂▃▄▅▆▇█")

// Spark draws the last n values as bars, scaled to the highest. Negative values are unknown, and left out.
func Spark(values []float64, n int) string {
	if len(values) > n {
		values = values[len(values)-n:]
	}
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	out := []rune(strings.Repeat(" ", n-len(values)))
	for _, v := range values {
		switch {
		case v < 0:
			out = append(out, ' ')
		case most == 0:
			out = append(out, bars[0])
		default:
			out = append(out, bars[min(len(bars)-1, int(v/most*float64(len(bars))))])
		}
	}
	return string(out)
}
