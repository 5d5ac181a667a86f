package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/ui"
)

const line = "2024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - LEADING\n"

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSourcesAreRecognised gives files whose names say nothing, or something wrong.
func TestSourcesAreRecognised(t *testing.T) {
	dir := t.TempDir()
	copyTo := func(from, name string) string {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		return write(t, dir, name, string(b))
	}
	txns := copyTo("../logformatter/testdata/standalone/version-2/log.38", "transactions.txt")
	log := write(t, dir, "log.5", line) // named as a transaction log
	utf16 := write(t, dir, "windows", "\xff\xfe"+strings.Join(strings.Split(line, ""), "\x00")+"\x00")
	zeros := write(t, dir, "truncated.log", strings.Repeat("\x00", 600)+line)
	link := filepath.Join(dir, "link.log")
	if err := os.Symlink(zeros, link); err != nil && runtime.GOOS != "windows" {
		t.Fatal(err)
	}
	binary := write(t, dir, "b.log", strings.Repeat("\x01\x02\x7fELF\x03\x04", 100))
	path := filepath.Join(t.TempDir(), "r.html")
	out, stderr, err := run(t, verb, txns, log, utf16, zeros, binary, dir, zeros, filepath.Join(dir, ".", "log.5"), "-O", path)
	if err != nil || !strings.HasPrefix(out, "wrote "+path+": 4 logs, 1 transaction log, ") || !strings.Contains(stderr, "b.log: it is not a text file; it is skipped") {
		t.Fatal(out, stderr, err)
	}
	d := read(t, path)
	if n := d.tables["Levels"][0][1]; n != "3" {
		t.Errorf("%s events, want 3", n)
	}
	if len(d.tables["Transaction logs"]) != 1 || !strings.Contains(d.text, "b.log: it is not a text file") {
		t.Error(d.tables["Transaction logs"])
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	log := write(t, dir, "a.log", line)
	ambiguous := write(t, dir, "b.log", "05/06/2024 19:56:12,970 INFO [main] a.B: LEADING\n")
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	exists := write(t, dir, "exists.html", "mine")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{log}, "-O FILE.html"},
		{[]string{"-O", "x.html"}, "name logs or data directories"},
		{[]string{filepath.Join(dir, "none"), "-O", filepath.Join(dir, "x.html")}, "none"},
		{[]string{"-", "-O", filepath.Join(dir, "x.html")}, "save it to a file first"},
		{[]string{"../logformatter/testdata/standalone", "--dates", "a.log=dmy", "-O", filepath.Join(dir, "x.html")}, "no text log"},
		{[]string{empty, "-O", filepath.Join(dir, "x.html")}, "holds no transaction log"},
		{[]string{log, "-O", exists}, "exist"},
		{[]string{ambiguous, "-O", filepath.Join(dir, "x.html")}, "--dates " + ambiguous + "=dmy or mdy"},
		{[]string{log, "--since", "yesterdayish", "-O", filepath.Join(dir, "x.html")}, "--since"},
		{[]string{"../logformatter/testdata/standalone", "--since", "1h", "--until", "2h", "-O", filepath.Join(dir, "x.html")}, "exchange them"},
		{[]string{log, "--top", "0", "-O", filepath.Join(dir, "x.html")}, "--top"},
	} {
		if _, stderr, err := run(t, verb, test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v %s, want %q", test.args, err, stderr, test.want)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 4 {
		t.Errorf("something is left behind: %v", left)
	}
	if b, _ := os.ReadFile(exists); string(b) != "mine" {
		t.Errorf("%q", b)
	}
}

// TestPageIsPrivate: only its owner can read it.
func TestPageIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "r.html")
	if _, stderr, err := run(t, verb, write(t, dir, "a.log", line), "-O", path); err != nil {
		t.Fatal(stderr, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != fs.FileMode(0o600) {
		t.Error(info.Mode(), err)
	}
}

// TestDamagedSources: the page is written, and says what is missing.
func TestDamagedSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.html")
	_, stderr, err := run(t, verb, "../logformatter/testdata/damaged", "-O", path)
	var exit *ui.ExitError
	if !errors.As(err, &exit) || exit.Code != ui.ExitFailed || !strings.Contains(stderr, "record length 2147483647") {
		t.Error(stderr, err)
	}
	d := read(t, path)
	if !strings.Contains(d.text, "record length 2147483647") || !strings.Contains(d.text, "Not all sources could be read") || !strings.Contains(d.text, "wrong checksum") {
		t.Error(d.text)
	}
}

// TestPageIsBounded: a log that says the same thing, or something new each time, very often makes no larger page.
func TestPageIsBounded(t *testing.T) {
	for name, text := range map[string]string{"same": "FOLLOWING", "error": "something odd", "longer": strings.Repeat("long ", 5000)} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			for i := range 20_000 {
				if name == "longer" && i == 300 {
					break
				}
				what := text
				if name != "same" {
					what += " in " + string([]byte{'a' + byte(i%26), 'a' + byte(i/26%26), 'a' + byte(i/676%26), 'a' + byte(i/17576)})
				}
				fmt.Fprintf(&b, "2024-06-%02d %02d:%02d:%02d,970 [myid:1] - ERROR [main:A@1] - %s\n", 1+i/2000, i/100%20, i/60%60, i%60, what)
				if i%2 == 0 {
					fmt.Fprintf(&b, "2024-06-%02d %02d:%02d:%02d,980 [myid:1] - INFO [main:A@1] - LOOKING\n", 1+i/2000, i/100%20, i/60%60, i%60)
				}
			}
			d := page(t, write(t, t.TempDir(), "a.log", b.String()))
			if n := len(d.raw); n > 2<<20 {
				t.Errorf("%d bytes", n)
			}
			if n := len(d.tables["Events"]); n > 1500 || n == 0 {
				t.Errorf("%d events", n)
			}
			if !strings.Contains(d.text, " that zkctl does not know") == (name != "same") {
				t.Error("the findings lack the unknown errors")
			}
		})
	}
}

// FuzzPage: whatever a log holds, the page has no more than its own elements.
func FuzzPage(f *testing.F) {
	f.Add([]byte(line + hostile))
	f.Add([]byte("2026-11-22 03:07:05,000 [myid:<b>] - ERROR [main:A@1] - a\njava.io.IOException: <script>\n"))
	for _, name := range []string{"../logs/testdata/waiting.log", "../logs/testdata/sessions.log", "../logformatter/testdata/damaged/log.crc"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text[:min(len(text), 4096)])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		for _, name := range []string{"a.log", "log.1"} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, "r.html")
		_, _, err := run(t, verb, dir, "--dates", "ymd", "-O", path)
		if _, statErr := os.Stat(path); statErr != nil {
			if err == nil {
				t.Fatal("no page, and no error")
			}
			return
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(b); err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
	})
}

// TestFoldersBelow: folders of folders, with hidden ones left out.
func TestFoldersBelow(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"zk1/version-2", "zk2", ".hidden"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeSnapshot(t, filepath.Join(dir, "zk1", "version-2"))
	write(t, filepath.Join(dir, "zk2"), "zookeeper.out", line)
	write(t, filepath.Join(dir, ".hidden"), "x.log", line)
	d := page(t, dir)
	if n := d.tables["Levels"][0][1]; n != "1" {
		t.Errorf("%s events", n)
	}
	if got := d.tables["Snapshots"]; len(got) != 1 || !slices.ContainsFunc(got, func(row []string) bool { return strings.HasSuffix(row[0], "snapshot.0") }) {
		t.Error(got)
	}
}
