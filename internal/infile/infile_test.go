//go:build unix

package infile

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	for most, want := range map[int]error{7: nil, 100: nil, 6: ErrTooLong} {
		got, err := File(t.Context(), name, most)
		if !errors.Is(err, want) || err == nil && string(got) != "content" {
			t.Errorf("at most %d: %q, %v", most, got, err)
		}
	}
	if _, err := File(t.Context(), "/dev/zero", 1<<20); !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), "/dev/zero") {
		t.Errorf("/dev/zero: %v", err)
	}
	if _, err := File(t.Context(), filepath.Dir(name), 100); err == nil {
		t.Error("a folder is read")
	}
	if _, err := File(t.Context(), name+"x", 100); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestFIFO(t *testing.T) {
	name := fifo(t)
	go func() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return
		}
		_, _ = io.WriteString(f, "content")
		_ = f.Close()
	}()
	if got, err := File(t.Context(), name, 100); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestInterrupted interrupts before the FIFO is opened by anybody else, and while it is read.
func TestInterrupted(t *testing.T) {
	for _, opened := range []bool{false, true} {
		name := fifo(t)
		if opened {
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if _, err := File(ctx, name, 100); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("opened by a writer: %v; %v", opened, err)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := All(ctx, r, "standard input", 100); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
