package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/treediff"
	"github.com/zkctl/zkctl/internal/ui"
)

// odd are names that systems or tools take for something else.
var odd = []string{".git", "CON", "Com1.txt", "Foo", "a b", "a.", "c:d", "foo", "n~1", "nul", "trailing ", "ü", "100%",
	strings.Repeat("long", 60), strings.Repeat("long", 60) + "2"}

// fill makes a tree with whatever may go wrong on its way through a file.
func (b *bench) fill(root string) {
	b.t.Helper()
	readable := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "ip", ID: "127.0.0.1"}}}
	b.create(root, "root", proto.OpenACL, proto.Persistent, 0)
	b.create(root+"/json", `{"a": 1, "b": 2}`, readable, proto.Persistent, 0)
	b.create(root+"/binary", "\xff\x00", proto.OpenACL, proto.Persistent, 0)
	if _, _, err := b.conn.Create(b.t.Context(), root+"/null", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		b.t.Fatal(err)
	}
	b.create(root+"/queue", "", proto.OpenACL, proto.Persistent, 0)
	for range 3 {
		last := b.create(root+"/queue/n-", "x", proto.OpenACL, proto.PersistentSequential, 0)
		if err := b.conn.Delete(b.t.Context(), last, -1); err != nil {
			b.t.Fatal(err)
		}
	}
	for _, name := range odd {
		b.create(root+"/"+name, name, proto.OpenACL, proto.Persistent, 0)
	}
	b.create(root+"/CON/con", "below", proto.OpenACL, proto.Persistent, 0)
}

const everything = "data,acl,kind,owner,sequence"

// TestFolder: an export as a folder is the same tree, and people can edit it.
func TestFolder(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	const root = "/TestFolder"
	b.fill(root)
	dir := filepath.Join(t.TempDir(), "tree")
	b.must("export", root, "--format", "dir", "-O", dir)
	file := "file:" + dir
	if out, _ := b.must("diff", root, file, "--fields", everything+",stat"); out != "" {
		t.Errorf("the folder differs:\n%s", out)
	}
	seen := map[string]bool{}
	if err := filepath.WalkDir(filepath.Join(dir, "tree"), func(path string, _ os.DirEntry, err error) error {
		name := strings.ToLower(path)
		if seen[name] {
			t.Errorf("%s differs from another in case only", path)
		}
		seen[name] = true
		base := filepath.Base(path)
		if stem, _, _ := strings.Cut(strings.ToLower(base), "."); strings.ContainsAny(strings.Replace(base, "%~", "", 1), `<>:"\|?*~`) || strings.HasPrefix(base, ".") || strings.TrimRight(base, ". ") != base ||
			len(base) > 200 || slices.Contains([]string{"con", "nul", "com1"}, stem) {
			t.Errorf("%s is no name for every system", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"json": `{"b": 3, "a": 1}`, "new": "n"} {
		if err := os.WriteFile(filepath.Join(dir, "tree", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "tree", "binary")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "tree", "%43ON")); err != nil {
		t.Fatal(err)
	}
	out, errs, code := b.run("diff", root, file)
	want := `- /TestFolder/CON
- /TestFolder/CON/con
- /TestFolder/binary
~ /TestFolder/json (data)
--- /TestFolder/json
+++ ` + file + `:/TestFolder/json
@@ -1,4 +1,4 @@
 {
   "a": 1,
-  "b": 2
+  "b": 3
 }
+ /TestFolder/new
1 added, 3 removed, 1 changed
`
	if out != want || code != ui.ExitNo {
		t.Errorf("exit %d, %s\n%s\nwant\n%s", code, errs, out, want)
	}
	out, _, _ = b.run("diff", root, file, "--brief", "-o", "json")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 5 || lines[3] != `{"change":"changed","path":"/TestFolder/json","fields":["data"]}` {
		t.Errorf("%s", out)
	}
	out, _, _ = b.run("diff", file, root, "-o", "json")
	var j treediff.Difference
	if err := json.Unmarshal([]byte(strings.Split(out, "\n")[0]), &j); err != nil || j.Change != "added" || !strings.Contains(string(j.New), `"path":"/TestFolder/CON"`) {
		t.Errorf("%v: %s", err, out)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := errors.Join(os.Rename(filepath.Join(dir, "tree"), outside), os.Symlink(outside, filepath.Join(dir, "tree"))); err == nil {
		if out, errs, code := b.run("diff", root, file); code != 2 || !strings.Contains(errs, "escapes") {
			t.Errorf("a link leads out of the folder: exit %d, %s%s", code, out, errs)
		}
	}
	// A second export replaces the first, and leaves other files alone.
	if err := os.WriteFile(filepath.Join(dir, "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.must("export", root, "--format", "dir", "-O", dir)
	b.must("diff", root, file, "--fields", everything)
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{".gitattributes", "README", "tree", "znodes.jsonl"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	for name, text := range map[string]string{"%zz": "a %", "x~": "leftover", "%66oo": "same znode", "a%2Fb": "no slash", strings.Repeat("l", 60) + "%~0123456789abcdef": "shorter"} {
		path := filepath.Join(dir, "tree", name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, errs, code := b.run("diff", file, file); code != ui.ExitUnsure || !strings.Contains(errs, text) {
			t.Errorf("%s: exit %d, %s", name, code, errs)
		}
		_ = os.Remove(path)
	}
}

// TestSnapshot: Apache starts from an export as a snapshot, with everything as it was, and goes on counting.
func TestSnapshot(t *testing.T) {
	server := apachetest.Test(t, apache.Options{})
	from := newBench(t, server.Addr())
	const root = "/TestSnapshot"
	from.fill(root)
	dir := filepath.Join(t.TempDir(), "data")
	backups := filepath.Join(t.TempDir(), "backups")
	from.must("backup", "create", backups)
	out, _ := from.must("backup", "create", backups)
	list, err := os.ReadDir(backups)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %v: %s", list, err, out)
	}
	if out, _ := from.must("backup", "ls", backups); !strings.Contains(out, "as before") || strings.Count(out, "consistent") != 2 {
		t.Errorf("%s", out)
	}
	if out, _ := from.must("backup", "verify", backups); strings.Count(out, "sound") != 2 {
		t.Errorf("%s", out)
	}
	if _, errs, code := from.run("backup", "restore", backups, "latest", "--data-dir", dir, "--dry-run"); code != ui.ExitFailed || !strings.Contains(errs, "--dry-run is for a live tree") {
		t.Errorf("a dry run: %d, %s", code, errs)
	}
	from.must("backup", "restore", backups, "latest", "--data-dir", dir)
	if _, errs, code := from.run("backup", "restore", backups, "latest", "--data-dir", dir); code == 0 || !strings.Contains(errs, "not empty") {
		t.Errorf("into the same folder: %d, %s", code, errs)
	}
	files, err := storage.ReadDir(dir)
	if err != nil || len(files.Snapshots) != 1 {
		t.Fatal(err, files)
	}
	if _, _, err := files.ReadTree(files.Snapshots[0]); err != nil {
		t.Errorf("the snapshot: %v", err)
	}
	from.must("export", root, "-O", filepath.Join(backups, "before"))
	if err := server.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(server.Dir(), "version-2")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "version-2"), filepath.Join(server.Dir(), "version-2")); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	to := newBench(t, server.Addr())
	if out, _ := to.must("diff", "file:"+filepath.Join(backups, "before"), root, "--fields", everything+",stat"); out != "" {
		t.Errorf("the restored server differs:\n%s", out)
	}
	if next := to.create(root+"/queue/n-", "", proto.OpenACL, proto.PersistentSequential, 0); next != root+"/queue/n-0000000003" {
		t.Errorf("the next child is %s", next)
	}
	from = to
	damaged := filepath.Join(backups, "20990101T000000Z"+ending)
	if err := os.WriteFile(damaged, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := from.run("backup", "prune", backups, "--keep", "1"); code != ui.ExitFailed || out != "" || !strings.Contains(errs, "nothing was removed") {
		t.Errorf("prune of all but a damaged one: %d, %s%s", code, out, errs)
	}
	if err := os.Remove(damaged); err != nil {
		t.Fatal(err)
	}
	if out, _, code := from.run("backup", "prune", backups, "--keep", "1"); code != 0 || strings.Count(out, "\n") != 1 {
		t.Errorf("prune: %d, %s", code, out)
	}
	_ = os.Remove(filepath.Join(backups, "before"))
	if list, err = os.ReadDir(backups); err != nil || len(list) != 1 {
		t.Fatal(err, list)
	}
	text, err := os.ReadFile(filepath.Join(backups, list[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(filepath.Join(backups, list[0].Name()), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := from.run("backup", "verify", backups); code == 0 || !strings.Contains(errs, "1 of 1 backup was damaged") {
		t.Errorf("damaged: %d, %s", code, errs)
	}
}

// TestRestoreLive: a backup comes back into a live ensemble with data, ACLs and counters as they were.
func TestRestoreLive(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	const root = "/TestRestoreLive"
	b.fill(root)
	dir := t.TempDir()
	b.must("backup", "create", dir, root)
	b.must("backup", "restore", dir, "latest", root+"-again")
	if out, _ := b.must("diff", root, root+"-again", "--fields", "data,acl,kind,sequence"); out != "" {
		t.Errorf("what came back differs:\n%s", out)
	}
	for _, words := range [][]string{{"backup", "restore", dir, "latest"}, {"backup", "restore", dir, "latest", "/x", "--data-dir", dir}, {"backup", "restore", dir, "2001", "/x"}} {
		if _, errs, code := b.run(words...); code == 0 || errs == "" {
			t.Errorf("%q: exit %d, %s", words, code, errs)
		}
	}
}

// TestDiffHiddenHashes: what a server does not show is no difference, and no sameness either.
func TestDiffHiddenHashes(t *testing.T) {
	server := apachetest.Shared(t).Addr()
	b := newBench(t, server)
	const root = "/TestDiffHiddenHashes"
	for i, hash := range []string{"scott:cAoDZ609duR5dr7zG1X1AFy2t8Q=", "scott:aaaaaaaaaaaaaaaaaaaaaaaaaaa="} {
		acl := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: hash}}, {Perms: proto.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}}}
		b.create(fmt.Sprint(root, i), "", acl, proto.Persistent, 0)
	}
	acl := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: "other:x"}}, {Perms: proto.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}}}
	b.create(root+"2", "", acl, proto.Persistent, 0)
	if out, errs, code := b.run("diff", root+"0", root+"1"); code != 0 || out != "" || !strings.Contains(errs, "1 znode were not compared") {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	if out, errs, code := b.run("diff", root+"0", root+"2"); code != ui.ExitNo || !strings.Contains(out, "digest:other:x") {
		t.Errorf("another user: exit %d, %s%s", code, out, errs)
	}
}

func TestDiffTrouble(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	b.create("/TestDiffTrouble", "", proto.OpenACL, proto.Persistent, 0)
	for _, words := range [][]string{{"diff", "/TestDiffTrouble"}, {"diff", "/TestDiffTrouble", "/no-such"}, {"diff", "/", "file:none"},
		{"diff", "/", "/", "--fields", "dta"}, {"diff", "/", "/", "-o", "xml"}} {
		if _, errs, code := b.run(words...); code != ui.ExitUnsure || errs == "" {
			t.Errorf("%q: exit %d, %s", words, code, errs)
		}
	}
}

func TestRetention(t *testing.T) {
	var moments []time.Time
	for day := range 40 { // two a day
		moments = append(moments, time.Date(2026, 1, 1+day, 6, 0, 0, 0, time.UTC), time.Date(2026, 1, 1+day, 18, 0, 0, 0, time.UTC))
	}
	for text, want := range map[string]string{
		"3":                                 "[9 Feb 06 9 Feb 18 8 Feb 18]",
		"last=1,daily=3":                    "[9 Feb 18 8 Feb 18 7 Feb 18]",
		"last=1,weekly=2":                   "[9 Feb 18 8 Feb 18]",
		"monthly=2":                         "[9 Feb 18 31 Jan 18]",
		"last=2,daily=2,monthly=9,yearly=1": "[9 Feb 18 9 Feb 06 8 Feb 18 31 Jan 18]",
	} {
		r, err := parseRetention(text)
		if err != nil {
			t.Fatal(err)
		}
		var kept []string
		for i, keep := range r.keeps(moments) {
			if keep {
				kept = append(kept, moments[i].Format("2 Jan 15"))
			}
		}
		slices.Sort(kept)
		all := strings.Fields(strings.Trim(want, "[]"))
		var wanted []string
		for i := 0; i < len(all); i += 3 {
			wanted = append(wanted, strings.Join(all[i:i+3], " "))
		}
		slices.Sort(wanted)
		if fmt.Sprint(kept) != fmt.Sprint(wanted) {
			t.Errorf("%s keeps %q, want %q", text, kept, wanted)
		}
	}
	for _, bad := range []string{"", "0", "x", "daily", "dayly=1", "daily=1,daily=2"} {
		if _, err := parseRetention(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
