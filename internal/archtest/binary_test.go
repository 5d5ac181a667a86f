package archtest

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestBinaryHasNoTests keeps what only tests use out of the released binary.
func TestBinaryHasNoTests(t *testing.T) {
	readSources(t)
	deps := dependencies(t, "./cmd/zkctl")
	withTesting := []string{module + "/internal/apache/apachetest", module + "/internal/sasl/kdctest"}
	for _, unwanted := range append(withTesting, "testing", module+"/internal/await/awaittest", module+"/internal/port/porttest",
		module+"/internal/proto/wiretest", module+"/internal/exposition/expositiontest") {
		if slices.Contains(deps, unwanted) {
			t.Errorf("cmd/zkctl links %s", unwanted)
		}
	}
	for _, p := range list(t, "linux") {
		if slices.Contains(p.Imports, "testing") && !slices.Contains(withTesting, p.ImportPath) {
			t.Errorf("%s imports testing in a file that is not a test", p.ImportPath)
		}
		// A template may call any method by its name, so with one the linker keeps all: 2 MB.
		if slices.Contains(p.Imports, "html/template") || slices.Contains(p.Imports, "text/template") {
			t.Errorf("%s imports a package for templates, which makes the binary much larger", p.ImportPath)
		}
	}
}

// TestTestServerIsForTests: a variable that replaces Apache's servers has no effect in a
// released binary, because only apachetest reads it.
func TestTestServerIsForTests(t *testing.T) {
	cmd := exec.Command("git", "ls-files", "*.go")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("not a clone: %v", err)
	}
	for _, file := range strings.Fields(string(out)) {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "internal/apache/apachetest/") {
			continue
		}
		if text, err := os.ReadFile("../../" + file); err == nil && bytes.Contains(text, []byte("ZKCTL_TEST_")) {
			t.Errorf("%s reads a variable that is only for tests", file)
		}
	}
}

// dependencies are the packages that a package links.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", pkg)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", pkg, err)
	}
	return strings.Fields(string(out))
}
