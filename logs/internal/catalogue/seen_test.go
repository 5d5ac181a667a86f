package catalogue

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write into the phrases which of them testdata/seen has")

// TestSeen holds the marks seen against the messages in testdata/seen, a file for each version. They were logged by
// that version; host names and addresses are replaced.
func TestSeen(t *testing.T) {
	c := Load()
	names, err := filepath.Glob("testdata/seen/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatal(err, names)
	}
	versions := map[string][]string{} // by phrase
	for _, name := range names {
		version := strings.TrimSuffix(filepath.Base(name), ".txt")
		if i := strings.LastIndexByte(version, '-'); i >= 0 {
			version = version[:i] + " " + version[i+1:]
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			var m Match
			if !c.Match([]byte(line), &m) {
				t.Errorf("%s: not recognised: %s", name, line)
				continue
			}
			if all := versions[m.Phrase.Name]; !slices.Contains(all, version) {
				versions[m.Phrase.Name] = append(all, version)
			}
		}
	}
	if *update {
		writeSeen(t, versions)
		return
	}
	seen := 0
	for _, p := range c.Phrases {
		want := strings.Join(versions[p.Name], ", ")
		if p.Seen != want {
			t.Errorf("%s: seen: %q, but testdata/seen has it of %q (go test ./logs/internal/catalogue -run TestSeen -update corrects that)", p.Name, p.Seen, want)
		}
		if want != "" {
			seen++
		}
	}
	t.Logf("%d of %d phrases are seen", seen, len(c.Phrases))
}

func writeSeen(t *testing.T, versions map[string][]string) {
	names, err := filepath.Glob("phrases/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		phrase := ""
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "seen: ") {
				continue
			}
			b.WriteString(line)
			if strings.HasPrefix(line, "[") {
				phrase = strings.Trim(line, "[]\n")
			}
			if all := versions[phrase]; strings.HasPrefix(line, "source: ") && len(all) > 0 {
				b.WriteString("seen: " + strings.Join(all, ", ") + "\n")
			}
		}
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
