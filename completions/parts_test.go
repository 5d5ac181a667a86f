package completions

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/command"
)

// marks are the classes in the expectations below.
const marks = " NOZQ|#X"

// marked returns a row with the mark of the class below each byte of the line.
func marked(line string, parts []Part) string {
	row := []byte(strings.Repeat(" ", len(line)))
	for _, p := range parts {
		for i := p.Start; i < p.End; i++ {
			row[i] = marks[p.Class]
		}
	}
	return strings.TrimRight(string(row), " ")
}

func TestParts(t *testing.T) {
	tree := newFakeTree("/app/config", "/app/my dir", "/other")
	verb := command.Verb{Name: "frobs", New: func(*command.Env) *cobra.Command {
		c := &cobra.Command{Use: "frobs"}
		sub := &cobra.Command{Use: "list", Run: func(*cobra.Command, []string) {}}
		sub.Flags().BoolP("all", "a", false, "")
		sub.Flags().StringP("name", "n", "", "")
		c.AddCommand(sub)
		return c
	}}
	env := &command.Env{Commands: commands.All, Verbs: []command.Verb{verb}, Aliases: []command.Alias{{Name: "ll", Line: "ls -s"}, {Name: "top", Line: "ls -R / | head"}}}
	for _, test := range []struct{ name, line, want string }{
		{"a command", "ls /app", "NN ZZZZ"},
		{"in other letters", "LS /app", "NN ZZZZ"},
		{"no command", "frob /app", "XXXX"},
		{"no znode", "ls /app/none", "NN XXXXXXXXX"},
		{"no parent", "ls /none/none", "NN XXXXXXXXXX"},
		{"the root", "ls /", "NN Z"},
		{"relative", "get config", "NNN ZZZZZZ"},
		{"a znode to come", "create /new data", "NNNNNN"},
		{"a pattern", "ls /app/*", "NN"},
		{"in quotes", "ls '/app/my dir'", "NN ZZZZZZZZZZZZZ"},
		{"data in quotes", `create /new "a b"`, "NNNNNN      QQQQQ"},
		{"options", "ls -R -w --help -sw -o json", "NN OO OO OOOOOO OOO OO"},
		{"no option", "ls -Z --frob", "NN XX XXXXXX"},
		{"an option with its value", "ls -o=json /app", "NN OOOOOOO ZZZZ"},
		{"too many arguments", "getAcl /app x", "NNNNNN ZZZZ X"},
		{"a number", "set /app -1", "NNN ZZZZ"},
		{"a program", "ls /app | grep -x 'a' # b", "NN ZZZZ |"},
		{"a file", "ls /app > /app", "NN ZZZZ |"},
		{"a comment", "ls /app # a comment", "NN ZZZZ ###########"},
		{"rows", "ls \\\n/app #x\n# y\n-s", "NN # ZZZZ    ### OO"},
		{"a location", "find /app --name x", "NNNN ZZZZ OOOOOO"},
		{"another's znode", "find prod:/app", "NNNN"},
		{"a command in a command", "time repeat 3 ls -R /app", "NNNN NNNNNN   NN OO ZZZZ"},
		{"no command in a command", "time frob", "NNNN XXXX"},
		{"an alias", "ll /app -Z", "NN ZZZZ XX"},
		{"an alias with a program", "top -Z /app", "NNN"},
		{"a verb", "frobs list --all -an x -n -a file", "NNNNN NNNN OOOOO OOO   OO"},
		{"no option of a verb", "frobs list --fall -x", "NNNNN NNNN XXXXXX XX"},
		{"cd back", "cd -", "NN"},
		{"an open quote", "ls '/app", "NN QQQQQ"},
		{"spaces", "   ", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := New(Config{Env: env, Tree: of(tree), TTL: time.Hour})
			got := ""
			// What is known of the znodes arrives in the background.
			if !await.Within(time.Minute, func() bool {
				got = marked(test.line, c.Parts(test.line, -1, "/app"))
				return got == test.want
			}) {
				t.Errorf("%q is\n%s, want\n%s", test.line, got, test.want)
			}
		})
	}
}

// A word at the cursor may grow.
func TestPartsAtTheCursor(t *testing.T) {
	tree := newFakeTree("/app/config")
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree), TTL: time.Hour})
	for _, test := range []struct{ line, want string }{
		{"l", ""}, {"ls", "NN"}, {"lx", "XX"}, {"ls --hel", "NN"}, {"ls --hex", "NN XXXXX"},
		{"ls /ap", "NN"}, {"ls /app", "NN ZZZZ"}, {"ls /app/c", "NN"}, {"ls /apx", "NN XXXX"},
	} {
		got := ""
		if !await.Within(time.Minute, func() bool {
			got = marked(test.line, c.Parts(test.line, len(test.line), "/"))
			return got == test.want
		}) {
			t.Errorf("%q is %q, want %q", test.line, got, test.want)
		}
	}
}

// Parts never waits for the server, asks it once, and learns of changes.
func TestPartsDoNotWait(t *testing.T) {
	tree := newFakeTree("/app")
	tree.block = make(chan struct{})
	changed := make(chan struct{}, 100)
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree), TTL: time.Hour, Changed: func() { changed <- struct{}{} }})
	const line = "get /app/new"
	for range 3 {
		if got := marked(line, c.Parts(line, -1, "/")); got != "NNN" {
			t.Errorf("before the answer: %q", got)
		}
	}
	close(tree.block)
	<-changed
	if got := marked(line, c.Parts(line, -1, "/")); got != "NNN XXXXXXXX" {
		t.Errorf("after it: %q", got)
	}
	tree.add("/app/new")
	c.Ran(command.Args("create", "/app/new"), "/")
	c.Parts(line, -1, "/")
	<-changed
	if got := marked(line, c.Parts(line, -1, "/")); got != "NNN ZZZZZZZZ" {
		t.Errorf("after it was created: %q", got)
	}
}

// FuzzParts: the parts of any line are in order and inside it.
func FuzzParts(f *testing.F) {
	f.Add("ls -R /a | x", 3)
	f.Add("time repeat 2 get '/a b' > out # x", 100)
	f.Add("create \\\n/a \"\xff", 5)
	c := New(Config{Env: &command.Env{Commands: commands.All, Aliases: []command.Alias{{Name: "ll", Line: "ls -l"}}}})
	f.Fuzz(func(t *testing.T, line string, pos int) {
		end := 0
		for _, p := range c.Parts(line, pos, "/") {
			if p.Start < end || p.End < p.Start || p.End > len(line) {
				t.Fatalf("%+v in %q", p, line)
			}
			end = p.End
		}
	})
}

// A line with an alias completes as the line that it stands for.
func TestAliasesComplete(t *testing.T) {
	env := &command.Env{Commands: commands.All, Aliases: []command.Alias{{Name: "list", Line: "ls -s"}, {Name: "x", Line: "find / --size"}, {Name: "ls", Line: "get"}}}
	c := New(Config{Env: env, Tree: of(newFakeTree("/app"))})
	for line, want := range map[string]struct {
		start int
		text  string
	}{
		"list /a":      {5, "/app"},
		"time list /a": {10, "/app"},
		"x +":          {2, "+10k"},
		"lis":          {0, "list"},
		"ls --out":     {3, "--output"}, // a command wins
	} {
		r := c.Complete(testContext(t), line, len(line), "/")
		if len(r.Suggestions) == 0 || r.Suggestions[0].Text != want.text || r.Start != want.start {
			t.Errorf("%q: %+v", line, r)
		}
	}
	if r := c.Lookup("list /a", 2, "/"); r.Total != 0 && r.Start != 0 {
		t.Errorf("within the alias: %+v", r)
	}
}
