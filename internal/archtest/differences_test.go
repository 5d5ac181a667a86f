package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// differsMark marks code that departs from Apache ZooKeeper on purpose.
	differsMark = regexp.MustCompile(`// Differs\(([a-z0-9-]+)\):`)
	// listedMark ends an item of the lists in docs/: the slug, and the test that pins it.
	listedMark = regexp.MustCompile(`<!-- ([a-z0-9-]+): (Test\w+) -->$`)
	testFunc   = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// TestDifferencesAreListed compares the lists of differences from Apache ZooKeeper in docs/ with
// the code: each item has a mark in the code, each mark an item, and each item names a test.
func TestDifferencesAreListed(t *testing.T) {
	readSources(t)
	marked, tests := marksAndTests(t)
	listed := map[string]bool{}
	for _, file := range []string{"../../docs/server.md", "../../docs/differences.md"} {
		for _, item := range differenceItems(t, file) {
			m := listedMark.FindStringSubmatch(item)
			if m == nil {
				t.Errorf("%s: this item does not end in <!-- slug: TestName -->:\n%s", file, item)
				continue
			}
			slug, test := m[1], m[2]
			if listed[slug] {
				t.Errorf("%s: %s is listed twice", file, slug)
			}
			listed[slug] = true
			if len(marked[slug]) == 0 {
				t.Errorf("%s: %s has no comment `// Differs(%s): …` in the code", file, slug, slug)
			}
			if !tests[test] {
				t.Errorf("%s: %s names %s, and no test has that name", file, slug, test)
			}
		}
	}
	for slug, files := range marked {
		if !listed[slug] {
			t.Errorf("%s marks a difference %q that neither docs/server.md nor docs/differences.md lists", strings.Join(files, ", "), slug)
		}
	}
}

// marksAndTests returns the files in which each difference is marked, and the names of all tests.
func marksAndTests(t *testing.T) (marked map[string][]string, tests map[string]bool) {
	t.Helper()
	marked, tests = map[string][]string{}, map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, "_test.go") {
			for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
				tests[m[1]] = true
			}
			return nil
		}
		for _, m := range differsMark.FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(marked[m[1]], path) {
				marked[m[1]] = append(marked[m[1]], path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return marked, tests
}

// differenceItems returns the items of the list in the file, each on one line.
func differenceItems(t *testing.T, file string) (items []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(text), "<!-- differences: begin -->\n")
	list, _, ended := strings.Cut(rest, "<!-- differences: end -->")
	if !begun || !ended {
		t.Fatalf("%s lacks <!-- differences: begin --> or <!-- differences: end -->", file)
	}
	for _, item := range strings.Split("\n"+list, "\n- ")[1:] {
		// A heading or an empty line ends an item.
		item, _, _ = strings.Cut(item, "\n\n")
		items = append(items, strings.Join(strings.Fields(item), " "))
	}
	return items
}
