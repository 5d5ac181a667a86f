package ztree

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// million builds a tree of a million znodes, a thousand below each of a thousand.
func million(restore bool) *Tree {
	t := New()
	if restore {
		t = NewEmpty()
		_ = t.Restore("", nil, openACL, proto.StatPersisted{})
	}
	data := make([]byte, 100)
	zxid := int64(0)
	add := func(path string) {
		zxid++
		if restore {
			_ = t.Restore(path, data, openACL, proto.StatPersisted{Czxid: zxid, Mzxid: zxid, Pzxid: zxid})
			return
		}
		t.Apply(&proto.TxnHeader{Zxid: zxid, Time: zxid, Type: proto.OpCreate},
			&proto.CreateTxn{Path: path, Data: data, ACL: proto.OpenACL, ParentCVersion: -1})
	}
	for i := range 1000 {
		top := fmt.Sprintf("/service-%03d", i)
		add(top)
		for j := range 999 {
			add(fmt.Sprintf("%s/member-%010d", top, j))
		}
	}
	return t
}

func BenchmarkMillion(b *testing.B) {
	for name, restore := range map[string]bool{"apply": false, "restore": true} {
		b.Run(name, func(b *testing.B) {
			var before, after runtime.MemStats
			for b.Loop() {
				runtime.GC()
				runtime.ReadMemStats(&before)
				t := million(restore)
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(t.Len()), "B/znode")
				runtime.KeepAlive(t)
			}
		})
	}
	t := million(true)
	b.Run("digest at once", func(b *testing.B) {
		for b.Loop() {
			t.digest = digest{}
			t.root.under(func(n *Node) { n.bits &^= counted | waiting })
			t.Digest()
		}
	})
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			for range t.All() {
			}
		}
	})
}

// BenchmarkApply changes a znode and asks for the digest, as a verified replay does.
func BenchmarkApply(b *testing.B) {
	t := New()
	for i := range 100 {
		do(t, int64(i+1), proto.OpCreate, create(fmt.Sprintf("/n%d", i), "", -1))
	}
	h := &proto.TxnHeader{Type: proto.OpSetData}
	body := &proto.SetDataTxn{Path: "/n42", Data: make([]byte, 100)}
	for name, ask := range map[string]bool{"plain": false, "with digest": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.Zxid++
				t.Apply(h, body)
				if ask {
					t.Digest()
				}
			}
		})
	}
}

// BenchmarkLarge serves from a tree of a million znodes and asks for the digest after each
// transaction, as a leader does.
func BenchmarkLarge(b *testing.B) {
	t := million(false)
	t.Digest()
	runtime.GC()
	zxid := t.LastZxid()
	data := make([]byte, 100)
	path := func(i int) string { return fmt.Sprintf("/service-%03d/member-%010d", i*7919%1000, i*104729%999) }
	apply := func(op proto.Op, body jute.Record) {
		zxid++
		if r := t.Apply(&proto.TxnHeader{Zxid: zxid, Time: zxid, Type: op}, body); r.Err != 0 {
			b.Fatal(r)
		}
		t.Digest()
	}
	i := 0
	for name, do := range map[string]func(){
		"get":  func() { t.Get(path(i)) },
		"stat": func() { t.Stat(path(i)) },
		"set":  func() { apply(proto.OpSetData, &proto.SetDataTxn{Path: path(i), Data: data}) },
		"create and delete": func() {
			name := path(i) + "x"
			apply(proto.OpCreate2, &proto.CreateTxn{Path: name, Data: data, ACL: proto.OpenACL, ParentCVersion: int32(zxid)})
			apply(proto.OpDelete, &proto.DeleteTxn{Path: name})
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i++
				do()
			}
		})
	}
}
