package command

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

func TestContinues(t *testing.T) {
	for _, tc := range []struct {
		text string
		want bool
	}{
		{`create /a '{`, true},
		{"create /a '{\n", true},
		{"create /a '{\n\"a\": 1\n}'", false},
		{"create /a '{\n}' 'b", true},
		{"create /a \"{\n\\\"\n\\\\\"", false},
		{"create /a \"\\", true},
		{"create /a \"\\\n\"", false}, // the line break is not escaped
		{"create /a it's", false},
		{"create /a 'b'#'c", false},
		{"create /a 'b\n'# 'c", false}, // a word of its own, not the start of a line
		{"create /a 'b\n'#x 'c", true},
		{"# it's 'a comment", false},
		{"ls / # 'x", false},
		{"ls / | awk '", true},
		{"ls / | awk '\n{ print }\n'", false},
		{"ls / | grep it's", true},
		{`ls / | grep it\'s`, false},
		{`ls / | echo "it's"`, false},
		{`ls / | echo '\'`, false},
		{`ls / | echo "\""`, false},
		{`ls / | wc # it's`, false},
		{`ls / | echo a#it's`, true},
		{`ls / |grep 'a`, true},
		{`ls / |grep a'b`, false},
		{`create /a \`, true},
		{"create /a \\\r", true},
		{"create /a \\\n", false},
		{"create /a \\\n\\", true},
		{"create /a \\\n'x", true},
		{`create /a \ `, false},
		{`create /a \\`, false},
		{`set /a C:\`, false},
		{`set /a '\`, true},
		{`set /a '\'`, false},
		{`set /a '' \`, true},
		{`set /a # \`, false},
		{"set /a \\\n#b 'c", true}, // a word: the line has begun
		{`ls / | wc \`, true},
		{"ls / | wc \\\n-l", false},
		{`ls / | wc\`, true},
		{`ls / | wc \\`, false},
		{`ls / | wc '\`, true},
		{`ls / | wc # \`, false},
	} {
		if strings.Contains(tc.text, " | ") && runtime.GOOS == "windows" {
			continue
		}
		if got := Continues(tc.text); got != tc.want {
			t.Errorf("Continues(%q) = %v", tc.text, got)
		}
	}
}

// What goes on row by row is what Lex finds open in the whole.
func FuzzContinues(f *testing.F) {
	f.Add("create /a 'x\ny' \"\\\"\n\" #\n'")
	f.Add("create \\\n#a \\\r\n 'x'\\\n\\ \\")
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := Lex(text)
		for _, tok := range tokens {
			if tok.Operator && tok.Text == "|" {
				return
			}
		}
		want := errors.Is(err, ErrOpenQuote)
		if len(tokens) > 0 {
			last := tokens[len(tokens)-1]
			rest := text[last.End:]
			want = want || last.Text == `\` && !last.Quoted && (rest == "" || rest == "\r")
		}
		if got := Continues(text); got != want {
			t.Fatalf("Continues(%q) = %v, and Lex says %v", text, got, err)
		}
	})
}
