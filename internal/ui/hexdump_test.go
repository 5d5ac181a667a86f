package ui

import (
	"strings"
	"testing"
)

// TestHexDump compares with what netty 4.1.48 prints.
func TestHexDump(t *testing.T) {
	data := make([]byte, 40)
	for i := range data {
		data[i] = byte(i*7 + 120)
	}
	const want = `         +-------------------------------------------------+
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |
+--------+-------------------------------------------------+----------------+
|00000000| 78 7f 86 8d 94 9b a2 a9 b0 b7 be c5 cc d3 da e1 |x...............|
|00000010| e8 ef f6 fd 04 0b 12 19 20 27 2e 35 3c 43 4a 51 |........ '.5<CJQ|
|00000020| 58 5f 66 6d 74 7b 82 89                         |X_fmt{..        |
+--------+-------------------------------------------------+----------------+`
	if got := HexDump(data, 16); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := strings.Count(HexDump(data[:16], 16), "\n"); got != 4 {
		t.Errorf("a full row makes %d line breaks", got)
	}
	if got := HexDump(nil, 16); got != "" {
		t.Errorf("nothing gives %q", got)
	}
	for _, perRow := range []int{16, 8} {
		for line := range strings.Lines(HexDump(data, perRow)) {
			if n := len(strings.TrimSuffix(line, "\n")); n > HexDumpWidth+1 || perRow == 8 && n > 60 {
				t.Errorf("%d columns with %d a row: %s", n, perRow, line)
			}
		}
	}
}
