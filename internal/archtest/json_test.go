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

// writersOfJSON are the functions of encoding/json that escape <, > and & for HTML pages.
var writersOfJSON = []string{"Marshal", "MarshalIndent", "NewEncoder"}

// TestJSONIsWrittenByEscape: zkctl prints JSON without HTML's escapes, which internal/escape sees to. Tests may write what they like.
func TestJSONIsWrittenByEscape(t *testing.T) {
	for dir, files := range sources(t) {
		if dir == "internal/escape" {
			continue
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range jsonWritten(parsed) {
				t.Errorf("%s calls json.%s; use escape.MarshalJSON or ui.PrintJSON", path.Join(dir, file), name)
			}
		}
	}
}

func jsonWritten(f *ast.File) (names []string) {
	if !slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"encoding/json"` }) {
		return nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(writersOfJSON, s.Sel.Name) {
			if from, ok := s.X.(*ast.Ident); ok && from.Name == "json" {
				names = append(names, s.Sel.Name)
			}
		}
		return true
	})
	return names
}

func TestWrittenJSONIsFound(t *testing.T) {
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
		if got := strings.Join(jsonWritten(f), " "); got != want {
			t.Errorf("%s: found %q, want %q", source, got, want)
		}
	}
}
