package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reserved are functions of dependencies that only one package may call. Tests may call what they like.
var reserved = []struct {
	pkg     string
	names   []string
	by      string
	instead string
}{
	// They escape <, > and & for HTML pages.
	{"encoding/json", []string{"Marshal", "MarshalIndent", "NewEncoder"}, "internal/escape", "escape.MarshalJSON or ui.PrintJSON"},
	// A terminal shows their sequences as text: they could come from outside.
	{"github.com/fatih/color", []string{"New", "Set"}, "internal/ui", "Streams.Paint"},
}

// TestReservedFunctions holds that what must be done in one way is done by the package that knows how.
func TestReservedFunctions(t *testing.T) {
	for dir, files := range sources(t) {
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range reserved {
				if dir == r.by {
					continue
				}
				for _, name := range called(parsed, r.pkg, r.names) {
					t.Errorf("%s calls %s.%s; use %s", path.Join(dir, file), path.Base(r.pkg), name, r.instead)
				}
			}
		}
	}
}

func called(f *ast.File, pkg string, names []string) (found []string) {
	if !slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"`+pkg+`"` }) {
		return nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(names, s.Sel.Name) {
			if from, ok := s.X.(*ast.Ident); ok && from.Name == path.Base(pkg) {
				found = append(found, s.Sel.Name)
			}
		}
		return true
	})
	return found
}

func TestCallsAreFound(t *testing.T) {
	for source, want := range map[string]string{
		`import "encoding/json"; var _, _ = json.Marshal(1)`:      "Marshal",
		`import "encoding/json"; var _ = json.NewEncoder(nil)`:    "NewEncoder",
		`import "encoding/json"; var _ = json.Unmarshal`:          "",
		`import "github.com/other/json"; var _ = json.Marshal`:    "",
		`import "encoding/json"; type T struct{ json.Marshaler }`: "",
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "a.go", "package a; "+source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(called(f, "encoding/json", reserved[0].names), " "); got != want {
			t.Errorf("%s: found %q, want %q", source, got, want)
		}
	}
}

// TestNothingCompilesAtStart: a regular expression that a package compiles when it is initialised slows each start of
// the program, whether it is used or not.
func TestNothingCompilesAtStart(t *testing.T) {
	for dir, files := range sources(t) {
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(dir, "test") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(called(atStart(parsed), "regexp", []string{"MustCompile", "Compile"})) > 0 {
				t.Errorf("%s compiles a regular expression at each start; use lazyre.New", path.Join(dir, file))
			}
		}
	}
}

// atStart is a file without its functions.
func atStart(f *ast.File) *ast.File {
	f.Decls = slices.DeleteFunc(f.Decls, func(d ast.Decl) bool { _, ok := d.(*ast.FuncDecl); return ok })
	return f
}
