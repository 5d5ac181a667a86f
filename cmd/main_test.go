package cmd

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/ui"
)

// TestMain makes the test binary zkctl itself when a script runs "zkctl".
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){
		"zkctl": func() { os.Exit(Main(os.Args[1:])) },
	})
}

type tests struct{ *testing.M }

// Run runs the tests without the user's settings, and stops the shared server.
func (t tests) Run() int {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "ZKCTL_") && name != "ZKCTL_SKIPPED" {
			os.Unsetenv(name)
		}
	}
	for _, name := range []string{"CLIENT_JVMFLAGS", "JVMFLAGS", "ZOOCFGDIR", "ZOOBINDIR"} {
		os.Unsetenv(name)
	}
	// Otherwise the race detector makes each process of zkctl linger for a second.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	return apachetest.Main(t.M)
}

// discard are streams without input that discard all output.
func discard() *ui.Streams {
	return &ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Width: 80}
}
