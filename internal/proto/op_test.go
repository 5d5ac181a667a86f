package proto

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
)

// declared are the constants of type Op in the source, by name.
func declared(t *testing.T) (names []string) {
	file, err := parser.ParseFile(token.NewFileSet(), "op.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Op" {
				names = append(names, spec.Names[0].Name)
			}
		}
		return true
	})
	return names
}

func TestEachOperationHasItsRow(t *testing.T) {
	names := declared(t)
	if len(names) < 30 {
		t.Fatalf("found only the constants %v", names)
	}
	var rows []string
	for _, op := range Ops() {
		name := op.String()
		rows = append(rows, "Op"+strings.ToUpper(name[:1])+name[1:])
	}
	if want := strings.Replace(strings.Join(names, " "), "OpSASL", "OpSasl", 1); strings.Join(rows, " ") != want {
		t.Errorf("the rows are  %s\nthe constants %s", strings.Join(rows, " "), want)
	}
}

// firstString is the first field if it is a string.
func firstString(r jute.Record) (*string, bool) {
	v := reflect.ValueOf(r).Elem()
	if v.NumField() == 0 {
		return nil, false
	}
	s, ok := v.Field(0).Addr().Interface().(*string)
	return s, ok
}

func TestFactsAboutOperations(t *testing.T) {
	for _, op := range Ops() {
		t.Run(op.String(), func(t *testing.T) {
			if since := op.Since(); !op.Known() || since < "3.4" || since > "3.9" {
				t.Errorf("known: %v, since %q", op.Known(), since)
			}
			body, err := NewTxnBody(op)
			for _, r := range []jute.Record{op.NewRequest(), op.NewReply(), body} {
				if r == nil {
					continue
				}
				path, begins := firstString(r)
				switch p, pathed := r.(Pathed); {
				case pathed && (!begins || p.ZnodePath() != path):
					t.Errorf("ZnodePath of %T is not its first field", r)
				case begins && !pathed && reflect.TypeOf(r).Elem().Field(0).Name == "Path" && !strings.HasSuffix(reflect.TypeOf(r).Elem().Name(), "Response"):
					t.Errorf("%T begins with a path and has no ZnodePath", r)
				}
			}
			logged := err == nil
			if logged != slices.Contains(TxnTypes(), op) {
				t.Errorf("a body of a transaction: %v; among the types of transactions: %v", err, !logged)
			}
			_, pathed := body.(Pathed)
			if op.HasPath() != pathed {
				t.Errorf("HasPath is %v, the body is %T", op.HasPath(), body)
			}
			if op.Writes() && !logged {
				t.Error("it writes, and there is no transaction of it")
			}
			if op.Reads() && (logged || op.Event() != 0) {
				t.Error("it reads, and there is a transaction of it")
			}
			if op.Creates() != strings.HasPrefix(op.String(), "create") && op != OpCreateSession {
				t.Errorf("Creates is %v", op.Creates())
			}
			if op.Event() != 0 && !op.HasPath() {
				t.Error("an event of no znode")
			}
			if op.PartOfTxn() && !logged {
				t.Error("a part of a multi's transaction without a body")
			}
			if r, err := newPart(op); err == nil && reflect.TypeOf(r) != reflect.TypeOf(op.NewRequest()) {
				t.Errorf("as a part of a multi its request is %T", r)
			}
		})
	}
	for _, op := range []Op{lowest - 1, highest + 1, 10, 99, -2, 1<<31 - 1, -1 << 31} {
		if op.Known() || op.Requested() || op.Writes() || op.Reads() || op.HasPath() || op.PartOfTxn() || op.Event() != 0 ||
			op.NewRequest() != nil || op.NewReply() != nil || op.Since() != "3.4" || !strings.HasPrefix(op.String(), "op ") {
			t.Errorf("there is no operation %d, and something is known about it", int32(op))
		}
		var bodies TxnBodies
		if _, err := bodies.body(op); err == nil {
			t.Errorf("there is no transaction of type %d, and a body for it", int32(op))
		}
	}
}

// A client decodes a part's result from the same record as the reply to the operation on its own.
func TestResultOfAPartIsItsReply(t *testing.T) {
	for _, op := range Ops() {
		if _, err := newPart(op); err != nil && op != OpError {
			continue
		}
		reply := op.NewReply()
		want := []byte(nil)
		if reply != nil {
			want = jute.Marshal(reply)
		}
		result := MultiResult{Type: op}
		e := jute.NewEncoder(nil)
		if result.visitBody(e); string(e.Bytes()) != string(want) {
			t.Errorf("%v: %x, want %x", op, e.Bytes(), want)
		}
	}
}

func TestBodiesAreUsedAgain(t *testing.T) {
	var bodies TxnBodies
	for _, op := range TxnTypes() {
		first, err := bodies.body(op)
		again, _ := bodies.body(op)
		fresh, _ := NewTxnBody(op)
		if err != nil || first != again || reflect.TypeOf(first) != reflect.TypeOf(fresh) {
			t.Errorf("%v: %p %T, then %p; %v", op, first, first, again, err)
		}
	}
}
