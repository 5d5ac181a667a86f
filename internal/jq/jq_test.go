package jq

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	for _, test := range []struct{ filter, data, want, fails string }{
		{".a", `{"a":"x\n"}`, "x\n|", ""},
		{".[]", `[1.0,12345678901234567890,{"b":"<é"}]`, `1.0|12345678901234567890|{"b":"<é"}|`, ""},
		{"{a:1}", "", `{"a":1}|`, ""},
		{".", " \n", "null|", ""},
		{"empty", "1", "", ""},
		{"1, halt, 2", "1", "1|", ""},
		{".a", `[1]`, "", "jq: expected an object but got: array"},
		{"error(\"no\")", "1", "", "jq: error: no"},
		{".", "{\n\"a\" 1}", "", "not JSON: invalid character '1' after object key (line 2, column 5)"},
		{".", "plain text", "", "not JSON: invalid character 'p' looking for beginning of value (line 1, column 1)"},
		{"$ENV.PATH, env.PATH", "1", "null|null|", ""},
	} {
		f, err := Parse(test.filter)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		err = f.Run(context.Background(), []byte(test.data), func(r Result) error {
			got.Write(r.Text(false))
			got.WriteByte('|')
			return nil
		})
		if got.String() != test.want || (err == nil) != (test.fails == "") || err != nil && !strings.HasPrefix(err.Error(), test.fails) {
			t.Errorf("%s of %q: %q, %v", test.filter, test.data, got.String(), err)
		}
	}
	for _, bad := range []string{".a[", "nosuch", "import \"x\" as x; .", ".a | $x"} {
		if _, err := Parse(bad); err == nil || !strings.HasPrefix(err.Error(), "jq filter ") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestRunStops(t *testing.T) {
	f, err := Parse("last(repeat(1))")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := f.Run(ctx, nil, func(Result) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
