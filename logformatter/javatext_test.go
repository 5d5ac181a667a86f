package logformatter

import (
	"math"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/proto"
)

func TestNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, 9, 10, 15, 16, 99, 100, 255, 256, 1e8 - 1, 1e8, -1, -9, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		for _, n := range []int64{n, n + 1, n - 1} {
			if got, want := string(appendInt([]byte("x"), n)), "x"+strconv.FormatInt(n, 10); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
}

func TestIsASCII(t *testing.T) {
	for n := range 80 {
		b := make([]byte, n)
		if !isASCII(b) {
			t.Errorf("%d bytes are not ASCII", n)
		}
		for i := range b {
			b[i] = 0x80
			if isASCII(b) {
				t.Errorf("byte %d of %d is not seen", i, n)
			}
			b[i] = utf8.RuneSelf - 1
		}
	}
}

func TestOpNames(t *testing.T) {
	for op, want := range map[proto.Op]string{
		1: "create", 21: "createTtl", 20: "deleteContainer", 10: "unknown 10", 31: "unknown 31", 32: "unknown 32",
		106: "unknown 106", -1: "error", -10: "createSession", -11: "closeSession", -2: "unknown -2", 107: "whoAmI",
	} {
		if got := opName(op); got != want {
			t.Errorf("%d: %s, want %s", op, got, want)
		}
	}
}
