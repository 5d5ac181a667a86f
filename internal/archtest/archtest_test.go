// Package archtest tests the structure of the source: imports run downwards only (CONTRIBUTING.md
// has the map).
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/zkctl/zkctl"

// rooms maps each room to the other rooms that it may import.
var rooms = map[string][]string{
	"cmd":          {"shell", "commands", "completions", "logformatter", "snapshot", "localserver", "local", "ensemble", "logs", "report", "certs", "check", "transfer", "bench"},
	"bench":        nil,
	"certs":        nil,
	"check":        nil,
	"transfer":     nil,
	"shell":        {"commands", "completions"},
	"completions":  nil,
	"commands":     nil,
	"ensemble":     nil,
	"logformatter": nil,
	"logs":         nil,
	"report":       nil,
	"snapshot":     nil,
	"localserver":  nil,
	"local":        {"localserver"},
}

// solely maps a dependency to the one package that may import it.
var solely = map[string]string{
	"github.com/c-bata/go-prompt": "shell",
}

type listedPackage struct {
	ImportPath   string
	Imports      []string // of the package itself; its tests may import more
	TestImports  []string
	XTestImports []string
}

func TestImportsRunDownwards(t *testing.T) {
	readSources(t)
	// Files behind build constraints count too.
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, fault := range faults(list(t, goos)) {
			t.Errorf("%s: %s", goos, fault)
		}
	}
}

// readSources visits every source folder, because the test cache does not know what "go list"
// reads: otherwise an old PASS would be reported again.
func readSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "testdata" || name == "bin" || name == "dist" || name == ".git") {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// faults returns a sentence for each import that the house rules forbid.
func faults(packages []listedPackage) (found []string) {
	for _, p := range packages {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		room, _, _ := strings.Cut(from, "/")
		if _, known := rooms[room]; !known && room != "internal" {
			found = append(found, from+" is in no room: add it to the map in CONTRIBUTING.md and in archtest")
		}
		for _, imported := range p.Imports {
			for dependency, only := range solely {
				if (imported == dependency || strings.HasPrefix(imported, dependency+"/")) && from != only {
					found = append(found, from+" imports "+imported+", which only "+only+" may")
				}
			}
			to, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			target, _, _ := strings.Cut(to, "/")
			switch {
			case target == room || target == "internal":
			case room == "internal":
				found = append(found, from+" imports the room "+to+"; internal imports no room")
			case !slices.Contains(rooms[room], target):
				found = append(found, from+" imports "+to+"; "+room+" may not import "+target)
			}
		}
	}
	return found
}

// TestDependenciesHaveAReason compares docs/dependencies.md with what is imported, even by tests.
func TestDependenciesHaveAReason(t *testing.T) {
	readSources(t)
	text, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, row[1])
	}
	missing := map[string]string{}
	for _, p := range list(t, "linux") {
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			host, _, _ := strings.Cut(imported, "/")
			if !strings.Contains(host, ".") || strings.HasPrefix(imported, module+"/") {
				continue
			}
			known := func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") }
			if !slices.ContainsFunc(listed, known) {
				missing[imported] = p.ImportPath
			}
		}
	}
	for imported, by := range missing {
		t.Errorf("docs/dependencies.md has no reason for %s, which %s imports", imported, by)
	}
}

func TestFaultsAreFound(t *testing.T) {
	for name, test := range map[string]struct {
		from, imports string
		want          string // "" for an import that is allowed
	}{
		"a room its floor":         {"commands", module + "/internal/client", ""},
		"shell commands":           {"shell", module + "/commands", ""},
		"a room what a command is": {"snapshot", module + "/internal/command", ""},
		"inside a room":            {"localserver", module + "/localserver/internal/zab", ""},
		"main the tree":            {"cmd/zkctl", module + "/cmd", ""},
		"commands shell":           {"commands", module + "/shell", "commands may not import shell"},
		"internal room":            {"internal/ui", module + "/commands", "internal imports no room"},
		"innards of a neighbour":   {"snapshot", module + "/localserver/internal/replica", "snapshot may not import localserver"},
		"the line editor":          {"completions", "github.com/c-bata/go-prompt", "which only shell may"},
		"the shell's line editor":  {"shell", "github.com/c-bata/go-prompt", ""},
		"an unknown room":          {"util", "fmt", "is in no room"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(faults([]listedPackage{{ImportPath: module + "/" + test.from, Imports: []string{test.imports}}}), "; ")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func list(t *testing.T, goos string) (packages []listedPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listedPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
