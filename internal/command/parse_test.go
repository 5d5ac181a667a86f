package command

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	probe := Set{{
		Name: "probe", Aliases: []string{"p2"}, Usage: "[-s] [-e] [-t ttl] [-add member]… path [data]",
		Options: Options{
			NewFlag("s", ""), NewFlag("e", ""), NewText("t", "ttl", Any, ""), NewTexts("add", "member", Any, ""), NewFlag("n", "", "raw"),
		},
		Args: []Arg{{Name: "path", Kind: Path}, {Name: "data", Optional: true}},
	}}
	for _, tc := range []struct {
		line string
		args string              // joined by |
		opts map[string][]string // of each given one
		err  string
	}{
		{line: "probe /a", args: "/a"},
		{line: "PROBE /a", args: "/a"},
		{line: "P2 /a", args: "/a"},
		{line: "probe -s /a -e d", args: "/a|d", opts: map[string][]string{"s": {""}, "e": {""}}},
		{line: "probe /a d -s", args: "/a|d", opts: map[string][]string{"s": {""}}},
		{line: "probe -se /a", args: "/a", opts: map[string][]string{"s": {""}, "e": {""}}},
		{line: "probe -t 5 /a", args: "/a", opts: map[string][]string{"t": {"5"}}},
		{line: "probe -t5 /a", args: "/a", opts: map[string][]string{"t": {"5"}}},
		{line: "probe -t=5 /a", args: "/a", opts: map[string][]string{"t": {"5"}}},
		{line: "probe --t 5 /a", args: "/a", opts: map[string][]string{"t": {"5"}}},
		{line: "probe -set 5 /a", err: "unknown option -set"},
		{line: "probe -set5 /a", args: "/a", opts: map[string][]string{"s": {""}, "e": {""}, "t": {"5"}}},
		{line: "probe -t -5 /a", args: "/a", opts: map[string][]string{"t": {"-5"}}},
		{line: "probe -t -z /a", args: "/a", opts: map[string][]string{"t": {"-z"}}},
		{line: "probe -add a --add b -add=c=d /a", args: "/a", opts: map[string][]string{"add": {"a", "b", "c=d"}}},
		{line: "probe --raw /a", args: "/a", opts: map[string][]string{"n": {""}}},
		{line: "probe /a -5", args: "/a|-5"},
		{line: "probe /a -1.5", args: "/a|-1.5"},
		{line: "probe /a -", args: "/a|-"},
		{line: "probe /a ''", args: "/a|"},
		{line: "probe -- /a -s", args: "/a|-s"},
		{line: "probe -o json -y /a", args: "/a", opts: map[string][]string{"output": {"json"}, "yes": {""}}},
		{line: "probe --output=json /a", args: "/a", opts: map[string][]string{"output": {"json"}}},
		{line: "probe --help", opts: map[string][]string{"help": {""}}},
		{line: "probe -z /a", err: "unknown option -z; probe takes -s, -e, -t ttl, -add member, -n, -o format, -y, -q, -?"},
		{line: "probe --zz /a", err: "unknown option --zz"},
		{line: "probe -s=1 /a", err: "option -s takes no value"},
		{line: "probe /a -t", err: "option -t needs a value: ttl"},
		{line: "probe -t -s /a", err: "option -t needs a value: ttl"},
		{line: "probe", err: "missing argument: path"},
		{line: "probe /a b c", err: `unexpected argument "c" (quote an argument that contains spaces)`},
		{line: "probe /a b |grep c", err: `unexpected argument "|grep" (| only works with a space after it)`},
		{line: "probe /a b c >>out", err: `unexpected argument "c" (> only works with a space after it)`},
		{line: "probe /a b '|grep'", err: `unexpected argument "|grep" (quote an argument that contains spaces)`},
		{line: "", err: "no command entered"},
		{line: "''", err: "no command entered"},
	} {
		t.Run(tc.line, func(t *testing.T) {
			tokens, err := Lex(tc.line)
			if err != nil {
				t.Fatal(err)
			}
			in, err := probe.Parse(Words(tokens))
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want %q", err, tc.err)
				}
				var usage *UsageError
				if errors.As(err, &usage) && !strings.HasPrefix(err.Error(), "probe [-s]") {
					t.Errorf("error %q does not begin with the usage", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tc.opts == nil {
				tc.opts = map[string][]string{}
			}
			opts := map[string][]string{}
			for o, values := range in.options {
				opts[o.Name] = values
			}
			if got := strings.Join(in.Args, "|"); got != tc.args || !reflect.DeepEqual(opts, tc.opts) {
				t.Errorf("args %q, options %q", got, opts)
			}
		})
	}
}
