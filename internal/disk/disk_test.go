package disk

import (
	"path/filepath"
	"runtime"
	"testing"
)

func TestSpace(t *testing.T) {
	dir := t.TempDir()
	s, err := SpaceOf(dir)
	if err != nil || s.Total <= 0 || s.Free < 0 || s.Free > s.Total {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := SpaceOf(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist has room")
	}
	if runtime.GOOS == "windows" {
		return
	}
	if yes, err := Shared(dir, t.TempDir()); err != nil || !yes {
		t.Errorf("%v, %v", yes, err)
	}
	if _, err := Shared(dir, filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist is on a disk")
	}
}
