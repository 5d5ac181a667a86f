package apachetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestSharedIsOneServer(t *testing.T) {
	if a, b := Shared(t), Shared(t); a != b {
		t.Errorf("two servers: %s, %s", a.Addr(), b.Addr())
	}
}

// TestSkippedTestsAreNoted runs Require as a machine without ZooKeeper would.
func TestSkippedTestsAreNoted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "skipped")
	cmd := exec.Command(os.Args[0], "-test.run=^TestSharedIsOneServer$", "-test.v")
	cmd.Env = append(os.Environ(), "CI=", "PATH=", "JAVA_HOME=", "ZKCTL_SKIPPED="+file)
	out, err := cmd.CombinedOutput()
	note, _ := os.ReadFile(file)
	if err != nil || !strings.Contains(string(out), "--- SKIP") ||
		!strings.HasPrefix(string(note), "apachetest.TestSharedIsOneServer: find Apache ZooKeeper: no java") {
		t.Errorf("skip: %v, note %q\n%s", err, note, out)
	}
	cmd = exec.Command(os.Args[0], "-test.run=^TestSharedIsOneServer$")
	cmd.Env = append(os.Environ(), "CI=true", "PATH=", "JAVA_HOME=")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "CI=true demands") {
		t.Errorf("in CI: %v\n%s", err, out)
	}
}
