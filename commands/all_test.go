package commands

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestUnknownCommand(t *testing.T) {
	for name, want := range map[string]string{
		"nosuchcommand": "Command not found nosuchcommand. `help` lists all",
		"lss":           "Did you mean ls or ls2? `help`",
		"getacll":       "Did you mean getAcl?",
		"conect":        "Did you mean connect?",
		"y":             "Command not found y. `help`", // not: did you mean ??
	} {
		err := command.Run(t.Context(), &command.Env{Commands: All}, command.Args(name))
		var exit *ui.ExitError
		if !errors.As(err, &exit) || exit.Code != ui.ExitUnknownCommand || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestEveryCommandIsWhole checks what help, completion and Parse rely on.
func TestEveryCommandIsWhole(t *testing.T) {
	names := map[string]bool{}
	for _, c := range All {
		for _, n := range append([]string{c.Name}, c.Aliases...) {
			if names[strings.ToLower(n)] {
				t.Errorf("two commands are called %s", n)
			}
			names[strings.ToLower(n)] = true
		}
		if c.Short == "" || c.Run == nil || c.Group == "" {
			t.Errorf("%s: Short, Run or Group is missing", c.Name)
		}
		for _, o := range c.Options.List() {
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
			tokens, err := command.Lex(e[0])
			for i, tok := range tokens {
				if tok.Operator {
					tokens = tokens[:i]
					break
				}
			}
			if err == nil {
				_, err = All.Parse(command.Words(tokens))
			}
			if err != nil {
				t.Errorf("the example %q of %s: %v", e[0], c.Name, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`get -s -o json "/a b*"`)
	f.Add(`ls -Rsw=x -- -5`)
	f.Fuzz(func(t *testing.T, line string) {
		tokens, _ := command.Lex(line)
		in, err := All.Parse(command.Words(tokens))
		if (in == nil) == (err == nil) && in == nil {
			t.Fatal("neither an invocation nor an error")
		}
		if err == nil {
			_ = in.Resolve("/dir")
		}
	})
}

// shared are the files that belong to several commands.
var shared = []string{
	"all.go",       // the list
	"data.go",      // options and arguments with data
	"dryrun.go",    // what would be deleted
	"held.go",      // a tree in memory
	"jq.go",        // filters of get and set
	"locations.go", // options and arguments of the commands that read any location
	"owners.go",    // the sessions and clients behind ephemeral znodes
	"quota.go",     // the limits of a quota
	"read.go",      // options and arguments of the commands that read
	"revision.go",  // changes of data that depend on the data
	"show.go",      // stats, data and ACLs as text and JSON
	"walk.go",      // a tree in zkCli's order
}

// TestEachCommandHasItsFile: a command NAME is in NAME.go, and a further part of it in NAMEpart.go.
// What a command is belongs in internal/command.
func TestEachCommandHasItsFile(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range All {
		file := strings.ToLower(c.Name) + ".go"
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), fmt.Sprintf("Name: %q", c.Name)) {
			t.Errorf("%s is not in %s: %v", c.Name, file, err)
		}
	}
	for _, file := range files {
		ofCommand := func(c *command.Command) bool { return strings.HasPrefix(file, strings.ToLower(c.Name)) }
		if !strings.HasSuffix(file, "_test.go") && !slices.Contains(shared, file) && !slices.ContainsFunc(All, ofCommand) {
			t.Errorf("%s is named after no command", file)
		}
	}
}
