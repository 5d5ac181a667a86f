package cmd

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// TestHelpFitsTheTerminal: in 60 columns every help is folded, except the examples of verbs, which are for pasting, and words that
// are longer.
func TestHelpFitsTheTerminal(t *testing.T) {
	const width = 60
	check := func(name, help string) {
		example := false
		for _, line := range strings.Split(help, "\n") {
			if line != "" && line[0] != ' ' {
				example = line == "Examples:"
			}
			if !example && utf8.RuneCountInString(line) > width && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%s: a line of %d columns: %s", name, utf8.RuneCountInString(line), line)
			}
		}
	}
	var out bytes.Buffer
	a := newApp(&ui.Streams{In: strings.NewReader(""), Out: &out, Err: &out, Width: width})
	for _, c := range commands.All {
		out.Reset()
		if err := a.env().Help(t.Context(), c.Name); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		check(c.Name, out.String())
	}
	for _, v := range a.verbs() {
		each(v.Tree(a.env()), func(c *cobra.Command) {
			out.Reset()
			if err := command.PrintVerbHelp(&out, c, width); err != nil {
				t.Error(err)
			}
			check(c.CommandPath(), out.String())
		})
	}
	out.Reset()
	if err := a.printHelp(); err != nil {
		t.Error(err)
	}
	check("zkctl", out.String())
}
