package proto

import (
	"fmt"
	"math"
	"testing"
)

func TestHex(t *testing.T) {
	numbers := []int64{0, math.MinInt64, math.MaxInt64, -1, 0x123456789abcdef}
	for shift := range 63 {
		numbers = append(numbers, 1<<shift, 1<<shift-1, -1<<shift)
	}
	for _, n := range numbers {
		want := fmt.Sprintf("0x%x", uint64(n))
		if got := Hex(n); got != want {
			t.Errorf("Hex(%d) = %s, want %s", n, got, want)
		}
		for _, text := range []string{want, want[2:], fmt.Sprintf("0X%X", uint64(n))} {
			if got, err := ParseHex(text); err != nil || got != n {
				t.Errorf("ParseHex(%q) = %d, %v; want %d", text, got, err, n)
			}
		}
	}
	for _, text := range []string{"", "0x", "x1", "-1", "0x-1", "+1", "1_0", "0x10000000000000000", " 1", "g"} {
		if n, err := ParseHex(text); err == nil {
			t.Errorf("ParseHex(%q) = %d", text, n)
		}
	}
}
