//go:build unix

package ownfile

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir() + "/state"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Dir(dir); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(path string) error{
		"new":      func(string) error { return nil },
		"readable": func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"writable": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"link":     func(path string) error { return os.Symlink(dir+"/target", path) },
		"folder":   func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":     func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		path := dir + "/" + name
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if name == "writable" {
			if err := os.Chmod(path, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want := map[string]string{"link": "is a symbolic link; remove it", "folder": "is a folder; remove it", "pipe": "is not a file; remove it"}[name]
		for _, flag := range []int{os.O_RDONLY | os.O_CREATE, os.O_WRONLY | os.O_CREATE | os.O_APPEND} {
			f, err := Open(path, flag)
			if want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			f.Close()
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
	}
	if _, err := os.Stat(dir + "/target"); err == nil {
		t.Error("a file was made through a link")
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
}
