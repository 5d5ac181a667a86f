package zklog

import (
	"bytes"
	"strings"
	"testing"
)

// TestOneLineARecord logs what a client may choose, such as the scheme of an auth packet.
func TestOneLineARecord(t *testing.T) {
	for text, want := range map[string]string{
		"digest": "digest",
		"x\n2026-01-31 12:00:00,123 [myid:1] - INFO  [zab:leader@210] - LEADING": `x\n2026-01-31 12:00:00,123 [myid:1] - INFO  [zab:leader@210] - LEADING`,
		"x\r\n\v\f\ty":                  `x\r\n\x0b\x0c\ty`,
		"\x1b[2J\x1b]0;title\a":         `\x1b[2J\x1b]0;title\x07`,
		"\u009b2J\u0085\u2028\u2029":    `\u009b2J\u0085\u2028\u2029`,
		"\u202egnp.exe\u2066\u200f":     `\u202egnp.exe\u2066\u200f`,
		"\xff\xed\xa0\x80\x00\x7f":      `\xff\xed\xa0\x80\x00\x7f`,
		`C:\new\table`:                  `C:\new\table`,
		"é 漢字 😀":                        "é 漢字 😀",
		"a record that ends its line\n": `a record that ends its line\n`,
	} {
		var out bytes.Buffer
		New(&out, "1", Debug).Warnf("No authentication provider for scheme: %s has %s", text, "digest ip")
		line, found := strings.CutSuffix(out.String(), "\n")
		_, message, _ := strings.Cut(line, "] - No ")
		if full := "authentication provider for scheme: " + want + " has digest ip"; !found || message != full || !strings.Contains(line, " [myid:1] - WARN  [") {
			t.Errorf("%q is logged as %q, want a line that ends in %q", text, out.String(), full)
		}
	}
}
