package logs

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/ui"
)

// A log is followed while it grows, is rotated, and is cut off.
func TestFollow(t *testing.T) {
	const line = "2024-06-25 19:56:12,970 [myid:1] - WARN  [main:A@1] - "
	path := writeFile(t, t.TempDir(), "a.log", line+"old\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	c := newCommand(&ui.Streams{In: strings.NewReader(""), Out: in, Err: io.Discard, Width: 100})
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs([]string{"grep", "-f", "--no-name", "--since", "2020-01-01", "", path})
	done := make(chan error, 1)
	go func() { done <- c.ExecuteContext(ctx) }()
	lines := bufio.NewScanner(out)
	next := func(want string) {
		t.Helper()
		if !lines.Scan() || !strings.HasSuffix(lines.Text(), want) {
			t.Fatalf("%q instead of %q", lines.Text(), want)
		}
	}
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	next("old")
	write(line + "half")
	write(" a line\njava.io.IOException: x\n\tat a.B\n")
	next("half a line")
	next("IOException: x")
	next("at a.B")
	if err := os.Rename(path, filepath.Join(filepath.Dir(path), "a.log.1")); err != nil {
		t.Fatal(err)
	}
	write(line + "rotated\n")
	next("rotated")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	write(line + "cut\n")
	next("cut")
	cancel()
	if err := <-done; err == nil {
		t.Error("it ended by itself")
	}
}
