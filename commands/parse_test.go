package commands

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/ui"
)

// withCommand adds a command to those that Parse knows.
func withCommand(t *testing.T, c *Command) {
	saved := all
	all = append(all[:len(all):len(all)], c)
	t.Cleanup(func() { all = saved })
}

func TestParse(t *testing.T) {
	withCommand(t, &Command{
		Name: "probe", Aliases: []string{"p2"}, Usage: "[-s] [-e] [-t ttl] [-add member]… path [data]",
		Options: []Option{
			{Name: "s"}, {Name: "e"}, {Name: "t", Value: "ttl"}, {Name: "add", Value: "member", Repeat: true},
			{Name: "n", Aliases: []string{"raw"}},
		},
		Args: []Arg{{Name: "path", Kind: Path}, {Name: "data", Optional: true}},
	})
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
		{line: "probe", err: "path is missing"},
		{line: "probe /a b c", err: `unexpected argument "c" (quote an argument that contains spaces)`},
		{line: "probe /a b |grep c", err: `unexpected argument "|grep" (| acts only with a space behind it)`},
		{line: "probe /a b c >>out", err: `unexpected argument "c" (> acts only with a space behind it)`},
		{line: "probe /a b '|grep'", err: `unexpected argument "|grep" (quote an argument that contains spaces)`},
		{line: "", err: "no command entered"},
		{line: "''", err: "no command entered"},
	} {
		t.Run(tc.line, func(t *testing.T) {
			tokens, err := Lex(tc.line)
			if err != nil {
				t.Fatal(err)
			}
			in, err := Parse(Words(tokens))
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
			if got := strings.Join(in.Args, "|"); got != tc.args || !reflect.DeepEqual(in.options, tc.opts) {
				t.Errorf("args %q, options %q", got, in.options)
			}
		})
	}
}

func TestUnknownCommand(t *testing.T) {
	for name, want := range map[string]string{
		"nosuchcommand": "Command not found nosuchcommand. `help` lists all",
		"lss":           "Did you mean ls or ls2? `help`",
		"getacll":       "Did you mean getAcl?",
		"conect":        "Did you mean connect?",
		"y":             "Command not found y. `help`", // not: did you mean ??
	} {
		err := Run(t.Context(), &Env{}, Args(name))
		var exit *ui.ExitError
		if !errors.As(err, &exit) || exit.Code != ui.ExitUnknownCommand || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestEveryCommandIsWhole checks what help, completion and Parse rely on.
func TestEveryCommandIsWhole(t *testing.T) {
	names := map[string]bool{}
	for _, c := range All() {
		for _, n := range append([]string{c.Name}, c.Aliases...) {
			if names[strings.ToLower(n)] {
				t.Errorf("two commands are called %s", n)
			}
			names[strings.ToLower(n)] = true
		}
		if c.Short == "" || c.Run == nil || c.Group == "" {
			t.Errorf("%s: Short, Run or Group is missing", c.Name)
		}
		for _, o := range c.Options {
			if o.Help == "" {
				t.Errorf("%s: option %s has no Help", c.Name, o.Name)
			}
		}
		for i, a := range c.Args {
			if a.Repeat && i < len(c.Args)-1 || !a.Optional && i > 0 && c.Args[i-1].Optional {
				t.Errorf("%s: argument %s cannot stand where it does", c.Name, a.Name)
			}
		}
		for _, e := range c.Examples {
			tokens, err := Lex(e.Line)
			for i, tok := range tokens {
				if tok.Operator {
					tokens = tokens[:i]
					break
				}
			}
			if err == nil {
				_, err = Parse(Words(tokens))
			}
			if err != nil {
				t.Errorf("the example %q of %s: %v", e.Line, c.Name, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`get -s -o json "/a b*"`)
	f.Add(`ls -Rsw=x -- -5`)
	f.Fuzz(func(t *testing.T, line string) {
		tokens, _ := Lex(line)
		in, err := Parse(Words(tokens))
		if (in == nil) == (err == nil) && in == nil {
			t.Fatal("neither an invocation nor an error")
		}
		if err == nil {
			_ = in.resolve("/dir")
		}
	})
}
