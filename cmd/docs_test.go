package cmd

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var update = flag.Bool("update", false, "write what the sources say into the pages")

// documented checks the part of a page between two marks, which is made from the sources.
func documented(t *testing.T, file, mark, want string) {
	t.Helper()
	begin, end := "<!-- "+mark+": begin -->\n", "<!-- "+mark+": end -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	has, after, closed := strings.Cut(rest, end)
	switch {
	case !ok || !closed:
		t.Fatalf("%s lacks its marks", file)
	case has == want:
	case *update:
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not say what the sources say; run: go test ./cmd -run %s -update\nwant:\n%s", file, t.Name(), want)
	}
}

// The page lists each command's Differs.
func TestDocumentedDifferences(t *testing.T) {
	var want strings.Builder
	for _, c := range commands.All {
		if c.Differs != "" {
			for i, line := range command.Wrap(fmt.Sprintf("**%s**: %s", c.Name, c.Differs), 98) {
				want.WriteString([]string{"- ", "  "}[min(i, 1)] + line + "\n")
			}
		}
	}
	documented(t, "../docs/differences.md", "commands", want.String())
}

// The page lists the exit codes that commands and verbs declare.
func TestDocumentedExits(t *testing.T) {
	var rows []string
	row := func(name string, e command.Exits) {
		if e == nil {
			return
		}
		others := []string{}
		for _, r := range e.Rows() {
			if code := r[0]; code > "2" || len(code) > 1 {
				others = append(others, code+": "+r[1])
			}
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", name, e[0], e[1], e[2], strings.Join(others, "; ")))
	}
	for _, c := range commands.All {
		row(c.Name, c.Exits)
		if c.Predicate && (c.Exits[0] == "" || c.Exits[1] == "" || c.Exits[2] == "") {
			t.Errorf("%s answers with its exit code: say in Exits what 0, 1 and 2 mean", c.Name)
		}
	}
	a := newApp(discard())
	for _, v := range a.verbs() {
		each(v.Tree(a.env()), func(c *cobra.Command) { row(strings.TrimPrefix(c.CommandPath(), "zkctl "), command.ExitsOf(c)) })
	}
	slices.Sort(rows)
	documented(t, "../docs/command-line.md", "exit codes", "| command | 0 | 1 | 2 | others |\n|---|---|---|---|---|\n"+strings.Join(rows, ""))
}

// What a predicate does not understand is no "no": scripts ask for the exit code.
func TestPredicatesMisused(t *testing.T) {
	var lines [][]string
	for _, c := range commands.All {
		if c.Predicate {
			lines = append(lines, []string{c.Name})
		}
	}
	a := newApp(discard())
	for _, v := range a.verbs() {
		each(v.Tree(a.env()), func(c *cobra.Command) {
			if command.IsPredicate(c) {
				lines = append(lines, strings.Fields(c.CommandPath())[1:])
			}
		})
	}
	if len(lines) < 8 {
		t.Errorf("only %q are predicates", lines)
	}
	for _, line := range lines {
		for _, more := range []string{"--no-such-option", "--output=neither"} {
			err := newApp(discard()).execute(t.Context(), append(slices.Clone(line), more, "file:no-such", "file:no-such"))
			var exit *ui.ExitError
			if !errors.As(err, &exit) || exit.Code != ui.ExitUnsure {
				t.Errorf("%s %s: %v, without the exit code %d", line, more, err, ui.ExitUnsure)
			}
		}
	}
}

// The reference page mentions every option, and its example is a valid config file.
func TestDocumentedOptions(t *testing.T) {
	text, err := os.ReadFile("../docs/command-line.md")
	if err != nil {
		t.Fatal(err)
	}
	var o options
	o.flags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(string(text), "`-"+f.Name+"`") && !strings.Contains(string(text), "`-"+f.Name+" ") {
			t.Errorf("docs/command-line.md does not mention -%s", f.Name)
		}
	})
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/command-line.md has no example in YAML")
	}
	config := writeFile(t, "config.yaml", example, 0o600)
	for _, profile := range []string{"", "prod"} {
		if _, _, err := settled(t, config, "-profile", profile); err != nil {
			t.Errorf("profile %q: %v", profile, err)
		}
	}
}
