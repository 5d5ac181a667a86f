//go:build unix

package commands

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// newEditBench is a bench on which edit runs a script as the editor; its state folder is empty.
func newEditBench(t *testing.T) *bench {
	b := newBench(t)
	b.env.StateDir = t.TempDir()
	t.Setenv("EDITOR", "false")
	return b
}

// editor makes the script the editor, with an option before its files.
func (b *bench) editor(script string) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "my editor")
	if err := os.WriteFile(file, []byte("[ \"$1\" = -w ] || exit 9\nshift\n"+script), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.t.Setenv("VISUAL", "sh '"+file+"' -w")
}

func (b *bench) conn() *client.Conn {
	b.t.Helper()
	conn, err := b.session.Conn()
	if err != nil {
		b.t.Fatal(err)
	}
	return conn
}

// put sets or creates a znode.
func (b *bench) put(path string, data []byte) {
	b.t.Helper()
	_, err := b.conn().Set(b.ctx, path, data, -1)
	if err != nil {
		_, _, err = b.conn().Create(b.ctx, path, data, proto.OpenACL, proto.Persistent, 0)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) data(path string) (string, int32) {
	b.t.Helper()
	data, stat, err := b.conn().Get(b.ctx, path, false)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data), stat.Version
}

// drafts returns the drafts that are kept, with their content.
func (b *bench) drafts() map[string]string {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(b.env.StateDir, "drafts", "*", "*"))
	if err != nil {
		b.t.Fatal(err)
	}
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.t.Fatal(err)
		}
		all[file] = string(text)
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			b.t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
		if info, err := os.Stat(filepath.Dir(file)); err != nil || info.Mode().Perm() != 0o700 {
			b.t.Errorf("the folder of %s: %v, %v", file, info.Mode(), err)
		}
	}
	return all
}

func zipped(text string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return out.Bytes()
}

func unzipped(t *testing.T, data string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(data))
	if err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestEdit has what one run of an editor makes of data, and how it is shown there.
func TestEdit(t *testing.T) {
	b := newEditBench(t)
	for _, test := range []struct{ name, data, script, shown, want, out string }{
		{"no change", "a\nb\n", "", "a\nb\n", "a\nb\n", ""},
		{"a change", "a\nb\n", "sed -i s/b/B/ \"$1\"", "a\nb\n", "a\nB\n",
			"--- /z (version 0)\n+++ /z\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n"},
		{"no line break at the end", "a", "echo b > \"$1\"", "a\n", "b", ""},
		{"an editor that omits it", "a\n", "printf b > \"$1\"", "a\n", "b\n", ""},
		{"emptied", "a\n", ": > \"$1\"", "a\n", "", ""},
		{"from nothing", "", "echo a > \"$1\"", "", "a", ""},
		{"CR LF", "a\r\nb\r\n", "sed -i s/a/A/ \"$1\"", "a\r\nb\r\n", "A\r\nb\r\n", ""},
		{"JSON on one line", `{"b": 1, "a": 1.0}`, "sed -i 's/\"b\": 1/\"b\": 2/' \"$1\"", "{\n  \"b\": 1,\n  \"a\": 1.0\n}\n", `{"b": 2, "a": 1.0}`,
			"--- /z (version 0)\n+++ /z\n@@ -1,4 +1,4 @@\n {\n   \"a\": 1.0,\n-  \"b\": 1\n+  \"b\": 2\n }\n"},
		{"binary", "\x00\xff\x1b[2J abc def ghi jkl", "sed -i 's/ff/fe/; s/  # .*//' \"$1\"",
			"# The bytes of the znode in hex. What follows a # is ignored.\n" +
				"00 ff 1b 5b 32 4a 20 61 62 63 20 64 65 66 20 67  # ...[2J abc def g\n68 69 20 6a 6b 6c                                # hi jkl\n",
			"\x00\xfe\x1b[2J abc def ghi jkl", ""},
		{"an editor that replaces the file", "a\n", "echo b > \"$1.new\"; mv \"$1.new\" \"$1\"", "a\n", "b\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.t = t
			b.run("delete /z")
			b.put("/z", []byte(test.data))
			shown := filepath.Join(t.TempDir(), "shown")
			b.editor("cat \"$1\" > " + shown + "\n" + test.script)
			out, stderr, exit := b.run("edit /z")
			data, version := b.data("/z")
			if exit != 0 || data != test.want || test.out != "" && out != test.out {
				t.Errorf("exit %d, %s%s\n%q, want %q", exit, out, stderr, data, test.want)
			}
			if text, _ := os.ReadFile(shown); string(text) != test.shown {
				t.Errorf("the editor shows %q, not %q", text, test.shown)
			}
			if unchanged := test.data == test.want; unchanged != (version == 0) || unchanged != strings.Contains(stderr, "nothing was changed") {
				t.Errorf("version %d, %s", version, stderr)
			}
			if left := b.drafts(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestEditCompressed(t *testing.T) {
	b := newEditBench(t)
	b.put("/state.json.gz", zipped("{\"a\":1}\n"))
	before, _ := b.data("/state.json.gz")
	b.editor("")
	b.must("edit /state.json.gz")
	if data, version := b.data("/state.json.gz"); data != before || version != 0 {
		t.Errorf("version %d", version)
	}
	b.editor("case $1 in *.json) ;; *) exit 8;; esac; sed -i s/1/2/ \"$1\"")
	if out := b.must("edit /state.json.gz"); !strings.Contains(out, "--- /state.json.gz (version 0) (gzip)") || !strings.Contains(out, "+  \"a\": 2\n") {
		t.Error(out)
	}
	if data, _ := b.data("/state.json.gz"); unzipped(t, data) != "{\"a\":2}\n" {
		t.Errorf("%q", unzipped(t, data))
	}
}

// TestEditWhileOthersChange: the editor waits until another client has changed the znode.
func TestEditWhileOthersChange(t *testing.T) {
	b := newEditBench(t)
	for _, test := range []struct {
		name, data, other string
		mine              string   // a program for sed
		then              []string // for the runs after the first
		want              string
		fails             string
	}{
		{name: "another line", data: "a\nb\nc\n", other: "a\nb\nC\n", mine: "s/a/A/", want: "A\nb\nC\n"},
		{name: "the same line, alike", data: "a\n", other: "B\n", mine: "s/a/B/", want: "B\n"},
		{name: "the same line", data: "a\nb\n", other: "a\ny\n", mine: "s/b/x/", then: []string{"/^[<|=>]/d; /^b$/d"}, want: "a\nx\ny\n"},
		{name: "another member on one line", data: `{"a":1,"b":2}`, other: `{"a":1,"b":3}`, mine: "s/1/4/", want: `{"a":4,"b":3}`},
		{name: "a conflict that stays", data: "a\n", other: "y\n", mine: "s/a/x/", then: []string{"", ""}, want: "y\n", fails: "this conflict is not resolved"},
		{name: "only the version", data: "a\n", other: "a\n", mine: "s/a/x/", want: "x\n"},
		{name: "without a change here", data: "a\n", other: "y\n", mine: "", want: "y\n"},
		{name: "of another kind", data: "a\n", other: "\x00", mine: "s/a/x/", want: "\x00", fails: "its data is of another kind now"},
		{name: "deleted", data: "a\n", mine: "s/a/x/", fails: "/z was deleted while you edited it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.t = t
			b.run("delete /z")
			b.put("/z", []byte(test.data))
			dir := t.TempDir()
			script := "echo x >> " + dir + "/runs\nn=$(wc -l < " + dir + "/runs)\n" +
				"if [ $n -eq 1 ]; then touch " + dir + "/started; while [ ! -e " + dir + "/changed ]; do sleep 0.01; done; sed -i '" + test.mine + "' \"$1\"; fi\n"
			for i, program := range test.then {
				script += "if [ $n -eq " + string(rune('2'+i)) + " ]; then sed -i '" + program + "' \"$1\"; fi\n"
			}
			b.editor(script)
			type result struct {
				stderr string
				exit   int
			}
			done := make(chan result, 1)
			go func() {
				_, stderr, exit := b.run("edit /z")
				done <- result{stderr, exit}
			}()
			await.That(t, time.Minute, "the editor runs", func() bool { _, err := os.Stat(dir + "/started"); return err == nil })
			if test.other == "" {
				if err := b.conn().Delete(b.ctx, "/z", -1); err != nil {
					t.Fatal(err)
				}
			} else {
				b.put("/z", []byte(test.other))
			}
			if err := os.WriteFile(dir+"/changed", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			r := <-done
			kept := b.drafts()
			if test.fails == "" {
				if r.exit != 0 || len(kept) > 0 {
					t.Fatalf("exit %d, %s, %v", r.exit, r.stderr, kept)
				}
			} else {
				if r.exit != 1 || !strings.Contains(r.stderr, test.fails) || len(kept) != 1 {
					t.Fatalf("exit %d, %s, %v", r.exit, r.stderr, kept)
				}
				for file, text := range kept {
					if !strings.Contains(r.stderr, "your text is kept in "+file) || !strings.Contains(text, "x\n") {
						t.Errorf("%s\n%s: %s", r.stderr, file, text)
					}
					_ = os.RemoveAll(filepath.Dir(file))
				}
			}
			if test.want == "" {
				return
			}
			if data, _ := b.data("/z"); data != test.want {
				t.Errorf("%q, want %q", data, test.want)
			}
			if runs, _ := os.ReadFile(dir + "/runs"); len(runs)/2 != 1+len(test.then) {
				t.Errorf("the editor ran %d times", len(runs)/2)
			}
		})
	}
}

func TestEditInvalid(t *testing.T) {
	b := newEditBench(t)
	runs := filepath.Join(t.TempDir(), "runs")
	for _, test := range []struct{ name, path, data, first, note, then, want string }{
		{"JSON", "/z", "{\n  \"a\": 1\n}\n", "printf '{\\n  \"a\": x\\n}\\n' > \"$1\"",
			"{\n#! zkctl: not JSON: invalid character 'x' looking for beginning of value, column 8. This line will be removed.\n  \"a\": x\n}\n",
			"sed -i s/x/2/ \"$1\"", "{\n  \"a\": 2\n}\n"},
		{"YAML", "/z.yaml", "a: 1\nb: 2\n", "printf 'a: 1\\nb: [\\n' > \"$1\"", "#! zkctl: not YAML: ", "printf 'a: 1\\nb: 3\\n' > \"$1\"", "a: 1\nb: 3\n"},
		{"hex", "/z", "\x00\x01", "echo 0x > \"$1\"", "#! zkctl: not bytes in hex: invalid byte: U+0078 'x'. This line will be removed.\n0x\n", "echo 02 > \"$1\"", "\x02"},
		{"not tried again", "/z", "{}", "echo { > \"$1\"", "", "", ""},
		{"unchecked", "/z", "{}", "echo { > \"$1\"", "", "", "{"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.t = t
			b.run("delete " + test.path)
			b.put(test.path, []byte(test.data))
			_ = os.Remove(runs)
			shown := filepath.Join(t.TempDir(), "shown")
			b.editor("if [ ! -e " + runs + " ]; then touch " + runs + "; " + test.first + "\nelse cat \"$1\" > " + shown + "; " + test.then + "\nfi")
			line := "edit " + test.path
			if test.name == "unchecked" {
				line += " --unchecked"
			}
			_, stderr, exit := b.run(line)
			note, _ := os.ReadFile(shown)
			kept := b.drafts()
			if test.want == "" {
				if exit != 1 || len(kept) != 1 || !strings.HasPrefix(stderr, "/z: not JSON: unexpected end of JSON input, column 2 (line 1); your text is kept in ") {
					t.Errorf("exit %d, %s, %v", exit, stderr, kept)
				}
				for file := range kept {
					_ = os.RemoveAll(filepath.Dir(file))
				}
				return
			}
			if data, _ := b.data(test.path); exit != 0 || data != test.want || !strings.Contains(string(note), test.note) || len(kept) > 0 {
				t.Errorf("exit %d, %s\n%q, want %q\nshown: %s", exit, stderr, data, test.want, note)
			}
		})
	}
}

func TestEditFails(t *testing.T) {
	b := newEditBench(t)
	b.put("/z", []byte("a\n"))
	for _, test := range []struct {
		name, script, stderr string
		kept                 string
	}{
		{"before a change", "exit 3", "editor sh: exit status 3\n", ""},
		{"after a change", "echo mine > \"$1\"; exit 3", "editor sh: exit status 3; your text is kept in ", "mine\n"},
		{"the draft is removed", "rm \"$1\"", "read the draft: open ", ""},
		{"more than servers accept", "head -c 2000000 /dev/zero > \"$1\"", "KeeperErrorCode = ConnectionLoss", strings.Repeat("\x00", 2_000_000)},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.t = t
			b.editor(test.script)
			_, stderr, exit := b.run("edit /z")
			kept := b.drafts()
			if exit != 1 || !strings.HasPrefix(stderr, test.stderr) || len(kept) > 0 != (test.kept != "") {
				t.Errorf("exit %d, %s, %d kept", exit, stderr, len(kept))
			}
			for file, text := range kept {
				if text != test.kept || !strings.Contains(stderr, file) {
					t.Errorf("%s: %s", file, stderr)
				}
				_ = os.RemoveAll(filepath.Dir(file))
			}
			if data, version := b.data("/z"); data != "a\n" || version != 0 {
				t.Errorf("%q, version %d", data, version)
			}
		})
	}
	b.t = t
	b.t.Setenv("VISUAL", "no-such-editor --wait")
	if _, stderr, exit := b.run("edit /z"); exit != 1 || !strings.Contains(stderr, "no-such-editor") {
		t.Errorf("exit %d, %s", exit, stderr)
	}
	b.t.Setenv("VISUAL", "vi | tee")
	if _, stderr, exit := b.run("edit /z"); exit != 1 || !strings.HasPrefix(stderr, "$VISUAL: | has no effect") {
		t.Errorf("exit %d, %s", exit, stderr)
	}
	if _, stderr, exit := b.run("edit /nope"); exit != 1 || stderr != "Node does not exist: /nope (edit --create makes it)\n" {
		t.Errorf("exit %d, %s", exit, stderr)
	}
}

// TestEditSeveral writes several znodes in one transaction.
func TestEditSeveral(t *testing.T) {
	b := newEditBench(t)
	b.put("/a", []byte("1\n"))
	b.put("/b", []byte("1\n"))
	b.put("/c", []byte("1\n"))
	b.editor("[ $# -eq 3 ] || exit 8\nsed -i s/1/2/ \"$1\" \"$3\"; echo new > \"$3\"")
	if out := b.must("edit /a /b /new --create -o json"); strings.Count(out, `"changed":true`) != 2 || strings.Count(out, `"changed":false`) != 1 {
		t.Error(out)
	}
	a, statA, err := b.conn().Get(b.ctx, "/a", false)
	if err != nil || string(a) != "2\n" {
		t.Errorf("%q, %v", a, err)
	}
	made, statNew, err := b.conn().Get(b.ctx, "/new", false)
	if err != nil || string(made) != "new" || statNew.Czxid != statA.Mzxid {
		t.Errorf("%q, %v, zxids %x and %x", made, err, statNew.Czxid, statA.Mzxid)
	}
	// One that may not be written keeps the others from it, and both drafts.
	b.must("setAcl -y /b world:anyone:r")
	b.editor("sed -i s/1/3/ \"$1\" \"$2\"")
	_, stderr, exit := b.run("edit /c /b")
	if data, _ := b.data("/c"); exit != 1 || data != "1\n" || !strings.HasPrefix(stderr, "Insufficient permission : /b") || len(b.drafts()) != 2 {
		t.Errorf("exit %d, %s, %q, %v", exit, stderr, data, b.drafts())
	}
	// Two znodes of one name, and one whose name is hostile.
	for _, path := range []string{"/a/x", "/b2", "/b2/x", "/b2/..\u202e$(id)"} {
		b.put(path, []byte("1\n"))
	}
	b.editor("sed -i s/1/4/ \"$@\"")
	b.must("edit /a/x /b2/*")
	for _, path := range []string{"/a/x", "/b2/x", "/b2/..\u202e$(id)"} {
		if data, _ := b.data(path); data != "4\n" {
			t.Errorf("%s: %q", path, data)
		}
	}
}

func TestEditAsks(t *testing.T) {
	b := newEditBench(t)
	b.put("/z", []byte("a\n"))
	b.editor("echo b > \"$1\"")
	b.env.Streams.InTTY = true
	b.env.Streams.In = strings.NewReader("n\n")
	out, stderr, exit := b.run("edit /z")
	if exit != 1 || !strings.Contains(out, "+b\n") || !strings.HasPrefix(stderr, "Write /z? [y/N] nothing was changed; your text is kept in ") || len(b.drafts()) != 1 {
		t.Errorf("exit %d, %s%s", exit, out, stderr)
	}
	b.env.Streams.In = strings.NewReader("y\n")
	b.must("edit /z")
	if data, _ := b.data("/z"); data != "b\n" {
		t.Errorf("%q", data)
	}
}
