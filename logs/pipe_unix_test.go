//go:build unix

package logs

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What a FIFO gives can be read once.
func TestPipes(t *testing.T) {
	const line = "2024-06-25 19:56:12,970 [myid:1] - WARN  [main:A@1] - LOOKING\n"
	dir := t.TempDir()
	file := writeFile(t, dir, "a.log", line)
	for _, verb := range []string{"summary", "timeline", "merge", "elections"} {
		pipe := filepath.Join(dir, verb)
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		go func() { _ = os.WriteFile(pipe, []byte(line), 0o600) }()
		got := run(t, "", verb, "-o", "json", pipe, file)
		want := map[string]string{"summary": `"events":2`, "timeline": `"line":1`, "merge": `"line":1`, "elections": `"type":"election"`}[verb]
		if got.exit != 0 || got.err != "" || !strings.Contains(got.out, want) {
			t.Error(verb, got)
		}
	}
}
