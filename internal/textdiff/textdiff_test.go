package textdiff

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/zkctl/zkctl/internal/ui"
)

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "%d\n", i)
	}
	return b.String()
}

// TestLines has what diff -u of GNU diffutils writes.
func TestLines(t *testing.T) {
	for _, test := range []struct {
		name, a, b string
		context    int
		want       string
	}{
		{"same", "a\n", "a\n", 3, ""},
		{"change", "a\nb\nc\n", "a\nB\nc\n", 3, "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"one line", "a", "b", 3, "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"},
		{"line break added", "a", "a\n", 3, "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{"from nothing", "", "a\nb\n", 3, "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"to nothing", "a\nb\n", "", 3, "@@ -1,2 +0,0 @@\n-a\n-b\n"},
		{"no context", numbered(1, 9), strings.Replace(numbered(1, 9), "5\n", "five\n5\n", 1), 0, "@@ -4,0 +5 @@\n+five\n"},
		{"two hunks", numbered(1, 20), strings.NewReplacer("3\n4\n", "4\n", "18\n", "").Replace(numbered(1, 20)), 1,
			"@@ -2,3 +2,2 @@\n 2\n-3\n 4\n@@ -17,3 +16,2 @@\n 17\n-18\n 19\n"},
		{"joined", numbered(1, 9), strings.NewReplacer("3\n", "x\n", "6\n", "y\n").Replace(numbered(1, 9)), 1,
			"@@ -2,6 +2,6 @@\n 2\n-3\n+x\n 4\n 5\n-6\n+y\n 7\n"},
	} {
		want := test.want
		if want != "" {
			want = "--- old\n+++ new\n" + want
		}
		if got := Lines("old", "new", test.a, test.b, test.context).String(); got != want {
			t.Errorf("%s: %s\nwant\n%s", test.name, got, want)
		}
	}
}

// FuzzLines wants the new text back from the old one and the diff.
func FuzzLines(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nx\nc", 1)
	f.Add(numbered(1, 30), strings.NewReplacer("3\n", "", "9\n", "9\n9\n").Replace(numbered(1, 30)), 2)
	f.Fuzz(func(t *testing.T, a, b string, context int) {
		context = min(max(context, 0), 10)
		d := Lines("a", "b", a, b, context)
		if d.Empty() != (a == b) {
			t.Fatalf("%q and %q: %v", a, b, d)
		}
		old, at := splitLines(a), 0
		var now strings.Builder
		lines := 0
		for _, h := range d.Hunks {
			for ; at < h.From-1; at++ {
				now.WriteString(old[at])
				lines++
			}
			if h.To != lines+1 {
				t.Fatalf("hunk %+v begins at line %d of the new text", h, lines+1)
			}
			from, to := 0, 0
			for _, line := range h.Lines {
				if line.Kind != '+' {
					if old[at] != line.Text {
						t.Fatalf("line %d of the old text is %q, not %q", at+1, old[at], line.Text)
					}
					at++
					from++
				}
				if line.Kind != '-' {
					now.WriteString(line.Text)
					lines++
					to++
				}
			}
			if from != h.FromLines || to != h.ToLines {
				t.Fatalf("hunk %+v has %d and %d lines", h, from, to)
			}
		}
		now.WriteString(strings.Join(old[at:], ""))
		if now.String() != b {
			t.Fatalf("%q with\n%s\nis %q, not %q", a, d, now.String(), b)
		}
	})
}

func packed(text string, level int) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, level)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return out.Bytes()
}

func TestData(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	for _, test := range []struct {
		name string
		a, b []byte
		want string
	}{
		{"same", []byte("a"), []byte("a"), ""},
		{"null", nil, []byte{}, "--- /a\n+++ /b\nno data (null), becomes empty data\n"},
		{"text", []byte("a\n"), []byte("b\n"), "--- /a\n+++ /b\n@@ -1 +1 @@\n-a\n+b\n"},
		{"JSON on one line", []byte(`{"b":[1],"a":1.0}`), []byte(`{"a":1,"b":[1]}`),
			"--- /a\n+++ /b\n@@ -1,5 +1,5 @@\n {\n-  \"a\": 1.0,\n+  \"a\": 1,\n   \"b\": [\n     1\n   ]\n"},
		{"JSON written in another way", []byte(`{"a":1}`), []byte(`{"a": 1}`),
			"--- /a\n+++ /b\n@@ -1 +1 @@\n-{\"a\":1}\n\\ No newline at end of file\n+{\"a\": 1}\n\\ No newline at end of file\n"},
		{"two JSON documents", []byte("[1]\n[2]\n"), []byte("[1]\n[3]\n"), "--- /a\n+++ /b\n@@ -1,2 +1,2 @@\n [1]\n-[2]\n+[3]\n"},
		{"binary", []byte("\x00abc"), []byte("\x00abd"),
			"--- /a\n+++ /b\n@@ -1 +1 @@\n-00 61 62 63                                      .abc\n+00 61 62 64                                      .abd\n"},
		{"long binary", []byte("\x00" + long), []byte("\x00" + long + "x"),
			"--- /a\n+++ /b\nbinary data of 9.8 KiB becomes 9.8 KiB; the first difference is at byte 0x2711\n"},
		{"inside gzip", packed("a\n", 1), packed("b\n", 1), "--- /a (gzip)\n+++ /b (gzip)\n@@ -1 +1 @@\n-a\n+b\n"},
		{"packed anew", packed("a\n", 0), packed("a\n", 9), "--- /a (gzip)\n+++ /b (gzip)\nwhat is inside is the same, compressed in another way\n"},
		{"unpacked", packed("a\n", 1), []byte("b\n"), "--- /a (gzip)\n+++ /b\n@@ -1 +1 @@\n-a\n+b\n"},
	} {
		if got := Data("/a", "/b", test.a, test.b, 3).String(); got != test.want {
			t.Errorf("%s:\n%swant\n%s", test.name, got, test.want)
		}
	}
}

func TestPrint(t *testing.T) {
	d := Lines("/a\n\x1b[2J", "/b", "x\x1b]0;title\a\r\n\u202e\n", "y\r\n\u202e", 3)
	for _, test := range []struct {
		name       string
		tty, color bool
		want       string
	}{
		{"a pipe", false, false, "--- /a\\n\\x1b[2J\n+++ /b\n@@ -1,2 +1,2 @@\n-x\x1b]0;title\a\r\n-\u202e\n+y\r\n+\u202e\n\\ No newline at end of file\n"},
		{"a terminal", true, false, "--- /a\\n\\x1b[2J\n+++ /b\n@@ -1,2 +1,2 @@\n-x\\x1b]0;title\\x07\\r\n-\\u202e\n+y\\r\n+\\u202e\n\\ No newline at end of file\n"},
		{"colours", true, true, "\x1b[1m--- /a\\n\\x1b[2J\x1b[0m\n\x1b[1m+++ /b\x1b[0m\n\x1b[36m@@ -1,2 +1,2 @@\x1b[0m\n\x1b[31m-x\\x1b]0;title\\x07\\r\x1b[0m\n" +
			"\x1b[31m-\\u202e\x1b[0m\n\x1b[32m+y\\r\x1b[0m\n\x1b[32m+\\u202e\x1b[0m\n\\ No newline at end of file\n"},
	} {
		var out bytes.Buffer
		if err := d.Print(&ui.Streams{Out: &out, OutTTY: test.tty, Color: test.color}); err != nil {
			t.Fatal(err)
		}
		got := strings.NewReplacer("\x1b[22m", "\x1b[0m").Replace(out.String())
		if got != test.want {
			t.Errorf("%s:\n%q\nwant\n%q", test.name, got, test.want)
		}
	}
}

var sides = Sides{Ours: "yours", Base: "before", Theirs: "theirs"}

func TestMerge(t *testing.T) {
	conflict := func(ours, base, theirs string) string {
		return "<<<<<<< yours\n" + ours + "||||||| before\n" + base + "=======\n" + theirs + ">>>>>>> theirs\n"
	}
	for _, test := range []struct{ name, base, ours, theirs, want string }{
		{"nothing", "a\n", "a\n", "a\n", "a\n"},
		{"one side", "a\nb\n", "a\nB\n", "a\nb\n", "a\nB\n"},
		{"other lines", "a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n"},
		{"neighbouring lines", "a\nb\n", "A\nb\n", "a\nB\n", "A\nB\n"},
		{"alike", "a\nb\nc\n", "a\nx\nc\n", "a\nx\nc\n", "a\nx\nc\n"},
		{"the same line", "a\nb\nc\n", "a\nx\nc\n", "a\ny\nc\n", "a\n" + conflict("x\n", "b\n", "y\n") + "c\n"},
		{"insertions at one place", "a\nb\n", "a\nx\nb\n", "a\ny\nb\n", "a\n" + conflict("x\n", "", "y\n") + "b\n"},
		{"insertion after a change", "a\nb\n", "A\nb\n", "a\nx\nb\n", conflict("A\n", "a\n", "a\nx\n") + "b\n"},
		{"deletion of a changed line", "a\nb\nc\n", "a\nc\n", "a\nB\nc\n", "a\n" + conflict("", "b\n", "B\n") + "c\n"},
		{"an overlap on both sides", numbered(1, 6), "1\nx\n4\n5\n6\n", "1\n2\ny\n5\n6\n", "1\n" + conflict("x\n4\n", "2\n3\n4\n", "2\ny\n") + "5\n6\n"},
		{"no line break at the end", "a", "b", "c", conflict("b\n", "a\n", "c\n")},
		{"line break added", "a\nb", "A\nb", "a\nb\n", "A\nb\n"},
		{"everything deleted", "a\n", "", "a\n", ""},
	} {
		got, conflicts := Merge(test.base, test.ours, test.theirs, sides)
		if got != test.want || conflicts != strings.Count(test.want, "|||||||") {
			t.Errorf("%s: %d conflicts\n%s\nwant\n%s", test.name, conflicts, got, test.want)
		}
		line := 0
		if before, _, found := strings.Cut(test.want, "<<<<<<< "); found {
			line = strings.Count(before, "\n") + 1
		}
		if n := Unresolved(got, sides); n != line {
			t.Errorf("%s: unresolved at line %d, want %d", test.name, n, line)
		}
	}
}

// FuzzMerge wants a change merged with none, or with itself, to be that change, and each side to have
// its turn.
func FuzzMerge(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nx\nc\n", "a\nb\ny\n")
	f.Add("", "a", "b\n")
	f.Add(numbered(1, 20), strings.ReplaceAll(numbered(1, 20), "3\n", ""), strings.ReplaceAll(numbered(1, 20), "5\n", "x\nx\n"))
	f.Fuzz(func(t *testing.T, base, ours, theirs string) {
		for _, test := range [][3]string{{ours, base, ours}, {base, ours, ours}, {ours, ours, ours}} {
			if got, n := Merge(base, test[0], test[1], sides); got != test[2] || n != 0 {
				t.Fatalf("%q with %q and %q: %q", base, test[0], test[1], got)
			}
		}
		one, n := Merge(base, ours, theirs, sides)
		other, m := Merge(base, theirs, ours, sides)
		if n != m || n == 0 && one != other {
			t.Fatalf("%q: %q with %q is %q, the other way %q", base, ours, theirs, one, other)
		}
	})
}
