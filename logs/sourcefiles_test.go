package logs

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/ui"
)

func manyLines(from, to int) string {
	b := &strings.Builder{}
	for i := from; i < to; i++ {
		fmt.Fprintf(b, "2024-06-25 19:56:%02d,%03d [myid:1] - INFO  [main:A@1] - line %d\n", i/1000%60, i%1000, i)
	}
	return b.String()
}

// A log that is there twice, under other names, compressed, or as it was earlier, is counted once, and that is reported.
func TestCopiesCountOnce(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "a.log", manyLines(0, 2000))
	writeFile(t, dir, "b.log", manyLines(0, 2000))
	writeFile(t, dir, "earlier.log", manyLines(0, 1500))
	writeFile(t, dir, "other.log", manyLines(0, 1999)+manyLines(2500, 2501))
	f, err := os.Create(filepath.Join(dir, "c.log.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write([]byte(manyLines(0, 2000))); err != nil {
		t.Fatal(err)
	}
	if z.Close() != nil || f.Close() != nil {
		t.Fatal("not written")
	}
	got := run(t, "", "summary", dir)
	if got.exit != 0 || !strings.Contains(got.out, "4,000 events") {
		t.Error(got.exit, got.err, got.out)
	}
	for _, want := range []string{"b.log is a copy of ", "c.log.gz is a copy of ", "earlier.log is the beginning of "} {
		if !strings.Contains(got.err, want) {
			t.Errorf("%q lacks %q", got.err, want)
		}
	}
}

// A log that is rotated between the two times that it is read is read under its new names; what is gone is reported.
func TestRotatedWhileRead(t *testing.T) {
	for _, test := range []struct {
		name   string
		rotate func(dir string) error
		lines  int
		says   string
	}{
		{"renamed", func(dir string) error {
			if err := os.Rename(filepath.Join(dir, "z.log.1"), filepath.Join(dir, "z.log.2")); err != nil {
				return err
			}
			if err := os.Rename(filepath.Join(dir, "z.log"), filepath.Join(dir, "z.log.1")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "z.log"), []byte(manyLines(3000, 3001)), 0o600)
		}, 3000, ""},
		{"removed", func(dir string) error { return os.Remove(filepath.Join(dir, "z.log.1")) }, 1000, "z.log.1: it was removed"},
		{"cut", func(dir string) error { return os.Truncate(filepath.Join(dir, "z.log"), 100) }, 2001, "z.log: it was cut from"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, dir, "z.log.1", manyLines(0, 2000))
			writeFile(t, dir, "z.log", manyLines(2000, 3000))
			var errOut strings.Builder
			r := &reading{streams: &ui.Streams{Err: &errOut}, args: []string{dir}}
			all, err := r.sources(t.Context())
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			if err := test.rotate(dir); err != nil {
				t.Fatal(err)
			}
			lines := 0
			for {
				if _, err := all[0].next(t.Context()); err != nil {
					break
				}
				lines++
			}
			if lines < test.lines || lines > test.lines+1 || !strings.Contains(errOut.String(), test.says) || (test.says != "") != r.failed {
				t.Errorf("%d lines, failed %v: %s", lines, r.failed, errOut.String())
			}
		})
	}
}

// What cannot be read of the arguments is reported and left out, by every verb, which fails at its end.
func TestUnreadableSourcesAreLeftOut(t *testing.T) {
	dir := t.TempDir()
	good := writeFile(t, dir, "a.log", server(2, "Committing global session "+traced)+server(9, "Expiring session "+traced+", timeout of 6000ms exceeded"))
	args := []string{filepath.Join(dir, "missing.log"), good}
	what := []string{"missing.log"}
	sub := filepath.Join(dir, "u", "sub")
	if err := os.MkdirAll(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Dir(sub), "b.log", server(3, "Expiring session 0x2, timeout of 6000ms exceeded"))
	if err := os.Chmod(sub, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadDir(sub); err != nil { // root can read it, and Windows
		args, what = append(args, filepath.Dir(sub)), append(what, sub)
	}
	for _, verb := range [][]string{{"summary"}, {"timeline"}, {"merge"}, {"grep", "Expiring"}, {"grep", "-c", "Expiring"}, {"elections"}, {"sessions"}} {
		got := run(t, "", append(verb, args...)...)
		for _, w := range what {
			if got.exit != 1 || got.out == "" || strings.Count(got.err, w) != 1 {
				t.Errorf("%v: exit %d, %q is not reported once: %s\n%s", verb, got.exit, w, got.err, got.out)
			}
		}
	}
	got := runTraceIn(t, Members{}, "", append([]string{traced}, args...)...)
	for _, w := range what {
		if got.exit != 1 || !strings.Contains(got.out, "verdict") || strings.Count(got.err, w) != 1 {
			t.Errorf("trace: %d %s\n%s", got.exit, got.err, got.out)
		}
	}
	for _, verb := range []string{"summary", "timeline"} {
		if got := run(t, "", verb, args[0]); got.exit != 1 || got.out != "" || strings.Count(got.err, "missing.log") != 1 {
			t.Errorf("%s: %+v", verb, got)
		}
	}
}
