package snapshot

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestDumpAsApache(t *testing.T) {
	for _, file := range references(t) {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			sameBlocks(t, mustRun(t, "dump", file), read(t, "testdata/expected", name+".formatter.txt"))
			sameBlocks(t, mustRun(t, "dump", "-d", file), read(t, "testdata/expected", name+".formatter-d.txt"))
			got := ncduTree(t, mustRun(t, "dump", "--json", file))
			want := ncduTree(t, read(t, "testdata/expected", name+".formatter-json.txt"))
			if !maps.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
}

// TestDumpDamaged expects everything before a fault on stdout and one sentence on stderr.
func TestDumpDamaged(t *testing.T) {
	for _, form := range []string{"", "-d", "--json", "-ojson", "--tree"} {
		args := []string{"dump"}
		if form != "" {
			args = append(args, form)
		}
		t.Run("bit-flip"+form, func(t *testing.T) {
			a := run(t, append(args, "testdata/damaged/snapshot.bit-flip")...)
			for _, word := range []string{"testdata/damaged/snapshot.bit-flip", "byte 8226", "zxid 0x67", "checksum"} {
				if !strings.Contains(a.err, word) {
					t.Errorf("stderr %q has no %q", a.err, word)
				}
			}
			if a.code != 1 || strings.Count(a.err, "\n") != 1 {
				t.Errorf("exit code %d, stderr %q", a.code, a.err)
			}
			switch form {
			case "":
				sameBlocks(t, a.out, read(t, "testdata/expected/snapshot.bit-flip.formatter.txt"))
			case "-d":
				sameBlocks(t, a.out, read(t, "testdata/expected/snapshot.bit-flip.formatter-d.txt"))
			case "--json":
				if !maps.Equal(ncduTree(t, a.out), ncduTree(t, read(t, "testdata/expected/snapshot.bit-flip.formatter-json.txt"))) {
					t.Error("-json differs")
				}
			}
		})
		t.Run("truncated"+form, func(t *testing.T) {
			a := run(t, append(args, "testdata/damaged/snapshot.truncated")...)
			if a.code != 1 || strings.Count(a.err, "\n") != 1 || !strings.Contains(a.err, "byte 5275") {
				t.Errorf("exit code %d, stderr %q", a.code, a.err)
			}
			switch form {
			case "":
				if n := strings.Count(a.out, "cZxid"); n != 29 || !strings.HasPrefix(a.out, "ZNode Details (count=30):\n") ||
					!strings.Contains(a.out, "\nSession Details") || strings.Contains(a.out, "Last zxid") {
					t.Errorf("%d znodes in %s", n, a.out)
				}
			case "--json":
				if tree := ncduTree(t, a.out); len(tree) != 29 {
					t.Errorf("%d znodes", len(tree))
				}
			case "-ojson":
				if n := strings.Count(a.out, "\n"); n != 29 {
					t.Errorf("%d znodes", n)
				}
			}
		})
		t.Run("empty"+form, func(t *testing.T) {
			a := run(t, append(args, "testdata/damaged/snapshot.empty")...)
			if a.code != 1 || a.out != "" || strings.Count(a.err, "\n") != 1 {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestDumpEveryCut cuts a snapshot at every byte: never a panic, exit code 0 only if all znodes are
// there, never fewer znodes than were readable.
func TestDumpEveryCut(t *testing.T) {
	whole := []byte(read(t, "testdata/version-2/snapshot.0"))
	file := filepath.Join(t.TempDir(), "snapshot.0")
	for n := range whole {
		if err := os.WriteFile(file, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		a := run(t, "dump", file)
		if full := strings.Contains(a.out, "Last zxid"); a.code == 0 && !full || strings.Count(a.out, "cZxid") < 4 && full {
			t.Fatalf("%d bytes: %+v", n, a)
		}
		// A file cut right after its first checksum is a valid snapshot of 3.5.
		if v := run(t, "verify", file); v.code != 1 && !strings.Contains(v.out, "older than 3.6") {
			t.Fatalf("%d bytes: verify says %s", n, v.out)
		}
	}
}

func TestDumpObjects(t *testing.T) {
	const file = "testdata/version-2/snapshot.71"
	type znode struct {
		Path, Data, Encoding string
		Czxid, Mzxid         string
		Mtime                int64
		EphemeralOwner       string
		DataLength           int
		ACL                  []struct{ Scheme, ID, Perms string }
	}
	var want []*storage.Node
	im := &fileImage{path: file}
	if err := im.each(func(n *storage.Node) error {
		c := *n
		c.Data = append([]byte(nil), n.Data...)
		want = append(want, &c)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(mustRun(t, "dump", "-o", "json", file)), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d objects, want %d", len(lines), len(want))
	}
	for i, line := range lines {
		var z znode
		if err := json.Unmarshal([]byte(line), &z); err != nil {
			t.Fatal(line, err)
		}
		n := want[i]
		data := z.Data
		if z.Encoding == "base64" {
			b, err := base64.StdEncoding.DecodeString(data)
			if err != nil {
				t.Fatal(err)
			}
			data = string(b)
		}
		acl, _ := im.acl(n.ACL)
		if z.Path != shown(n.Path) || data != string(n.Data) || z.DataLength != len(n.Data) || z.Mtime != n.Stat.Mtime ||
			z.Czxid != fmt.Sprintf("0x%x", n.Stat.Czxid) || len(z.ACL) != len(acl) || z.ACL[0].Perms != acl[0].Perms.String() {
			t.Errorf("%s\nwant %+v", line, n)
		}
	}
}

func TestDumpScope(t *testing.T) {
	const file = "testdata/version-2/snapshot.71"
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"--path", "/deep"}, 12},
		{[]string{"--path", "/deep/"}, 12},
		{[]string{"--path", "/dee", "--depth", "0"}, -1},
		{[]string{"--path", "/deep", "--depth", "0"}, 1},
		{[]string{"--path", "/deep", "--depth", "2"}, 3},
		{[]string{"--depth", "1"}, 5},
		{[]string{"--path", "/", "--depth", "0"}, 1},
	} {
		a := run(t, append([]string{"dump", "-o", "json", file}, c.args...)...)
		if c.want < 0 {
			if a.code != 1 || !strings.Contains(a.err, `no znode "/dee"`) {
				t.Errorf("%q: %+v", c.args, a)
			}
			continue
		}
		if n := strings.Count(a.out, "\n"); n != c.want || a.code != 0 {
			t.Errorf("%q: %d znodes, want %d; %s", c.args, n, c.want, a.err)
		}
	}
}

func TestDumpTree(t *testing.T) {
	got := mustRun(t, "dump", "--tree", "--depth", "1", "testdata/version-2/snapshot.71")
	want := `/  0 B  (below: 52 znodes, 2.9 KiB)
├── app  5 B  (below: 31 znodes, 2.8 KiB)
├── deep  1 B  (below: 11 znodes, 13 B)
├── zookeeper  0 B  (below: 5 znodes, 69 B)
└── zkcli  10 B  (below: 1 znode, 4 B)
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := mustRun(t, "dump", "--tree", "testdata/version-2/snapshot.36"); !strings.Contains(got, "ephemeral of 0x100001196310000") ||
		!strings.Contains(got, "container") || !strings.Contains(got, "ttl 7200000 ms") {
		t.Error(got)
	}
}

func TestDumpData(t *testing.T) {
	for form, want := range map[string]string{
		"text": "data = multi\n", "hex": "data = 6d756c7469\n", "base64": "data = bXVsdGk=\n", "length": "dataLength = 5\n", "none": "ephemeralOwner = 0x00000000000000\n",
	} {
		got := mustRun(t, "dump", "--data", form, "--path", "/app", "--depth", "0", "testdata/version-2/snapshot.36")
		if !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", form, got)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"dump"}, {"dump", "a", "b"}, {"dump", "nowhere"}, {"dump", "testdata"}, {"dump", "-d", "--json", "x"}, {"dump", "--data", "x", "x"},
		{"dump", "--nope", "x"}, {"nope"}, {"compare", "-l", "x"}, {"summary", "x", "/", "y"}, {"at", "testdata", "--zxid", "xyz"},
		{"at", "testdata", "--zxid", "1", "--time", "2h"}, {"diff", "a"}, {"dump", "--path", "x", "y"},
	} {
		if a := run(t, args...); a.code != 2 || a.err == "" || a.out != "" {
			t.Errorf("%q: %+v", args, a)
		}
	}
}

// failing is a pipe whose reader is gone.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestDumpToClosedPipe(t *testing.T) {
	opt := &dumpOptions{file: "testdata/version-2/snapshot.71", form: formOptions{depth: -1}, streams: &ui.Streams{Out: failing{}}}
	for _, format := range []string{"text", "json"} {
		opt.form.format = format
		if err := runDump(t.Context(), opt); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestQuoteJSON(t *testing.T) {
	for in, want := range map[string]string{
		"a\"b\\c/": `"a\"b\\c/"`, "\b\t\n\f\r\x01\x1f\x7f": "\"\\b\\t\\n\\f\\r\\u0001\\u001F\x7f\"",
		"中文😀": `"中文😀"`, "a\xffb": "\"a\uFFFDb\"", "\xe4\xb8": "\"\uFFFD\uFFFD\"", "": `""`,
	} {
		if got := string(escape.AppendJSONString(nil, in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
		if got := string(escape.AppendJSON(nil, []byte(in))); got != want {
			t.Errorf("%q as bytes: %s, want %s", in, got, want)
		}
	}
}

func TestAppendZxid(t *testing.T) {
	for _, v := range []int64{0, 1, 0xfff, 0x123456789abcde, 0x123456789abcdef, 0x100001196310000, -1, -1 << 63} {
		if got, want := string(appendZxid(nil, "", v)), fmt.Sprintf("0x%014x", uint64(v)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
