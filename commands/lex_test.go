package commands

import (
	"errors"
	"reflect"
	"testing"
)

func TestLex(t *testing.T) {
	for _, tc := range []struct {
		line string
		want []string
		err  error
	}{
		{`ls /`, []string{"ls", "/"}, nil},
		{"  create\t/a  'two words' ", []string{"create", "/a", "two words"}, nil},
		{`set /a "say \"hi\" \n"`, []string{"set", "/a", `say "hi" \n`}, nil},
		{`set /a ''`, []string{"set", "/a", ""}, nil},
		{`get /a\ b`, []string{"get", "/a b"}, nil},
		{`set /a {"k":'v w'}`, []string{"set", "/a", "{k:v w}"}, nil},
		{`ls -R /|grep foo>>out`, []string{"ls", "-R", "/", "|", "grep", "foo", ">>", "out"}, nil},
		{`get "/a|b>c"`, []string{"get", "/a|b>c"}, nil},
		{`ls / # all`, []string{"ls", "/"}, nil},
		{`get /a#b`, []string{"get", "/a#b"}, nil},
		{`get /世界`, []string{"get", "/世界"}, nil},
		{`get "/a b`, []string{"get", "/a b"}, ErrOpenQuote},
		{`get /a\`, []string{"get", "/a"}, ErrOpenQuote},
		{``, nil, nil},
	} {
		tokens, err := Lex(tc.line)
		var got []string
		for _, tok := range tokens {
			got = append(got, tok.Text)
		}
		if !reflect.DeepEqual(got, tc.want) || !errors.Is(err, tc.err) {
			t.Errorf("Lex(%q) = %q, %v; want %q, %v", tc.line, got, err, tc.want, tc.err)
		}
	}
}

func FuzzLex(f *testing.F) {
	f.Add(`create /a "x y" 'z' \ |> #`)
	f.Fuzz(func(t *testing.T, line string) {
		tokens, _ := Lex(line)
		end := 0
		for _, tok := range tokens {
			if tok.Start < end || tok.End <= tok.Start || tok.End > len(line) {
				t.Fatalf("token %+v of %q overlaps or lies outside", tok, line)
			}
			end = tok.End
		}
		back, err := Lex(Quote(line))
		if err != nil || len(back) != 1 || back[0].Text != line {
			t.Fatalf("Quote(%q) = %q reads back as %+v, %v", line, Quote(line), back, err)
		}
	})
}
