package commands

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestEditOnAFullDisk keeps drafts on a small file system; only root can mount one.
func TestEditOnAFullDisk(t *testing.T) {
	b := newEditBench(t)
	if err := syscall.Mount("tmpfs", b.env.StateDir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(b.env.StateDir, 0); err != nil {
			t.Error(err)
		}
	})
	data := strings.Repeat("a line of text\n", 8000)
	b.put("/z", []byte(data))
	b.editor("exit 9")
	if _, stderr, exit := b.run("edit /z"); exit != 1 || !strings.HasPrefix(stderr, "save a draft: ") || !strings.Contains(stderr, "no space left on device") {
		t.Errorf("exit %d, %s", exit, stderr)
	}
	if left, _ := os.ReadDir(b.env.StateDir + "/drafts"); len(left) > 0 {
		t.Error(left)
	}
	// The editor fills it: what was there before stays.
	b.put("/y", []byte("{\"a\": 1,\n \"b\": 2}"))
	b.editor("umask 077; echo '{' > \"$1\"; head -c 1000000 /dev/zero > \"$(dirname \"$1\")/fill\" 2>&-; true")
	_, stderr, exit := b.run("edit /y")
	kept := b.drafts()
	if exit != 1 || !strings.Contains(stderr, "save a draft: ") || !strings.Contains(stderr, "your text is kept in ") {
		t.Errorf("exit %d, %s, %d files", exit, stderr, len(kept))
	}
	if now, version := b.data("/y"); version != 0 {
		t.Errorf("%q, version %d", now, version)
	}
}
