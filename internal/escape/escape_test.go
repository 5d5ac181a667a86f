package escape

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, tc := range []struct{ in, line, text string }{
		{"", "", ""},
		{`/app/中文 ✓ C:\new`, `/app/中文 ✓ C:\new`, `/app/中文 ✓ C:\new`},
		{"👩‍👩‍👧 e\u0301", "👩‍👩‍👧 e\u0301", "👩‍👩‍👧 e\u0301"},
		{"a\n\tb\r\nc", `a\n\tb\r\nc`, "a\n\tb\r\nc"},
		{"progress\rdone", `progress\rdone`, `progress\rdone`},
		{"end\r", `end\r`, `end\r`},
		{"\x1b]0;title\a\x1b[2J\x00\x7f", `\x1b]0;title\x07\x1b[2J\x00\x7f`, `\x1b]0;title\x07\x1b[2J\x00\x7f`},
		{"\u009b31m\u0085", `\u009b31m\u0085`, `\u009b31m\u0085`},
		{"\x9b31m\xff\xe2\x82", `\x9b31m\xff\xe2\x82`, `\x9b31m\xff\xe2\x82`},
		{"\u202e\u2066\u200e\u061c\u2028\u2029", `\u202e\u2066\u200e\u061c\u2028\u2029`, `\u202e\u2066\u200e\u061c\u2028\u2029`},
		{"\uFFFD", "\uFFFD", "\uFFFD"},
	} {
		if got := Line(tc.in); got != tc.line {
			t.Errorf("Line(%q) is %q, want %q", tc.in, got, tc.line)
		}
		if got := Text(tc.in); got != tc.text {
			t.Errorf("Text(%q) is %q, want %q", tc.in, got, tc.text)
		}
	}
}

// FuzzEscape wants nothing left that a terminal obeys, and all else as it was.
func FuzzEscape(f *testing.F) {
	f.Add("a\r\n\x1b[31m\xff\u202e中")
	f.Fuzz(func(t *testing.T, in string) {
		line, text := Line(in), Text(in)
		if !utf8.ValidString(line) || strings.ContainsFunc(line, Obeyed) {
			t.Errorf("Line(%q) is %q", in, line)
		}
		rest := strings.NewReplacer("\r\n", "", "\n", "", "\t", "").Replace(text)
		if !utf8.ValidString(text) || strings.ContainsFunc(rest, Obeyed) {
			t.Errorf("Text(%q) is %q", in, text)
		}
		if Line(line) != line || Text(text) != text {
			t.Errorf("%q is escaped twice", in)
		}
		if utf8.ValidString(in) && !strings.ContainsFunc(in, Obeyed) && (line != in || text != in) {
			t.Errorf("%q became %q and %q", in, line, text)
		}
	})
}
