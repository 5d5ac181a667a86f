package cmd

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
)

var update = flag.Bool("update", false, "write what the sources say into docs/differences.md")

// The page lists each command's Differs.
func TestDocumentedDifferences(t *testing.T) {
	const file, begin, end = "../docs/differences.md", "<!-- commands: begin -->\n", "<!-- commands: end -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	has, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s lacks its marks", file)
	}
	var want strings.Builder
	for _, c := range commands.All {
		if c.Differs != "" {
			for i, line := range command.Wrap(fmt.Sprintf("**%s**: %s", c.Name, c.Differs), 98) {
				want.WriteString([]string{"- ", "  "}[min(i, 1)] + line + "\n")
			}
		}
	}
	if has == want.String() {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+want.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s does not say what the commands say; run: go test ./cmd -run TestDocumentedDifferences -update\nwant:\n%s", file, want.String())
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
