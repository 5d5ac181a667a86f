package outer

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/escape"
)

func environment(name string) (string, bool) {
	value, ok := map[string]string{"HOME": "/home/me", "ZK": "h:1", "TWO": "-o json", "EMPTY": ""}[name]
	return value, ok
}

func TestSplit(t *testing.T) {
	const no = "nothing"                                        // the shell alone could tell
	for _, test := range []struct{ shells, line, want string }{ // words separated by |, the last at the cursor
		{"all", "zkctl", no},
		{"all", "zkctl ", "zkctl|"},
		{"all", "zkctl get /a", "zkctl|get|/a"},
		{"all", "zkctl get  ", "zkctl|get|"},
		{"all", "zkctl 'get' \"/a b", "zkctl|get|/a b"},
		{"all", "zkctl get '/a b", "zkctl|get|/a b"},
		{"all", "zkctl get /a/'b c'/\"d e\"", "zkctl|get|/a/b c/d e"},
		{"all", "./bin/zkctl -server=h:1 get /a", "./bin/zkctl|-server=h:1|get|/a"},
		{"all", "zkctl get $(id)/a", no},
		{"all", "zkctl -server $(id) get /a", no},
		{"all", "zkctl get \"$(id)", no},
		{"all", "zkctl get (id)", no},
		{"all", "zkctl get # /a", no},
		{"all", "zkctl get /a#", "zkctl|get|/a#"},
		{"all", "zkctl get /a$", "zkctl|get|/a$"},
		{"all", "zkctl get 'a$(id)`id`", "zkctl|get|a$(id)`id`"},
		{"all", "zkctl -f ~/s", "zkctl|-f|/home/me/s"},
		{"all", "zkctl -f ~you/s", "zkctl|-f|~you/s"},
		{"all", "zkctl -f '~/s", "zkctl|-f|~/s"},
		{"all", "zkctl ls / >out 2>err <in x", "zkctl|ls|/|x"},
		{"posix fish", "zkctl get $ZK/a", "zkctl|get|h:1/a"},
		{"posix fish", `zkctl -server "$ZK" get /a`, "zkctl|-server|h:1|get|/a"},
		{"posix fish", `zkctl get '$ZK`, "zkctl|get|$ZK"},
		{"posix fish", `zkctl get \$ZK\ \"`, `zkctl|get|$ZK "`},
		{"posix fish", `zkctl get "\$ZK \" \x`, `zkctl|get|$ZK " \x`},
		{"posix fish", `zkctl get /a\`, "zkctl|get|/a"},
		{"posix fish", "zkctl get \\\n/a", "zkctl|get|/a"},
		{"posix fish", "zkctl -o json; zkctl get /a", "zkctl|get|/a"},
		{"posix fish", "ls | zkctl get /a", "zkctl|get|/a"},
		{"posix fish", "ZK=1 zkctl get /a", "zkctl|get|/a"},
		{"posix", "zkctl get ${ZK}x/a", "zkctl|get|h:1x/a"},
		{"posix", "zkctl get ${ZK:-x}/a", no},
		{"posix", "zkctl get `id", no},
		{"posix", "zkctl get $'\\x41", no},
		{"posix", "zkctl get $1", no},
		{"posix", "zkctl get $ZK\\$/a", "zkctl|get|h:1$/a"},
		{"bash", "zkctl $TWO get /a", "zkctl|-o|json|get|/a"},
		{"bash", "zkctl $EMPTY get /a", "zkctl|get|/a"},
		{"zsh", "zkctl \"$EMPTY\" get /a", "zkctl||get|/a"},
		{"fish", `zkctl get 'it\'s \x`, `zkctl|get|it's \x`},
		{"fish", "not zkctl get /a", "zkctl|get|/a"},
		{"fish", `zkctl get a\nb`, no},
		{"powershell", "zkctl get 'it''s", "zkctl|get|it's"},
		{"powershell", "zkctl get \u2018it\u2019\u2019s", "zkctl|get|it\u2019s"},
		{"powershell", "zkctl get \"say \"\"x\"\"", `zkctl|get|say "x"`},
		{"powershell", "zkctl get \"a`$b", "zkctl|get|a$b"},
		{"powershell", "zkctl get a` b", "zkctl|get|a b"},
		{"powershell", "zkctl get a\\b", `zkctl|get|a\b`},
		{"powershell", "zkctl get a`nb", no},
		{"powershell", "zkctl get $env:ZK/a", "zkctl|get|h:1/a"},
		{"powershell", "zkctl get $ZK/a", no},
		{"powershell", "zkctl get @(1)", no},
		{"powershell", "zkctl.exe get /a; id", no},
		{"powershell", "zkctl.exe get /a", "zkctl.exe|get|/a"},
	} {
		for _, shell := range Shells {
			posix := strings.HasPrefix(test.shells, "posix") && (shell == "bash" || shell == "zsh")
			if test.shells != "all" && !posix && !slices.Contains(strings.Fields(test.shells), shell) {
				continue
			}
			got := no
			if l, ok := split(shell, test.line, environment); ok {
				got = strings.Join(append(l.Words, l.Word), "|")
			}
			if got != test.want {
				t.Errorf("%s: %q is %q, want %q", shell, test.line, got, test.want)
			}
		}
	}
	for _, line := range []string{"zkctl ls / > f", "zkctl ls / >>f", "zkctl <f", "zkctl 2>f"} {
		if l, ok := split("bash", line, environment); !ok || !l.File || l.Word != "f" {
			t.Errorf("%q: %+v, %v", line, l, ok)
		}
	}
}

func suggest(texts ...string) completions.Result {
	var r completions.Result
	for _, text := range texts {
		r.Suggestions = append(r.Suggestions, completions.Suggestion{Text: text, Label: text[strings.LastIndexByte(text, '/')+1:], Help: "1 child"})
	}
	r.Total = len(texts)
	if len(texts) > 0 {
		r.Common = shared(slices.Clone(texts))
	}
	return r
}

func TestBashAnswers(t *testing.T) {
	for _, test := range []struct {
		name, word, replaced, mode string
		found                      completions.Result
		want                       []string
	}{
		{"one", "/a", "/a", "9", suggest("/app"), []string{"/app"}},
		{"one with a blank", "/a", "/a", "9", suggest("/a b"), []string{`/a\ b`}},
		{"one behind a blank", `/a\ `, `/a\ `, "9", suggest("/a b"), []string{`/a\ b`}},
		{"one that begins to be quoted", `/a\`, `/a\`, "9", suggest("/a b"), []string{`/a\ b`}},
		{"one within a quote stays open", `"/a`, "/a", "9", suggest("/a b"), []string{"/a b/", "/a b"}},
		{"one behind a colon", "/a:b", "b", "9", suggest("/a:bc$"), []string{`bc\$`}},
		{"one behind a variable", "$ZK/a", "$ZK/a", "9", suggest("h:1/a'b"), []string{`$ZK/a\'b`}},
		{"one behind ~", "~/a", "~/a", "9", suggest("/home/me/a b"), []string{`~/a\ b`}},
		{"in another case", "CREA", "CREA", "9", suggest("create"), []string{"create"}},
		{"in another case, quoted", `"CREA`, "CREA", "9", suggest("create"), []string{"create/", "create"}},
		{"in another case, behind a quote", `C"REA`, "REA", "9", suggest("create"), nil},
		{"two share an evaluation", "/e/", "/e/", "9", suggest("/e/$(id)1", "/e/$(id)2"), []string{`/e/\$\(id\)1`, `/e/\$\(id\)2`}},
		{"two share half a quoted character", "/e", "/e", "9", suggest("/e/$", "/e/("), []string{`/e/\$`, `/e/\(`, "/e/"}},
		{"more than are suggested", "/e", "/e", "9", completions.Result{Suggestions: suggest("/e/aa", "/e/ab").Suggestions, Total: 1000, Common: "/e/"},
			[]string{"/e/aa", "/e/ab", "/e/"}},
		{"a list is not quoted", "/e/", "/e/", "63", suggest("/e/$(id)1", "/e/$(id)2"), []string{"$(id)1  (1 child)", "$(id)2  (1 child)"}},
		{"a list has columns", "/e/", "/e/", "63", suggest("/e/a", "/e/long"), []string{"a     (1 child)", "long  (1 child)"}},
		{"a list of one is inserted", "/e/", "/e/", "63", suggest("/e/$(id)1"), []string{`/e/\$\(id\)1`}},
		{"what no quote holds", `"/e/`, "/e/", "9", suggest("/e/a!b", "/e/\"", "/e/$"), []string{`/e/\$/`, `/e/\$`}},
		{"a quote in quotes", "'/e/", "/e/", "9", suggest("/e/it's", "/e/\""), []string{`/e/"/`, `/e/"`}},
		{"control characters", "/e/", "/e/", "9", suggest("/e/a\nid", "/e/b\x1b", "/e/c\u202e", "/e/d\xff"), nil},
		{"what is not of the word", "/e/", "f/", "9", suggest("/e/a"), nil},
	} {
		r, ok := ParseRequest([]string{"bash", "zkctl get " + test.word, test.replaced, test.mode}, environment)
		if !ok {
			t.Fatalf("%s: %q is not understood", test.name, test.word)
		}
		var out strings.Builder
		if err := r.Answer(&out, test.found); err != nil {
			t.Fatal(err)
		}
		if got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"); !slices.Equal(got, test.want) && (test.want != nil || got[0] != "") {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestOtherAnswers(t *testing.T) {
	parent := suggest("/e/$(id)1")
	parent.Suggestions[0].Parent = true
	final := suggest("create")
	final.Suggestions[0].Final = true
	files := completions.Result{Files: true}
	hostile := suggest("/e/a\nid", "/e/b\tid", "/e/c")
	hostile.Suggestions[2].Help = "one\ntwo\tthree"
	for _, test := range []struct {
		shell string
		found completions.Result
		want  string
	}{
		{"zsh", suggest("/e/$(id)1", "/e/b c"), "open\t/e/$(id)1\t$(id)1  (1 child)\nopen\t/e/b c\tb c  (1 child)\n"},
		{"zsh", parent, "parent\t/e/$(id)1\t$(id)1  (1 child)\n"},
		{"zsh", final, "final\tcreate\tcreate  (1 child)\n"},
		{"zsh", files, "files\n"},
		{"zsh", hostile, "open\t/e/c\tc  (one\\ntwo\\tthree)\n"},
		{"fish", suggest("/e/$(id)1", "/e/b c"), "/e/$(id)1\t1 child\n/e/b c\t1 child\n"},
		{"fish", parent, "/e/$(id)1\t1 child\n/e/$(id)1/\t1 child\n"},
		{"fish", files, "files\n"},
		{"fish", hostile, "/e/c\tone\\ntwo\\tthree\n"},
		{"powershell", suggest("/e/$(id)1", "/e/b", "/e/it's", "/e/\u2019; id"),
			"'/e/$(id)1'\t$(id)1\t1 child\n/e/b\tb\t1 child\n'/e/it''s'\tit's\t1 child\n'/e/\u2019\u2019; id'\t\u2019; id\t1 child\n"},
		{"powershell", suggest("-Dfoo.bar=1", "--file=x"), "'-Dfoo.bar=1'\t-Dfoo.bar=1\t1 child\n--file=x\t--file=x\t1 child\n"},
		{"powershell", hostile, "/e/c\tc\tone\\ntwo\\tthree\n"},
	} {
		r := Request{Shell: test.shell}
		var out strings.Builder
		if err := r.Answer(&out, test.found); err != nil || out.String() != test.want {
			t.Errorf("%s: %q, want %q", test.shell, out.String(), test.want)
		}
	}
}

// What is put on the line is one word, and the one that was meant.
func FuzzQuote(f *testing.F) {
	for _, name := range []string{"/a", "/a b", "$(id)", "`id`", "it's", `"`, `\`, "!", "~", "\u2019", "日本", "-x", "{a,b}", "#", "a=b"} {
		f.Add(name, 0)
		f.Add(name, 1)
	}
	f.Fuzz(func(t *testing.T, name string, typed int) {
		if escape.Line(name) != name || name == "" {
			t.Skip()
		}
		if l, ok := split("powershell", "zkctl get "+quotePowerShell(name), environment); !ok || l.Word != name || len(l.Words) != 2 || l.quote != 0 {
			t.Errorf("PowerShell: %q is written %s, which is %+v", name, quotePowerShell(name), l)
		}
		// A part of the name has been typed, in one way or the other.
		runes := []rune(name)
		head := string(runes[:max(0, typed)%(len(runes)+1)])
		for _, quote := range []byte{0, '"', '\''} {
			begun, ok := quotePosix(head, quote)
			if quote != 0 {
				begun = string(rune(quote)) + begun
			}
			line := "zkctl get " + begun
			replaced := strings.TrimPrefix(begun, string(rune(quote)))
			r, parsed := ParseRequest([]string{"bash", line, replaced, "9"}, environment)
			if !ok || !parsed {
				continue
			}
			if r.Word != head {
				t.Fatalf("%s is %q, not %q", line, r.Word, head)
			}
			text, ok := r.inserted(name)
			if !ok {
				continue
			}
			line = strings.TrimSuffix(line, replaced) + text
			if quote != 0 {
				line += string(rune(quote))
			}
			if l, ok := split("bash", line, environment); !ok || l.Word != name || len(l.Words) != 2 || l.quote != 0 {
				t.Errorf("bash: %q is %+v, want %q", line, l, name)
			}
		}
	})
}

// bash itself reads back what is written for it.
func TestBashReadsBack(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	const alphabet = "ab/ -~!\"#$%&'()*+,.:;<=>?@[\\]^_`{|}1é日\u00a0"
	random := rand.New(rand.NewPCG(1, 2))
	var names []string
	script := "set -H; printf '%s\\0'"
	for range 2000 {
		var name strings.Builder
		for range 1 + random.IntN(8) {
			runes := []rune(alphabet)
			name.WriteRune(runes[random.IntN(len(runes))])
		}
		for _, quote := range []byte{0, '"', '\''} {
			if quoted, ok := quotePosix(name.String(), quote); ok {
				names = append(names, name.String())
				script += " " + strings.Trim(fmt.Sprintf("%c%s%c", quote, quoted, quote), "\x00")
			}
		}
	}
	cmd := exec.Command(bash, "--noprofile", "--norc")
	cmd.Stdin = strings.NewReader(script + "\n")
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	for i, name := range names {
		if i >= len(got) || got[i] != name {
			t.Fatalf("bash reads %q, want %q", got[min(i, len(got)-1)], name)
		}
	}
}
