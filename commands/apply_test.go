package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestApplyFolder reads the files of a folder, and data from files beside them.
func TestApplyFolder(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"a.yaml": "path: /a\nchildren:\n  cert: {file: cert.pem}\n", "b.yml": "path: /b\ndata: x\n", "cert.pem": "PEM\n", "other.txt": "no"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.must("apply -f " + dir)
	if got := b.must("get /a/cert") + b.must("get /b"); got != "PEM\n\nx\n" {
		t.Errorf("%q", got)
	}
	if _, stderr, exit := b.run("apply -f " + dir + " --prune"); exit != 0 || stderr != "nothing differs\n" {
		t.Errorf("exit %d, %s", exit, stderr)
	}
	if _, stderr, exit := b.run("apply -f " + t.TempDir()); exit != 1 || !strings.Contains(stderr, "no .yaml or .yml file in ") {
		t.Errorf("exit %d, %s", exit, stderr)
	}
}

// TestApplyKeepsWhatChanges: a znode that changes after its difference was printed is reported, not overwritten.
func TestApplyKeepsWhatChanges(t *testing.T) {
	b := newBench(t)
	b.must("create -p /a/b 1")
	b.must("create /a/c 1")
	file := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(file, []byte("path: /a\nchildren:\n  b: {data: new}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, roots, err := manifests(b.ctx, b.env, file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := b.session.Conn()
	if err != nil {
		t.Fatal(err)
	}
	a := newApplying(b.env, conn)
	if err := a.compare(b.ctx, all); err != nil {
		t.Fatal(err)
	}
	if err := a.extras(b.ctx, all, roots); err != nil {
		t.Fatal(err)
	}
	b.must("set /a/b other")
	b.must("set /a/c other")
	if err := a.run(b.ctx); err == nil {
		t.Error("no error")
	}
	if got := b.must("get /a/b") + b.must("get /a/c"); got != "other\nother\n" {
		t.Errorf("%q", got)
	}
}
