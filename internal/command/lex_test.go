package command

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestLex(t *testing.T) {
	for _, tc := range []struct {
		line string
		want []string
		err  error
	}{
		{`ls /`, []string{"ls", "/"}, nil},
		{"  create\t/a\v\f 'two words'\r\n", []string{"create", "/a", "two words"}, nil},
		{"get /a\u00a0b\u0085c", []string{"get", "/a\u00a0b\u0085c"}, nil}, // no whitespace to Java's \s
		{`create /j {"a":1}`, []string{"create", "/j", `{"a":1}`}, nil},
		{`set /p C:\new`, []string{"set", "/p", `C:\new`}, nil},
		{`set /p it's`, []string{"set", "/p", "it's"}, nil},
		{`set /a "say \"hi\" \n \\"`, []string{"set", "/a", `say "hi" \n \`}, nil},
		{`set /a 'a \" b \'`, []string{"set", "/a", `a \" b \`}, nil},
		{`set /a ''`, []string{"set", "/a", ""}, nil},
		{`set /a "b"c 'd''e'"f"`, []string{"set", "/a", "b", "c", "d", "e", "f"}, nil},
		{`set /a b"c d" 'e`, []string{"set", "/a", `b"c`, `d"`, "e"}, ErrOpenQuote},
		{"set /a 'two\n rows'", []string{"set", "/a", "two\n rows"}, nil},
		{`ls -R / | grep foo >> out > x`, []string{"ls", "-R", "/", "| ", "grep", "foo", ">> ", "out", "> ", "x"}, nil},
		{`ls /|grep 2>x a|b >>x |`, []string{"ls", "/|grep", "2>x", "a|b", ">>x", "| "}, nil},
		{`set /a '|' ">" '#'`, []string{"set", "/a", "|", ">", "#"}, nil},
		{`ls / # all`, []string{"ls", "/"}, nil},
		{`set /p #tag a#b`, []string{"set", "/p", "#tag", "a#b"}, nil},
		{` #set /p`, nil, nil},
		{"# a comment's\nls /", []string{"ls", "/"}, nil},
		{"ls / # a comment's\n#and another\n-s", []string{"ls", "/", "-s"}, nil},
		{`get /世界`, []string{"get", "/世界"}, nil},
		{`get "/a b`, []string{"get", "/a b"}, ErrOpenQuote},
		{`get "/a\"`, []string{"get", `/a"`}, ErrOpenQuote},
		{`get /a\`, []string{"get", `/a\`}, nil},
		{"get \\\n/a \\\r\n-s", []string{"get", "/a", "-s"}, nil},
		{"get /a\\\n-s \\ x", []string{"get", `/a\`, "-s", `\`, "x"}, nil},
		{`set /a \`, []string{"set", "/a", `\`}, nil},
		{``, nil, nil},
		{"\t ", nil, nil},
	} {
		tokens, err := Lex(tc.line)
		var got []string
		for _, tok := range tokens {
			if tok.Operator {
				tok.Text += " " // which no word without quotes has
			}
			got = append(got, tok.Text)
		}
		if !reflect.DeepEqual(got, tc.want) || !errors.Is(err, tc.err) {
			t.Errorf("Lex(%q) = %q, %v; want %q, %v", tc.line, got, err, tc.want, tc.err)
		}
	}
}

func FuzzLex(f *testing.F) {
	f.Add(`create /a "x y" 'z' \ |> # > | >>`)
	f.Add("create /a \"x\n\\\"y\"\"z\" # it's\n#'\n|'")
	f.Fuzz(func(t *testing.T, line string) {
		tokens, err := Lex(line)
		end := 0
		for i, tok := range tokens {
			if tok.Start < end || tok.End <= tok.Start || tok.End > len(line) {
				t.Fatalf("token %+v of %q overlaps or lies outside", tok, line)
			}
			if open := tok.Open != 0; open != (i == len(tokens)-1 && err != nil) {
				t.Fatalf("token %+v of %q is open, error %v", tok, line, err)
			}
			end = tok.End
		}
		for _, place := range []string{"%s", "x %s", "'x'%s x"} {
			text := fmt.Sprintf(place, Quote(line))
			back, err := Lex(text)
			if err != nil || len(back) != strings.Count(place, "x")+1 || !slices.Contains(texts(Words(back)), line) {
				t.Fatalf("Quote(%q) reads back in %q as %+v, %v", line, text, back, err)
			}
		}
	})
}
