package ui

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestFold(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"short", "short"},
		{"exactly twenty chars", "exactly twenty chars"},
		{"one more than twenty c", "one more than twenty\nc"},
		{"a-word-that-is-longer-than-a-row and more", "a-word-that-is-longer-than-a-row\nand more"},
		{"and a-word-that-is-longer-than-a-row", "and\na-word-that-is-longer-than-a-row"},
		{"several lines\nof which the second is long\n", "several lines\nof which the second\nis long\n"},
		{"  indented as an example", "  indented as an\n  example"},
		{"two  spaces  stay here", "two  spaces  stay\nhere"},
		{"日本語 日本語 日本語 日本語", "日本語 日本語 日本語\n日本語"},
		{"\x1b[31mred words on a row\x1b[0m", "\x1b[31mred words on a row\x1b[0m"},
		{"\x1b[31mred words on two rows\x1b[0m", "\x1b[31mred words on two\nrows\x1b[0m"},
		{`{"error": {"message": "for a program"}}`, `{"error": {"message": "for a program"}}`},
		{"a\ttable\tof\twords\tand\ttabs", "a\ttable\tof\twords\tand\ttabs"},
		{"", ""},
	} {
		if got := Fold(test.in, 20); got != test.want {
			t.Errorf("%q: %q, want %q", test.in, got, test.want)
		}
		if got := Fold(test.in, 5); got != test.in {
			t.Errorf("a row of 5 columns: %q is %q", test.in, got)
		}
	}
}

// Sentences on a terminal are folded and coloured; elsewhere they are as they are.
func TestReport(t *testing.T) {
	var shown, piped bytes.Buffer
	s := &Streams{Err: &terminal{w: &shown, color: true, width: func() int { return 30 }}}
	err := errors.New("get /a/b: Node does not exist: /a/b \x1b[2J\nls / shows what there is")
	long := "\\x1b[2J"
	for _, test := range []struct {
		name string
		do   func(w io.Writer)
		want string
	}{
		{"an error", func(w io.Writer) { Report(w, err) },
			"\x1b[31mget /a/b: Node does not exist:\n/a/b " + long + "\nls / shows what there is\x1b[0m\n"},
		{"a warning", func(w io.Writer) { Warn(w, "there is a word %s and another", "too much") },
			"\x1b[33mwarning:\x1b[0m there is a word too\nmuch and another\n"},
		{"a program's error", func(w io.Writer) { Report(w, InFormat(errors.New("a sentence that is not folded at all"), JSON)) },
			`{"error":{"exitCode":1,"message":"a sentence that is not folded at all"}}` + "\n"},
		{"what goes on", func(w io.Writer) {
			_, _ = io.WriteString(w, "half a row")
			_, _ = io.WriteString(w, " and what follows it, wherever that ends\n")
		}, "half a row and what follows it, wherever that ends\n"},
		{"what moves the cursor", func(w io.Writer) { _, _ = io.WriteString(w, string(mark)+"Ka bar that is drawn again and again") },
			"\x1b[Ka bar that is drawn again and again"},
	} {
		shown.Reset()
		piped.Reset()
		test.do(s.Err)
		if got := shown.String(); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		test.do(&piped)
		if got := piped.String(); strings.Contains(got, "1m") || strings.Count(got, "\n") > 2 {
			t.Errorf("%s in a pipe: %q", test.name, got)
		}
	}
	s.UseColor(false)
	shown.Reset()
	if Report(s.Err, errors.New("no")); shown.String() != "no\n" {
		t.Errorf("without colour: %q", shown.String())
	}
}

func TestHang(t *testing.T) {
	for _, test := range []struct {
		in   string
		by   int
		want string
	}{
		{"  label  short", 9, "  label  short"},
		{"  label  a text that is longer than the row", 9, "  label  a text that\n         is longer\n         than the\n         row"},
		{"a heading that is not short", 2, "a heading that is\n  not short"},
		{"too little room beside the label", 15, "too little room\nbeside the label"},
	} {
		if got := Hang(test.in, 20, test.by); got != test.want {
			t.Errorf("%q: %q, want %q", test.in, got, test.want)
		}
		s := &Streams{Width: 20}
		if got := s.Hang(test.in, test.by); got != test.in {
			t.Errorf("in a pipe: %q", got)
		}
	}
}
