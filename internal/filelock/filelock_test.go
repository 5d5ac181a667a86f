package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if Held(path) {
		t.Error("a file that is not there is locked")
	}
	l, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if !Held(path) {
		t.Error("it is not locked")
	}
	if pid := Holder(path); pid != os.Getpid() {
		t.Errorf("process %d holds it", pid)
	}
	if _, err := Try(path); !errors.Is(err, ErrLocked) {
		t.Errorf("a second lock: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if Held(path) || Holder(path) != 0 {
		t.Error("it is still locked")
	}
	if l, err = Try(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Try(filepath.Join(path, "below")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("a folder that is none: %v", err)
	}
}

// TestLockGivenUp tries a lock that is given up a moment later.
func TestLockGivenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(patience/4, func() { _ = first.Close() })
	second, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}
