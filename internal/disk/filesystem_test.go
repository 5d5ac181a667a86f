package disk

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestFileSystem(t *testing.T) {
	dir := t.TempDir()
	f, err := FileSystemOf(dir)
	if runtime.GOOS == "windows" {
		return
	}
	if err != nil || f.Type == "" || f.Mount == "" || f.Kind == "" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := FileSystemOf(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist is on a file system")
	}
	if before, err := f.Traffic(); err == nil {
		if after, err := f.Traffic(); err != nil || before.Writes <= 0 || after.Writes < before.Writes {
			t.Errorf("%+v, %+v, %v", before, after, err)
		}
	}
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && runtime.GOOS == "linux" {
		if m, err := FileSystemOf("/dev/shm"); err != nil || m.Kind != Memory || len(m.Disks) > 0 {
			t.Errorf("/dev/shm: %+v, %v", m, err)
		}
	}
	for name, kind := range map[string]Kind{"ext4": Local, "xfs": Local, "nfs4": Network, "cifs": Network, "fuse.sshfs": Fuse, "fuseblk": Fuse, "tmpfs": Memory, "overlay": Layered, "": Local} {
		if got := kindOf(name); got != kind {
			t.Errorf("%q is %s", name, got)
		}
	}
}
