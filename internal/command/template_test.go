package command

import (
	"slices"
	"strings"
	"testing"
)

func TestTemplate(t *testing.T) {
	values := []Placeholder{{"path", "/a b/'$(x)'"}, {"host", "-oProxyCommand=x"}}
	for _, tc := range []struct {
		line, want string // words joined by |, or an error
	}{
		{"cat {path}", "cat|/a b/'$(x)'"},
		{`echo 'a b' --of={host} "{path}"`, "echo|a b|--of=-oProxyCommand=x|/a b/'$(x)'"},
		{"echo x{host}", "echo|x-oProxyCommand=x"},
		{"ssh {host}", "begins with a dash"},
		{"-x {path}", "-x|/a b/'$(x)'"},
		{"{path} x", "the program itself"},
		{"echo {other}", "echo|{other}"},
		{"", "the command is empty"},
		{"cat {path} | wc", "no shell"},
		{"cat > x", "no shell"},
		{"cat 'x", "unclosed quote"},
	} {
		tpl, err := ParseTemplate("--exec", tc.line)
		var p *Program
		if err == nil {
			p, err = tpl.Fill(values...)
		}
		switch {
		case err != nil && !strings.Contains(err.Error(), tc.want):
			t.Errorf("%s: %v", tc.line, err)
		case err == nil && strings.Join(p.Words, "|") != tc.want:
			t.Errorf("%s: %q", tc.line, p.Words)
		case err == nil && !same(p):
			t.Errorf("%s: %q does not read as %q", tc.line, p, p.Words)
		case err == nil && !slices.Contains(p.Command(t.Context()).Env, "ZKCTL_PATH=/a b/'$(x)'"):
			t.Errorf("%s: the environment lacks the path", tc.line)
		}
	}
}

// same reports whether a program that is shown reads as its words.
func same(p *Program) bool {
	again, err := ParseTemplate("--exec", p.String())
	return err == nil && slices.Equal(again, p.Words)
}

// TestBatchFiles: what Windows runs by cmd.exe is known by its name.
func TestBatchFiles(t *testing.T) {
	for program, want := range map[string]bool{"run.bat": true, `C:\tools\RUN.CMD`: true, "run.bat. ": true, "run.exe": false, "run": false, "bat": false} {
		if got := isBatch(program); got != want {
			t.Errorf("%s: %v", program, got)
		}
	}
}
