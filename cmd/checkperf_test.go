package cmd

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/ui"
)

// TestCheckPerf: a server takes the smallest load for a moment, its writes arrive, and nothing is left.
func TestCheckPerf(t *testing.T) {
	server := apachetest.Shared(t).Addr()
	run := func(args ...string) (string, string, int) {
		var out, errOut bytes.Buffer
		s := &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut, Width: 80}
		exit := Execute(t.Context(), append([]string{"-server", server}, args...), s)
		return out.String(), errOut.String(), exit
	}
	before, _, _ := run("ls", "/")
	out, errOut, exit := run("check", "perf", "--duration", "500ms", "-o", "json")
	var got struct {
		Passes *bool
		Writes int64
		Rate   float64 `json:"writesPerSecond"`
		Faults []string
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err, out, errOut)
	}
	if got.Passes == nil || *got.Passes != (exit == 0) || (exit == 0) != (len(got.Faults) == 0) || got.Writes < 1 || got.Writes > 80 {
		t.Errorf("exit %d, %s%s", exit, out, errOut)
	}
	if after, _, _ := run("ls", "/"); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
	// A server that is not on this machine is not loaded unasked. Nobody is at this address.
	if _, errOut, exit := run("-server", "192.0.2.1", "-timeout", "300ms", "check", "perf", "--duration", "10ms"); exit != 2 || !strings.Contains(errOut, "192.0.2.1") {
		t.Errorf("exit %d, %s", exit, errOut)
	}
}
