package torture

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk fills a small file system; only root can mount one.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	c := startChild(t, childOptions{Dir: filepath.Join(dir, "data"), Properties: map[string]string{"preAllocSize": "64"}})
	testFullDisk(t, c, func() {
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=16m"); err != nil {
			t.Fatal(err)
		}
	}, "no space left on device")
	if mounts, err := os.ReadFile("/proc/mounts"); err != nil || !strings.Contains(string(mounts), dir) {
		t.Errorf("it was not the small file system: %v", err)
	}
}
