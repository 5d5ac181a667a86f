package logs

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
)

// TestWidths: no verb prints a line wider than the terminal, unless it has a word that does not fit.
func TestWidths(t *testing.T) {
	t.Chdir("testdata")
	const incident = "closed-while-connected.client.log|closed-while-connected.server3.log"
	for _, args := range []string{
		"summary|server-3.4.6|" + incident, "timeline|ensemble/server1.log|ensemble/server3.log", "timeline|" + incident, "timeline|--all|c-client.log",
		"elections|ensemble/server1.log|ensemble/server3.log", "elections|waiting-3.8", "sessions|--all|sessions.log|sessions2.log|" + incident,
		"explain|Have smaller server identifier, so dropping the connection: (3, 1)", "explain|election algorithn", "explain|--list",
		"trace|0xff902365d9b70e63|" + incident,
	} {
		for _, width := range []int{60, 80, 200} {
			var out bytes.Buffer
			s := &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &out, OutTTY: true, Width: width}
			c := &cobra.Command{Use: "zkctl"}
			c.AddCommand(newCommand(s).Commands()...)
			c.AddCommand(NewTraceCommand(s, Members{}))
			c.SilenceErrors, c.SilenceUsage = true, true
			c.SetArgs(strings.Split(args, "|"))
			err := c.ExecuteContext(t.Context())
			if out.Len() == 0 {
				t.Errorf("%s: %v", args, err)
			}
			for line := range strings.Lines(out.String()) {
				line = strings.TrimRight(line, "\n")
				indent := len(line) - len(strings.TrimLeft(line, " "))
				longest := 0
				for word := range strings.FieldsSeq(line) {
					longest = max(longest, runewidth.StringWidth(word))
				}
				if n := runewidth.StringWidth(line); n > width && indent+longest <= width {
					t.Errorf("%s in %d columns: %d in %q", args, width, n, line)
				}
			}
		}
	}
}
