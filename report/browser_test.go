package report_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBrowserRunsNothing opens a page with hostile names in Chromium, if there is one. Each name tries to run a script that
// changes the title. (The other tests compare the page's structure, and need no browser.)
func TestBrowserRunsNothing(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIPPED: no chromium, so no browser has opened the page")
	}
	dir := t.TempDir()
	evil(t, dir)
	path := filepath.Join(dir, "report.html")
	if _, stderr, err := run(t, verb, dir, "-O", path); err != nil {
		t.Fatal(stderr, err)
	}
	show := func(file string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir="+t.TempDir(),
			"--dump-dom", "file://"+file).Output()
		if err != nil {
			t.Skipf("SKIPPED: chromium does not run here: %v", err)
		}
		return string(out)
	}
	title := func(dom string) string {
		_, rest, _ := strings.Cut(dom, "<title>")
		text, _, _ := strings.Cut(rest, "</title>")
		return text
	}
	if got := title(show(path)); !strings.HasPrefix(got, "ZooKeeper report") {
		t.Errorf("the title is %q", got)
	}
	// The same script in a page of its own does change the title.
	control := filepath.Join(dir, "control.html")
	if err := os.WriteFile(control, []byte("<title>x</title><script>document.title='PWNED'</script>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := title(show(control)); got != "PWNED" {
		t.Errorf("the control's title is %q", got)
	}
}
