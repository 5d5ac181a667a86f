package snapshot

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/ztree"
)

func TestVerify(t *testing.T) {
	files := references(t)
	out := mustRun(t, append([]string{"verify"}, files...)...)
	if n := strings.Count(out, ": whole\n"); n != len(files) || strings.Count(out, " agrees, at zxid ") < 5 {
		t.Error(out)
	}
	for file, want := range map[string]string{
		"testdata/damaged/snapshot.bit-flip":  "bad checksum at byte 8226, zxid 0x67",
		"testdata/damaged/snapshot.truncated": "cut off at byte 5275, zxid 0x",
		"testdata/damaged/snapshot.empty":     "the file is empty",
		"testdata/version-2/log.1":            "a transaction log, not a snapshot",
		"testdata/nowhere":                    "does not exist",
	} {
		a := run(t, "verify", file)
		if a.code != 1 || !strings.HasPrefix(a.out, file+": damaged\n") || !strings.Contains(a.out, want) {
			t.Errorf("%+v", a)
		}
		if j := run(t, "verify", "-o", "json", file); j.code != 1 || !strings.Contains(j.out, `"ok":false`) {
			t.Errorf("%+v", j)
		}
	}
}

// TestVerifyStructure feeds what no server writes, znode by znode.
func TestVerifyStructure(t *testing.T) {
	node := func(path string) *storage.Node { return &storage.Node{Path: path, ACL: openUnsafe} }
	ephemeral := func(path string, session int64) *storage.Node {
		n := node(path)
		n.Stat.EphemeralOwner = session
		return n
	}
	acl := node("/a")
	acl.ACL = 77
	for name, c := range map[string]struct {
		nodes []*storage.Node
		want  string
	}{
		"whole":           {[]*storage.Node{node(""), node("/a"), node("/a/b"), node("/c")}, ""},
		"unknown ACL":     {[]*storage.Node{node(""), acl}, "number 77"},
		"unknown session": {[]*storage.Node{node(""), ephemeral("/e", 5)}, "session 0x5"},
		"child of one":    {[]*storage.Node{node(""), ephemeral("/e", 5), node("/e/f")}, "the parent of /e/f is ephemeral"},
		"bad path":        {[]*storage.Node{node(""), node("/a"), node("/a/..")}, "not a valid znode name"},
	} {
		t.Run(name, func(t *testing.T) {
			im := &fileImage{path: "testdata/version-2/snapshot.0"}
			if err := im.each(func(*storage.Node) error { return errEnough }); err != nil {
				t.Fatal(err)
			}
			var told []string
			s := newStructure(im, 1, func(f *storage.Fault) { told = append(told, f.Error()) })
			for _, n := range c.nodes {
				s.check(n)
			}
			if (c.want == "") != (told == nil) || !strings.Contains(strings.Join(told, "\n"), c.want) {
				t.Errorf("told %q, want %q", told, c.want)
			}
		})
	}
}

// TestVerifyOrder moves znodes around in a file.
func TestVerifyOrder(t *testing.T) {
	whole := read(t, "testdata/version-2/snapshot.0")
	config, quota := "\x00\x00\x00\x11/zookeeper/config", "\x00\x00\x00\x10/zookeeper/quota"
	for name, c := range map[string]struct{ text, want string }{
		"twice":  {strings.Replace(whole, config, "\x00\x00\x00\x10/zookeeper/quota", 1), "/zookeeper/quota occurs twice"},
		"orphan": {strings.Replace(whole, quota, "\x00\x00\x00\x10/zookeepeR/quota", 1), "/zookeepeR/quota comes before its parent"},
	} {
		file := filepath.Join(t.TempDir(), "snapshot.0")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if a := run(t, "verify", file); a.code != 1 || !strings.Contains(a.out, c.want) || !strings.Contains(a.out, "bad checksum") {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// TestAtIsEverySnapshot: the tree at the zxid of a snapshot that a server made while nothing
// was written is that snapshot.
func TestAtIsEverySnapshot(t *testing.T) {
	for name, zxid := range map[string]string{"snapshot.36": "0x37", "snapshot.71": "72", "snapshot.77.gz": "0x77", "snapshot.102.snappy": "0x102"} {
		out := t.TempDir()
		a := run(t, "at", "testdata", "--zxid", zxid, "--write", out)
		if a.code != 0 || a.out != "" {
			t.Fatalf("%+v", a)
		}
		file := filepath.Join(out, fmt.Sprintf("snapshot.%s", strings.TrimPrefix(zxid, "0x")))
		if d := run(t, "diff", "testdata/version-2/"+name, file); d.code != 0 {
			t.Errorf("%s: %s%s", name, d.out, d.err)
		}
		mustRun(t, "verify", file)
		if again := run(t, "at", "testdata", "--zxid", zxid, "--write", out); again.code != 1 {
			t.Errorf("wrote over a file: %+v", again)
		}
	}
}

func TestAtPrints(t *testing.T) {
	const dir = "testdata/version-2"
	objects := mustRun(t, "at", dir, "--zxid", "0x40", "--path", "/app/eph", "-o", "json")
	if !strings.Contains(objects, `"path":"/app/eph","data":"e"`) {
		t.Error(objects)
	}
	if a := run(t, "at", dir, "--zxid", "0x40", "-o", "json"); !strings.HasPrefix(a.err, `{"note":{"message":"the tree at zxid 0x40, of `) ||
		!strings.Contains(a.err, `,"zxid":"0x40"}}`) || !json.Valid([]byte(a.err)) {
		t.Errorf("the note of -o json: %q", a.err)
	}
	if text := mustRun(t, "at", dir, "--zxid", "0x40"); !strings.HasPrefix(text, "ZNode Details (count=") || !strings.HasSuffix(text, "Last zxid: 0x40\n") {
		t.Error(text)
	}
	newest := mustRun(t, "at", dir, "--tree", "--depth", "1")
	if got := mustRun(t, "at", dir, "--time", "2030-01-01", "--tree", "--depth", "1"); got != newest {
		t.Error(got)
	}
	if a := run(t, "at", dir, "--zxid", "0x1000", "--tree"); a.code != 1 || !strings.Contains(a.err, "the last transaction") {
		t.Errorf("%+v", a)
	}
	if a := run(t, "at", "testdata/damaged", "--time", "2001-01-01"); a.code == 0 {
		t.Errorf("%+v", a)
	}
}

func TestAtWriteRefusesAMisleadingName(t *testing.T) {
	a := run(t, "at", "testdata", "--zxid", "0x40", "--write", filepath.Join(t.TempDir(), "snapshot.41"))
	if a.code != 2 || !strings.Contains(a.err, "use snapshot.40") {
		t.Errorf("%+v", a)
	}
	dir := filepath.Join(t.TempDir(), "version-2")
	if err := os.CopyFS(dir, os.DirFS("testdata/version-2")); err != nil {
		t.Fatal(err)
	}
	a = run(t, "at", dir, "--zxid", "0x40", "--write", dir)
	if a.code != 0 || !strings.Contains(a.err, "use an empty directory") {
		t.Errorf("%+v", a)
	}
}

func TestTreeImage(t *testing.T) {
	im := &treeImage{title: "new", tree: ztree.New()}
	var paths []string
	if err := im.each(func(n *storage.Node) error { paths = append(paths, n.Path); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"}; !slices.Equal(paths, want) {
		t.Errorf("%q", paths)
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func copied(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "version-2")
	if err := os.CopyFS(dir, os.DirFS("testdata/version-2")); err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)
	for _, name := range list(t, dir) {
		if err := os.Chtimes(filepath.Join(dir, name), made, made); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPurge(t *testing.T) {
	dir := copied(t)
	before := list(t, dir)
	if a := run(t, "purge", dir, "-n", "2"); a.code != 1 || !strings.Contains(a.err, "greater than or equal to 3") {
		t.Errorf("%+v", a)
	}
	dry := mustRun(t, "purge", dir, "-n", "3", "--dry-run")
	if got := list(t, dir); !slices.Equal(got, before) {
		t.Errorf("a dry run left %q", got)
	}
	a := runWith(t, &ui.Streams{In: strings.NewReader("n\n"), InTTY: true}, "purge", dir, "-n", "3")
	if got := list(t, dir); a.code != 0 || !slices.Equal(got, before) || !strings.Contains(a.err, "Remove 7 files?") {
		t.Errorf("%+v left %q", a, got)
	}
	wet := mustRun(t, "purge", dir, "-n", "3")
	if strings.ReplaceAll(wet, "Removing file", "Would remove file") != dry || strings.Count(wet, "\n") != 7 {
		t.Errorf("got\n%swant\n%s", wet, dry)
	}
	want := []string{"log.78", "log.f6", "snapshot.102.snappy", "snapshot.95.gz", "snapshot.f5.snappy"}
	if got := list(t, dir); !slices.Equal(got, want) {
		t.Errorf("left %q", got)
	}
	if a := run(t, "purge", dir, "-n", "3"); a.code != 0 || a.out != "" || !strings.Contains(a.err, "nothing to remove") {
		t.Errorf("%+v", a)
	}
}

// TestPurgeCountsWholeSnapshots: what remains must be enough to start from.
func TestPurgeCountsWholeSnapshots(t *testing.T) {
	dir := copied(t)
	if err := os.Truncate(filepath.Join(dir, "snapshot.f5.snappy"), 2000); err != nil {
		t.Fatal(err)
	}
	a := run(t, "purge", dir, "-n", "3")
	if a.code != 0 || !strings.Contains(a.err, "snapshot.f5.snappy") || !slices.Contains(list(t, dir), "snapshot.77.gz") ||
		!slices.Contains(list(t, dir), "log.73") {
		t.Errorf("%+v left %q", a, list(t, dir))
	}
}

func TestPurgeTwoDirectories(t *testing.T) {
	all, logs, snaps := copied(t), t.TempDir(), t.TempDir()
	for _, name := range list(t, all) {
		to := logs
		if strings.HasPrefix(name, "snapshot.") {
			to = snaps
		}
		if err := os.Rename(filepath.Join(all, name), filepath.Join(to, name)); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(t, "purge", logs, snaps, "-n", "4")
	if got, want := append(list(t, logs), list(t, snaps)...), []string{"log.73", "log.78", "log.f6",
		"snapshot.102.snappy", "snapshot.77.gz", "snapshot.95.gz", "snapshot.f5.snappy"}; !slices.Equal(got, want) {
		t.Errorf("left %q", got)
	}
}
