package logformatter

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // that of the expected files
	os.Exit(apachetest.Main(m))
}

// output is what a command printed and its exit code.
type output struct {
	out, err string
	exit     int
}

// txnlog runs the verb.
func txnlog(t testing.TB, in string, args ...string) output {
	t.Helper()
	var out, errOut bytes.Buffer
	c := newCommand(&ui.Streams{In: strings.NewReader(in), Out: &out, Err: &errOut, Width: 80})
	c.SetArgs(args)
	err := c.ExecuteContext(context.Background())
	exit := 0
	if err != nil {
		exit = ui.ExitFailed
		var withCode *ui.ExitError
		if errors.As(err, &withCode) {
			exit = withCode.Code
		}
		if text := err.Error(); text != "" {
			errOut.WriteString(text + "\n")
		}
	}
	return output{out.String(), errOut.String(), exit}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sameText compares texts and shows where they diverge.
func sameText(t testing.TB, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	around := func(s string) string { return s[max(0, n-60):min(len(s), n+80)] }
	t.Errorf("from byte %d on:\ngot  %q\nwant %q", n, around(got), around(want))
}

// TestDumpLikeApache prints every log of the reference data in both forms.
func TestDumpLikeApache(t *testing.T) {
	logs, err := filepath.Glob("testdata/*/version-2/log.*")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("testdata/*/*/version-2/log.*")
	if err != nil || len(logs) == 0 || len(more) == 0 {
		t.Fatal(err, logs, more)
	}
	for _, log := range append(logs, more...) {
		name := strings.ReplaceAll(strings.TrimPrefix(filepath.ToSlash(log), "testdata/"), "/", "_")
		for _, format := range dumpFormats[:2] {
			t.Run(name+"."+format, func(t *testing.T) {
				got := txnlog(t, "", "dump", "--format", format, log)
				sameText(t, got.out, readFile(t, "testdata/expected/"+name+"."+format+".txt"))
				if got.exit != 0 || got.err != "" {
					t.Errorf("exit code %d: %s", got.exit, got.err)
				}
			})
		}
	}
}

// TestDumpOfDamagedLogs wants Apache's text and exit code, and a sentence instead of a
// stack trace.
func TestDumpOfDamagedLogs(t *testing.T) {
	sentences := map[string]string{
		"bad-magic":       `starts with "`,
		"crc":             "", // the toolkit prints it on stdout
		"empty":           "the file is empty",
		"header-only":     "",
		"huge-length":     "at byte 1156: record length 2147483647 is beyond the end of the file; the log is damaged ",
		"negative-length": "at byte 1156: record length -5 is negative; the log is damaged ",
		"no-eor":          "the file ends before the record's last byte, 'B'; the log is damaged ",
		"truncated":       "the file ends ",
	}
	for name, sentence := range sentences {
		for _, format := range dumpFormats[:2] {
			t.Run(name+"."+format, func(t *testing.T) {
				log := filepath.Join("testdata", "damaged", "log."+name)
				expected := "testdata/expected/damaged_log." + name + "." + format
				got := txnlog(t, "", "dump", "--format", format, log)
				sameText(t, got.out, readFile(t, expected+".txt"))
				if stderr := readFile(t, expected+".err"); !strings.Contains(stderr, "exit "+string(rune('0'+got.exit))) {
					t.Errorf("exit code %d, Apache's: %s", got.exit, stderr)
				}
				want := sentence
				if name == "crc" && format == formatLogFormatter {
					want = "its checksum is 3729920247 but should be 3765309777"
				}
				if want == "" && got.err != "" || !strings.Contains(got.err, want) || strings.Count(got.err, "\n") > 1 ||
					want != "" && !strings.Contains(got.err, log) {
					t.Errorf("stderr is %q, want %q", got.err, want)
				}
			})
		}
	}
}
