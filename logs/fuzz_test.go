package logs

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/ui"
)

// FuzzVerbs gives every verb a log that anybody may have written: none may panic, hang, or print what a terminal obeys
// in JSON.
func FuzzVerbs(f *testing.F) {
	for _, name := range []string{"testdata/waiting.log", "testdata/sessions.log", "testdata/kazoo.log", "testdata/c-client.log",
		"testdata/server-3.4.6/zookeeper.log.7", "testdata/closed-while-connected.client.log"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		for _, args := range []string{"explain -", "summary --dates dmy", "timeline --dates ymd --all", "elections --dates ymd", "sessions --dates mdy --all", "grep --dates ymd x"} {
			for _, output := range []string{"text", "json"} {
				var out bytes.Buffer
				c := newCommand(&ui.Streams{In: bytes.NewReader(log), Out: &out, Err: io.Discard, Width: 80})
				c.SilenceErrors, c.SilenceUsage = true, true
				c.SetArgs(append(strings.Fields(args), "-o", output))
				_ = c.ExecuteContext(t.Context())
				if output == "json" && bytes.ContainsAny(out.Bytes(), "\x1b\x07\r") {
					t.Errorf("%s: %q", args, out.Bytes())
				}
			}
		}
	})
}
