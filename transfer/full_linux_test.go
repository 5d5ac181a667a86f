package transfer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
)

// TestFullDisk: on a full disk, what was there before stays, and nothing else does. Only root can mount a small file system.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	b := newBench(t, apachetest.Shared(t).Addr())
	const root = "/TestFullDisk"
	b.create(root, "small", proto.OpenACL, proto.Persistent, 0)
	backups := filepath.Join(dir, "backups")
	before := [][]string{{"export", root, "-O", filepath.Join(dir, "file")}, {"export", root, "--format", "dir", "-O", filepath.Join(dir, "folder")},
		{"backup", "create", backups, root}}
	for _, words := range before {
		b.must(words...)
	}
	files := contents(t, dir)
	large := filepath.Join(t.TempDir(), "large")
	if err := os.Mkdir(large, 0o700); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 200<<10) // that no compression makes small
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	b.create(root+"/noise", string(noise), proto.OpenACL, proto.Persistent, 0)
	b.must("backup", "create", large, root)
	for _, words := range append(before, []string{"export", root, "--format", "snapshot", "-O", dir}, []string{"backup", "restore", large, "latest", "--data-dir", filepath.Join(dir, "data")}) {
		if out, errs, code := b.run(words...); code == 0 || !strings.Contains(errs, "no space left on device") {
			t.Errorf("%q: exit %d\n%s%s", words, code, out, errs)
		}
	}
	if now := contents(t, dir); now != files {
		t.Errorf("there is\n%s\nof\n%s", now, files)
	}
}

// contents describes all files below a folder.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		fmt.Fprintln(&b, path)
		if err == nil && !d.IsDir() {
			var text []byte
			text, err = os.ReadFile(path)
			fmt.Fprintf(&b, "%q\n", text)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
