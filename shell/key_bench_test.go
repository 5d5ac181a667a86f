package shell

import (
	"fmt"
	"io"
	"testing"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/command"
)

// BenchmarkKey paints a line after a key, with and without colours and suggestions from a full history.
func BenchmarkKey(b *testing.B) {
	complete := completions.New(completions.Config{Env: &command.Env{Commands: commands.All}})
	var past []string
	for i := range historyKept {
		past = append(past, fmt.Sprintf("get /app/config/of-some-length/%d", i))
	}
	for name, color := range map[string]bool{"plain": false, "coloured": true} {
		b.Run(name, func(b *testing.B) {
			e := &editor{
				label: func(int) []span { return nil }, screen: screen{out: io.Discard, color: color, width: 80, height: 24},
				suggesting: color, past: past, suggested: suggested{line: at("set -v 12 /app/config/server 'a value of words' |"), selected: -1}, active: true,
			}
			if color {
				e.parts = func(line string, pos int) []completions.Part { return complete.Parts(line, pos, "/") }
			}
			for b.Loop() {
				e.ghost = ghost{} // each key makes another line
				e.paint()
			}
		})
	}
}
