package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// sources returns the Go files of the module by folder.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, other := os.Stat(filepath.Join(file, "go.mod"))
			if name := entry.Name(); name == "testdata" || name == "bin" || name == "dist" || name == ".git" || other == nil && file != root {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(file, ".go") {
			rel, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			dir, name := path.Split(filepath.ToSlash(rel))
			dir = strings.TrimSuffix(dir, "/")
			found[dir] = append(found[dir], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	fileName = regexp.MustCompile(`[a-z0-9_*/]+\.go\b`)
	mapRow   = regexp.MustCompile(`^\t[a-z0-9_*]+\.go\b`)
	platform = regexp.MustCompile(`_(linux|darwin|unix|windows|other|amd64)\.go$`)
)

// fileFaults compares a package's doc with its files. A doc with two or more rows that start with a
// file name is a map, and must list all files.
func fileFaults(doc string, files []string) (faults []string) {
	var named []string
	rows := 0
	for line := range strings.SplitSeq(doc, "\n") {
		named = append(named, fileName.FindAllString(line, -1)...)
		if mapRow.MatchString(line) {
			rows++
		}
	}
	covers := func(pattern, file string) bool {
		ok, _ := path.Match(pattern, file)
		return ok || pattern == platform.ReplaceAllString(file, ".go")
	}
	for _, pattern := range named {
		if strings.Contains(pattern, "/") { // of another package
			if _, err := os.Stat(filepath.Join(root, pattern)); err != nil {
				faults = append(faults, "names "+pattern+", which is not there")
			}
			continue
		}
		if !slices.ContainsFunc(files, func(file string) bool { return covers(pattern, file) }) {
			faults = append(faults, "names "+pattern+", which is not there")
		}
	}
	for _, file := range files {
		if rows < 2 || file == "doc.go" || strings.HasSuffix(file, "_test.go") {
			continue
		}
		if !slices.ContainsFunc(named, func(pattern string) bool { return covers(pattern, file) }) {
			faults = append(faults, "leaves out "+file)
		}
	}
	return faults
}

func TestMapsOfFiles(t *testing.T) {
	maps := 0
	for dir, files := range sources(t) {
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Doc == nil || strings.HasSuffix(file, "_test.go") {
				continue
			}
			if mapRow.MatchString(strings.Join(regexp.MustCompile(`(?m)^\t.*`).FindAllString(parsed.Doc.Text(), -1), "\n")) {
				maps++
			}
			for _, fault := range fileFaults(parsed.Doc.Text(), files) {
				t.Errorf("the package doc in %s/%s %s", dir, file, fault)
			}
		}
	}
	if maps < 5 {
		t.Errorf("found only %d docs with a map of files", maps)
	}
}

// folderFaults compares the map in CONTRIBUTING.md with the folders of packages. An indented row is
// below the last unindented one.
func folderFaults(text string, packages []string, exists func(dir string) bool) (faults []string) {
	_, text, _ = strings.Cut(text, "\n## Source map\n")
	_, text, _ = strings.Cut(text, "```\n")
	text, _, _ = strings.Cut(text, "```")
	var listed []string
	above := ""
	for row := range strings.Lines(text) {
		name, _, _ := strings.Cut(strings.TrimSpace(row), " ")
		dir, ok := strings.CutSuffix(name, "/")
		if !ok {
			continue
		}
		if row[0] == ' ' {
			dir = above + "/" + dir
		} else {
			above = dir
		}
		listed = append(listed, dir)
		if !exists(dir) {
			faults = append(faults, "names "+dir+", which is not there")
		}
	}
	for _, dir := range packages {
		if !slices.Contains(listed, dir) {
			faults = append(faults, "leaves out "+dir)
		}
	}
	return faults
}

func TestMapOfFolders(t *testing.T) {
	text, err := os.ReadFile(root + "/CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	var packages []string
	for dir := range sources(t) {
		packages = append(packages, dir)
	}
	slices.Sort(packages)
	for _, fault := range folderFaults(string(text), packages, func(dir string) bool {
		info, err := os.Stat(filepath.Join(root, dir))
		return err == nil && info.IsDir()
	}) {
		t.Error("the map in CONTRIBUTING.md " + fault)
	}
}

func TestFaultsOfMapsAreFound(t *testing.T) {
	doc := "Package x reads internal/archtest/maps_test.go.\n\n\ta.go     one\n\tb*.go    two; c.go three\n"
	for name, test := range map[string]struct {
		files []string
		want  string
	}{
		"all are there":   {[]string{"doc.go", "a.go", "b_linux.go", "bb.go", "c.go", "x_test.go"}, ""},
		"by platform":     {[]string{"a_unix.go", "a_other.go", "b.go", "c.go"}, ""},
		"a file missing":  {[]string{"a.go", "b.go"}, "names c.go, which is not there"},
		"another package": {[]string{"a.go", "b.go", "c.go"}, ""},
		"a row missing":   {[]string{"a.go", "b.go", "c.go", "d.go"}, "leaves out d.go"},
	} {
		if got := strings.Join(fileFaults(doc, test.files), "; "); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	text := "\n## Source map\n\n```\ncmd/   one\n  sub/ two\ninternal/a/ three\n```\n"
	got := folderFaults(text, []string{"cmd", "internal/a", "internal/b"}, func(dir string) bool { return dir != "cmd/sub" })
	if want := "names cmd/sub, which is not there; leaves out internal/b"; strings.Join(got, "; ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
