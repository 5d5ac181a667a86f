package snapshot

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/treediff"
	"github.com/zkctl/zkctl/internal/ui"
)

// untimed removes the lines with durations.
func untimed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, " seconds\n") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestCompareAsApache(t *testing.T) {
	const dir = "testdata/version-2/snapshot."
	small := []string{"compare", "-l", dir + "36", "-r", dir + "71", "-b", "2", "-n", "1"}
	for name, c := range map[string]struct {
		args []string
		in   string
	}{
		"compare.36.71.b2.n1":             {args: small},
		"compare.f5.77.b0.n0":             {args: []string{"compare", "--left", dir + "f5.snappy", "--right", dir + "77.gz", "--bytes", "0", "--nodes", "0"}},
		"compare.36.71.b2.n1.debug":       {args: append(small[:len(small):len(small)], "-d")},
		"compare.36.71.b2.n1.interactive": {args: append(small[:len(small):len(small)], "-i"), in: read(t, "testdata/expected/compare.36.71.b2.n1.interactive.in")},
	} {
		t.Run(name, func(t *testing.T) {
			a := runWith(t, &ui.Streams{In: strings.NewReader(c.in)}, c.args...)
			want := read(t, "testdata/expected", name+".txt")
			if a.code != 0 || untimed(a.out) != untimed(want) || strings.Count(a.out, " seconds\n") != 4 {
				t.Errorf("exit code %d, stderr %q; got\n%s\nwant\n%s", a.code, a.err, a.out, want)
			}
		})
	}
}

func TestCompareDamaged(t *testing.T) {
	a := run(t, "compare", "-l", "testdata/version-2/snapshot.36", "-r", "testdata/damaged/snapshot.truncated", "-b", "0", "-n", "0")
	if a.code != 1 || !strings.Contains(a.err, "byte 5275") || strings.Contains(a.out, "Analysis") {
		t.Errorf("%+v", a)
	}
	// A wrong checksum does not prevent the comparison.
	a = run(t, "compare", "-l", "testdata/version-2/snapshot.71", "-r", "testdata/damaged/snapshot.bit-flip", "-b", "0", "-n", "0")
	if a.code != 1 || !strings.Contains(a.err, "checksum") || !strings.Contains(a.out, "All layers compared.") {
		t.Errorf("%+v", a)
	}
}

func TestCompareJava(t *testing.T) {
	sorted := []string{"", "/", "/a", "/a-b", "/a/b", "/ab", "/z", "/é", "/中", "/😀", "/\uE000", "/\uFFFD"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := compareJava(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compare %q with %q: %d", a, b, got)
			}
		}
	}
}

func TestDiff(t *testing.T) {
	const dir = "testdata/version-2/snapshot."
	if a := run(t, "diff", dir+"36", dir+"36"); a != (answer{}) {
		t.Errorf("the same file: %+v", a)
	}
	a := run(t, "diff", "--values", "--path", "/app", dir+"36", dir+"71")
	if a.code != 1 || a.err != "" {
		t.Errorf("%d %s", a.code, a.err)
	}
	for _, want := range []string{
		"- /app/bulk-002\n", "- /app/eph\n",
	} {
		if !strings.Contains(a.out, want) {
			t.Errorf("%q is missing in\n%s", want, a.out)
		}
	}
	a = run(t, "diff", "-o", "json", dir+"36", dir+"71")
	counts := map[string]int{}
	for line := range strings.Lines(a.out) {
		var d treediff.Difference
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(line, err)
		}
		counts[d.Change]++
		if (d.Old != nil) != (d.Change != "added") || (d.New != nil) != (d.Change != "removed") || (d.Fields != nil) != (d.Change == "changed") {
			t.Error(line)
		}
	}
	text := run(t, "diff", dir+"36", dir+"71").out
	for change, sign := range map[string]string{"added": "+", "removed": "-", "changed": "~"} {
		if got := strings.Count("\n"+text, "\n"+sign+" /"); got != counts[change] || got == 0 {
			t.Errorf("%s: %d in text, %d in JSON", change, got, counts[change])
		}
	}
	// 51 znodes became 53.
	if counts["added"]-counts["removed"] != 2 {
		t.Error(counts)
	}
	if a := run(t, "diff", dir+"36", "testdata/damaged/snapshot.truncated"); a.code != 2 || a.err == "" {
		t.Errorf("%+v", a)
	}
}

func TestSummaryAsApache(t *testing.T) {
	for name, args := range map[string][]string{
		"snapshot.71.summary.0":         {"testdata/version-2/snapshot.71", "/", "0"},
		"snapshot.71.summary.1":         {"testdata/version-2/snapshot.71", "/", "1"},
		"snapshot.102.snappy.summary.2": {"testdata/version-2/snapshot.102.snappy", "/zookeeper", "2"},
	} {
		got := mustRun(t, append([]string{"summary"}, args...)...)
		if want := read(t, "testdata/expected", name+".txt"); got != want {
			t.Errorf("%s: got\n%swant\n%s", name, got, want)
		}
	}
}

func TestSummaryTop(t *testing.T) {
	got := mustRun(t, "summary", "--top", "2", "-o", "json", "testdata/version-2/snapshot.71")
	want := `{"by":"bytes","rank":1,"path":"/app","bytes":2878,"znodes":32}
{"by":"bytes","rank":2,"path":"/app/bulk-039","bytes":273,"znodes":1}
{"by":"znodes","rank":1,"path":"/app","bytes":2878,"znodes":32}
{"by":"znodes","rank":2,"path":"/deep","bytes":14,"znodes":12}
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if text := mustRun(t, "summary", "--top", "2", "testdata/version-2/snapshot.71", "/app"); !strings.Contains(text, "below /app by bytes") {
		t.Error(text)
	}
}
