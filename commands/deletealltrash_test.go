package commands

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/export"
)

// exported returns the paths in an export, with their data.
func exported(t *testing.T, file string) (all []string) {
	t.Helper()
	r, err := export.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		z, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, z.Path+"="+string(z.Data)+" "+command.FormatACL(z.ACL))
	}
}

func TestTrash(t *testing.T) {
	b := newBench(t)
	for _, line := range []string{"create -p /t/a/b 1", "create /t/c '' world:anyone:rwda", "create /other x"} {
		b.must(line)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "t.jsonl.gz")
	for line, want := range map[string]string{
		"deleteall /t /other --trash " + file:    "--trash keeps one tree in a file",
		"deleteall /t --dry-run --trash " + file: "--dry-run and --trash exclude each other",
		"deleteall /none --trash " + file:        "Node does not exist: /none",
	} {
		if _, stderr, exit := b.run(line); exit != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s", line, exit, stderr)
		}
	}
	b.must("setAcl -y /t/c world:anyone:wda")
	if _, stderr, exit := b.run("deleteall /t --trash " + file); exit != 1 || !strings.Contains(stderr, "/t/c") {
		t.Errorf("an unreadable znode: exit %d, %s", exit, stderr)
	}
	b.must("setAcl /t/c world:anyone:rwda")
	if left, _ := os.ReadDir(dir); len(left) > 0 || !strings.Contains(b.must("ls -R /t"), "/t/a/b") {
		t.Error(left)
	}
	if _, stderr, exit := b.run("deleteall /t --trash " + file); exit != 0 || !strings.Contains(stderr, "kept 4 znodes in "+file) {
		t.Fatalf("exit %d, %s", exit, stderr)
	}
	if _, _, exit := b.run("exists /t"); exit != 1 {
		t.Error("/t is there")
	}
	got := strings.Join(exported(t, file), "\n")
	if want := "/t= world:anyone:cdrwa\n/t/a= world:anyone:cdrwa\n/t/a/b=1 world:anyone:cdrwa\n/t/c= world:anyone:drwa"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if _, stderr, exit := b.run("deleteall /other --trash " + file); exit != 1 || !strings.Contains(stderr, "exists") {
		t.Errorf("the file exists: exit %d, %s", exit, stderr)
	}
}

// TestTrashKeepsWhatChanges: what is created or changed after the file was written is not in it, and stays.
func TestTrashKeepsWhatChanges(t *testing.T) {
	b := newBench(t)
	for _, line := range []string{"create -p /t/a/b 1", "create -p /t/c/d 1", "create /t/e 1"} {
		b.must(line)
	}
	conn, err := b.session.Conn()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := keepTree(b.ctx, b.env, conn, "/t", filepath.Join(t.TempDir(), "t.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	b.must("set /t/a/b 2")
	b.must("create /t/c/new 1")
	d := deletion{conn: conn, size: 2, only: true, versions: tree.versions}
	if err := d.delete(b.ctx, b.env, tree); err == nil {
		t.Error("no error")
	}
	if left := b.must("ls -R /t"); left != "/t\n/t/a\n/t/c\n/t/a/b\n/t/c/new\n" {
		t.Errorf("left:\n%s", left)
	}
}
