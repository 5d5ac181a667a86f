package logformatter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// createAt is a transaction at a time.
func createAt(zxid int64, t time.Time) proto.TxnEntry {
	return proto.TxnEntry{
		Header: proto.TxnHeader{ClientID: 0x1000, Cxid: int32(zxid), Zxid: zxid, Time: t.UnixMilli(), Type: proto.OpCreate},
		Body:   &proto.CreateTxn{Path: "/x", ACL: proto.OpenACL, ParentCVersion: 1},
	}
}

// damagedCopy copies a damaged log to a new folder, which becomes the current one.
func damagedCopy(t *testing.T, name string) string {
	t.Helper()
	text := readFile(t, filepath.Join("testdata", "damaged", name))
	t.Chdir(t.TempDir())
	if err := os.WriteFile(name, []byte(text), 0o400); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRecoverLikeApache(t *testing.T) {
	for _, test := range []struct{ name, in, expected string }{
		{"-y", "", "damaged_log.crc.recover.txt"},
		{"-v", "y\nn\ny\n", "damaged_log.crc.recover-verbose-yny.txt"},
		{"-v", "Yes no  y", "damaged_log.crc.recover-verbose-yny.txt"},
	} {
		t.Run(test.name+test.in, func(t *testing.T) {
			want := readFile(t, "testdata/expected/"+test.expected)
			before := damagedCopy(t, "log.crc")
			got := txnlog(t, test.in, "recover", test.name, "log.crc")
			sameText(t, got.out, want)
			if got.exit != 0 || got.err != "" {
				t.Errorf("exit code %d: %s", got.exit, got.err)
			}
			if readFile(t, "log.crc") != before {
				t.Error("the original changed")
			}
			again := txnlog(t, "", "recover", "-y", "log.crc")
			if again.exit != 1 || !strings.Contains(again.err, "log.crc.fixed already exists") {
				t.Errorf("exit code %d: %s", again.exit, again.err)
			}
			dump := txnlog(t, "", "dump", "log.crc.fixed").out
			if n := strings.Count(dump, "CRC ERROR"); n != strings.Count(strings.ToLower(test.in), "n") {
				t.Errorf("%d wrong checksums are left", n)
			}
		})
	}
}

func TestRecoverEnds(t *testing.T) {
	for _, test := range []struct {
		log, in, out, err string
		exit              int
		kept              bool
	}{
		{log: "log.crc", in: "x\na\n", out: "Would you like to fix it (Yes/No/Abort) ? Would you like to fix it (Yes/No/Abort) ? ", err: "recovery aborted"},
		{log: "log.crc", in: "", out: "Would you like to fix it (Yes/No/Abort) ? ", err: "no answer on stdin", exit: 1},
		{log: "log.truncated", out: "EOF reached after 54 txns.\nRecovery file log.truncated.fixed has been written with 0 fixed CRC error(s)\n",
			err: "holds the 54 transactions before it, up to zxid 0x36", kept: true},
		{log: "log.no-eor", out: "EOF reached after 55 txns.\n", err: "the record's last byte", kept: true},
		{log: "log.huge-length", err: "record length 2147483647 is beyond the end of the file; log.huge-length.fixed holds the 10 transactions before it", exit: 1, kept: true},
		{log: "log.empty", err: "the file is empty", exit: 1},
		{log: "log.bad-magic", err: `starts with "`, exit: 2},
	} {
		t.Run(test.log+test.in, func(t *testing.T) {
			damagedCopy(t, test.log)
			got := txnlog(t, test.in, "recover", test.log)
			if !strings.Contains(got.out, test.out) || !strings.Contains(got.err, test.err) || got.exit != test.exit {
				t.Errorf("exit code %d, stdout %q, stderr %q", got.exit, got.out, got.err)
			}
			if _, err := os.Stat(test.log + ".fixed"); (err == nil) != test.kept {
				t.Errorf("recovery file: %v", err)
			}
			if test.kept {
				if got := txnlog(t, "", "dump", test.log+".fixed"); got.exit != 0 || got.err != "" {
					t.Errorf("the copy: exit code %d: %s", got.exit, got.err)
				}
			}
		})
	}
}

// TestToolkitFlags runs the verb with the flags of zkTxnLogToolkit.sh.
func TestToolkitFlags(t *testing.T) {
	dump := readFile(t, "testdata/expected/damaged_log.crc.toolkit.txt")
	recovered := readFile(t, "testdata/expected/damaged_log.crc.recover.txt")
	damagedCopy(t, "log.crc")
	for _, args := range [][]string{{"-d", "log.crc"}, {"--dump", "log.crc"}, {"log.crc"}} {
		sameText(t, txnlog(t, "", args...).out, dump)
	}
	sameText(t, txnlog(t, "", "-r", "-y", "log.crc").out, recovered)
	got := txnlog(t, "", "-c", "-z", "5", "log.crc")
	if got.exit != 0 || !strings.HasSuffix(got.out, "Chopping at 5 new log has 5 records\n") {
		t.Errorf("exit code %d: %s%s", got.exit, got.out, got.err)
	}
	if got := txnlog(t, "", "dump", "log.crc.chopped5"); !strings.HasSuffix(got.out, "EOF reached after 5 txns.\n") {
		t.Error(got)
	}
}

func TestChopRefuses(t *testing.T) {
	damagedCopy(t, "log.crc")
	if got := txnlog(t, "", "chop", "5", "log.crc", "log.crc"); got.exit != 1 || !strings.Contains(got.err, "already exists") {
		t.Error(got)
	}
	got := txnlog(t, "", "chop", "0x10", "log.crc", "copy")
	if got.exit != 1 || !strings.Contains(got.err, "checksum") {
		t.Error(got)
	}
	if _, err := os.Stat("copy"); err == nil {
		t.Error("a copy was left")
	}
}

// watchedOut fails the test if a file exists while something is printed, when a test can observe an
// unfinished copy.
type watchedOut struct {
	t    *testing.T
	file string
	text strings.Builder
	last string // the line at which the file may exist
}

func (w *watchedOut) Write(p []byte) (int, error) {
	w.text.Write(p)
	if _, err := os.Lstat(w.file); err == nil && !strings.Contains(w.text.String(), w.last) {
		w.t.Errorf("%s is there while it is being written, after %q", w.file, p)
	}
	return len(p), nil
}

// TestCopiesAreWholeOrAbsent: a copy that ends at a record's border cannot be distinguished from a
// complete log, so a killed run must not leave one.
func TestCopiesAreWholeOrAbsent(t *testing.T) {
	damagedCopy(t, "log.crc")
	for _, tc := range []struct{ in, last, file, args string }{
		{"y\ny\ny\n", "Recovery file", "log.crc.fixed", "recover -v log.crc"},
		{"", "Chopping at", "chopped", "chop 5 log.crc chopped"},
	} {
		out := &watchedOut{t: t, file: tc.file, last: tc.last}
		c := newCommand(&ui.Streams{In: strings.NewReader(tc.in), Out: out, Err: os.Stderr, Width: 80})
		c.SetArgs(strings.Fields(tc.args))
		if err := c.Execute(); err != nil {
			t.Errorf("%s: %v", tc.args, err)
		}
		if _, err := os.Lstat(tc.file); err != nil {
			t.Error(err)
		}
	}
}
