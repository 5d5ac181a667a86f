package logformatter

import (
	"testing"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// BenchmarkForms formats one transaction in each form.
func BenchmarkForms(b *testing.B) {
	header := proto.TxnHeader{ClientID: 0x100000000000001, Cxid: 7, Zxid: 0x100000007, Time: 1_700_000_000_000}
	data := []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	for _, txn := range []struct {
		op   proto.Op
		body jute.Record
	}{
		{proto.OpCreate, &proto.CreateTxn{Path: "/bench/parent-001/node-0000001", Data: data, ACL: proto.OpenACL, ParentCVersion: 3}},
		{proto.OpSetData, &proto.SetDataTxn{Path: "/bench/parent-001/node-0000001", Data: data, Version: 3}},
		{proto.OpDelete, &proto.DeleteTxn{Path: "/bench/parent-001/node-0000001"}},
	} {
		header.Type = txn.op
		raw := jute.Marshal(&proto.TxnEntry{Header: header, Body: txn.body, Digest: &proto.TxnDigest{Version: 2, TreeDigest: 1 << 40}})
		for name, form := range map[string]formatter{
			"toolkit": &toolkitForm{}, "logFormatter": &logFormatterForm{}, "json": &jsonForm{data: escape.DataText, intact: true},
		} {
			b.Run(txn.op.String()+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				var dst []byte
				var err error
				for b.Loop() {
					if dst, err = form.append(dst[:0], raw); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
