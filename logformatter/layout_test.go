package logformatter

import (
	"reflect"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// The layouts have the fields of the records that internal/proto decodes, in their order.
func TestLayoutsMatchTheRecords(t *testing.T) {
	kinds := map[fieldKind]any{
		fieldPath: "", fieldData: []byte(nil), fieldACL: []proto.ACL(nil), fieldBool: false, fieldInt: int32(0),
		fieldLong: int64(0), fieldCVersion: int32(0), fieldError: proto.Error(0), fieldPaths: []string(nil), fieldParts: []proto.Txn(nil),
	}
	for _, op := range proto.Ops() {
		body, err := proto.NewTxnBody(op)
		if (err == nil) != (layout(op) != nil) {
			t.Errorf("%v: a transaction: %v, a layout: %v", op, err == nil, layout(op))
			continue
		}
		if err != nil {
			continue
		}
		record := reflect.TypeOf(body).Elem()
		if record.NumField() != len(layout(op)) {
			t.Errorf("%v: %d fields, %d in the layout", op, record.NumField(), len(layout(op)))
			continue
		}
		for i, f := range layout(op) {
			want := record.Field(i)
			if reflect.TypeOf(kinds[f.kind]) != want.Type {
				t.Errorf("%v: field %d is %s %v, in the layout kind %d", op, i, want.Name, want.Type, f.kind)
			}
			if name := strings.Trim(f.json, `,":`); name != "" && !strings.EqualFold(name, want.Name) {
				t.Errorf("%v: field %d is %s, in JSON %q", op, i, want.Name, name)
			}
		}
	}
	for _, op := range []proto.Op{firstType - 1, -2, 0, 22, 1 << 30, -1 << 31} {
		if layout(op) != nil {
			t.Errorf("there is no transaction of type %d, and a layout for it", int32(op))
		}
	}
}

// What happens to a znode is part of its history, whatever the transaction.
func TestEachTypeIsOfAHistory(t *testing.T) {
	for _, op := range proto.TxnTypes() {
		if !op.HasPath() {
			continue
		}
		body, _ := proto.NewTxnBody(op)
		*body.(proto.Pathed).ZnodePath() = "/a"
		changes := 0
		r := newReplay(znodePattern{pathPattern: pathPattern{text: "/a"}}, func(*change) error { changes++; return nil })
		if err := r.part(change{}, op, body); err != nil || changes != 1 {
			t.Errorf("%v: %d changes, %v", op, changes, err)
		}
	}
}
