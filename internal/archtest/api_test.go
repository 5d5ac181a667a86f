package archtest

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// public lists the packages under semantic versioning.
var public = []string{"localserver", "localserver/apache"}

// TestPublicAPI: every exported name has a doc comment, and mentions no type that users cannot name.
func TestPublicAPI(t *testing.T) {
	readSources(t)
	for _, path := range public {
		files := token.NewFileSet()
		names, err := filepath.Glob("../../" + path + "/*.go")
		if err != nil || len(names) == 0 {
			t.Fatal(path, err)
		}
		var list []*ast.File
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_other.go") {
				continue // the other of two equal ones
			}
			f, err := parser.ParseFile(files, name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, f)
		}
		for _, fault := range apiFaults(files, list, path) {
			t.Error(fault)
		}
	}
}

// TestLocalserverLinksLittle: a test with an embedded server does not link what it does not use.
func TestLocalserverLinksLittle(t *testing.T) {
	readSources(t)
	for _, linked := range dependencies(t, "./localserver") {
		for _, unwanted := range []string{"testing", "github.com/spf13/cobra", "github.com/things-go/go-socks5", module + "/internal/apache", module + "/internal/ui"} {
			if linked == unwanted {
				t.Errorf("localserver links %s", linked)
			}
		}
	}
}

// apiFaults returns a sentence for each exported name without a comment, or with a type that users
// of the package cannot name.
func apiFaults(files *token.FileSet, list []*ast.File, path string) (found []string) {
	hidden := map[string]bool{}
	for _, f := range list {
		ast.Inspect(f, func(n ast.Node) bool {
			if typ, ok := n.(*ast.TypeSpec); ok && !typ.Name.IsExported() {
				hidden[typ.Name.Name] = true
			}
			return true
		})
	}
	d, err := doc.NewFromFiles(files, list, module+"/"+path)
	if err != nil {
		return []string{err.Error()}
	}
	say := func(name, what string) { found = append(found, path+"."+name+" "+what) }
	imports := map[string]string{} // by the name in a file
	for _, f := range list {
		for _, spec := range f.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			name := imported[strings.LastIndexByte(imported, '/')+1:]
			if spec.Name != nil {
				name = spec.Name.Name
			}
			imports[name] = imported
		}
	}
	signature := func(name string, node ast.Node) {
		ast.Inspect(node, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BlockStmt, *ast.CompositeLit, *ast.CallExpr:
				return false
			case *ast.Field:
				if len(n.Names) > 0 && !slices.ContainsFunc(n.Names, func(id *ast.Ident) bool { return id.IsExported() }) && !isParameter(node, n) {
					return false // a field that nobody else sees
				}
			case *ast.SelectorExpr:
				if from, ok := n.X.(*ast.Ident); ok && strings.HasPrefix(imports[from.Name], module+"/") {
					say(name, "mentions "+from.Name+"."+n.Sel.Name)
				}
			case *ast.Ident:
				if hidden[n.Name] {
					say(name, "mentions "+n.Name+", which is not exported")
				}
			}
			return true
		})
	}
	function := func(prefix string, f *doc.Func) {
		name := prefix + f.Name
		if f.Doc == "" && f.Name != "Error" {
			say(name, "has no doc comment")
		}
		signature(name, f.Decl.Type)
	}
	values := func(list []*doc.Value) {
		for _, v := range list {
			if v.Doc == "" && len(v.Names) > 0 {
				say(v.Names[0], "has no doc comment")
			}
			for _, spec := range v.Decl.Specs {
				if s, ok := spec.(*ast.ValueSpec); ok && s.Type != nil {
					signature(s.Names[0].Name, s.Type)
				}
			}
		}
	}
	if d.Doc == "" {
		say("", "has no doc comment")
	}
	values(d.Consts)
	values(d.Vars)
	for _, f := range d.Funcs {
		function("", f)
	}
	for _, typ := range d.Types {
		if typ.Doc == "" {
			say(typ.Name, "has no doc comment")
		}
		for _, spec := range typ.Decl.Specs {
			signature(typ.Name, spec.(*ast.TypeSpec).Type)
		}
		values(typ.Consts)
		values(typ.Vars)
		for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
			function(typ.Name+".", f)
		}
	}
	return found
}

// isParameter reports whether a field is one of a function's parameters or results.
func isParameter(node ast.Node, field *ast.Field) (is bool) {
	ast.Inspect(node, func(n ast.Node) bool {
		if f, ok := n.(*ast.FuncType); ok {
			is = is || slices.Contains(f.Params.List, field) || f.Results != nil && slices.Contains(f.Results.List, field)
		}
		return true
	})
	return is
}

func TestAPIFaultsAreFound(t *testing.T) {
	const code = `// Package p is one.
package p

import "` + module + `/internal/proto"

// A is one.
type A struct {
	B proto.Op
	c proto.Op
}

func Bare(x int) {}

// Leak leaks.
func Leak() *hidden { return nil }

// Fine is.
func (a *A) Fine(x map[string]int) (err error) { var o proto.Op; _ = o; return nil }

// Take takes.
func (a *A) Take(op []proto.Op) {}

type hidden struct{}
`
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "p.go", code, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	got := apiFaults(files, []*ast.File{f}, "p")
	want := []string{"p.A mentions proto.Op", "p.A.Take mentions proto.Op", "p.Bare has no doc comment", "p.Leak mentions hidden, which is not exported"}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
