package proto

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"slices"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
)

// every is one empty value of each record.
func every() []jute.Record {
	all := []jute.Record{
		&ID{}, &ACL{}, &Stat{}, &StatPersisted{}, &ClientInfo{},
		&ConnectRequest{}, &ConnectResponse{}, &RequestHeader{}, &ReplyHeader{}, &MultiHeader{},
		&FileHeader{}, &TxnHeader{}, &TxnDigest{}, &Txn{}, &TxnEntry{},
		&LearnerInfo{}, &QuorumPacket{}, &Notification{}, &InitialMessage{},
	}
	for _, op := range Ops() {
		body, _ := NewTxnBody(op)
		for _, r := range []jute.Record{op.NewRequest(), op.NewReply(), body} {
			if r != nil && !slices.ContainsFunc(all, func(known jute.Record) bool { return reflect.TypeOf(known) == reflect.TypeOf(r) }) {
				all = append(all, r)
			}
		}
	}
	return all
}

// fillIn sets every field to a value that is not its zero, so that a field which Visit
// forgets or swaps shows up as a difference.
func fillIn(v reflect.Value, n *int64) {
	*n++
	switch v.Kind() {
	case reflect.Int32, reflect.Int64:
		v.SetInt(*n)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(uint64(*n & 0xff))
	case reflect.String:
		v.SetString("/s" + string(rune('a'+*n%26)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillIn(v.Index(0), n)
		fillIn(v.Index(1), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fillIn(v.Field(i), n)
		}
	}
}

func TestEveryFieldSurvives(t *testing.T) {
	for _, r := range every() {
		switch r.(type) {
		case *MultiRequest, *MultiResponse, *TxnEntry, *MultiTxn:
			continue // their shape depends on a type field; tested below
		}
		v := reflect.ValueOf(r).Elem()
		t.Run(v.Type().Name(), func(t *testing.T) {
			var n int64
			fillIn(v, &n)
			wire := jute.Marshal(r)
			got := reflect.New(v.Type())
			if err := jute.Unmarshal(wire, got.Interface().(jute.Record)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Interface(), r) {
				t.Fatalf("sent %+v, got %+v", r, got.Interface())
			}
		})
	}
}

func TestSizes(t *testing.T) {
	if n := len(jute.Marshal(&Stat{})); n != StatSize {
		t.Errorf("Stat is %d bytes", n)
	}
	if n := len(jute.Marshal(&StatPersisted{})); n != StatPersistedSize {
		t.Errorf("StatPersisted is %d bytes", n)
	}
}

func TestOldForms(t *testing.T) {
	t.Run("connect reply without the read-only byte", func(t *testing.T) {
		wire := jute.Marshal(&ConnectResponse{TimeOut: 5, Passwd: []byte("p")})
		var got ConnectResponse
		if err := jute.Unmarshal(wire[:len(wire)-1], &got); err != nil || got.TimeOut != 5 {
			t.Fatal(got, err)
		}
	})
	t.Run("create of 3.3", func(t *testing.T) {
		e := TxnEntry{Header: TxnHeader{Type: OpCreate}, Body: &CreateTxn{Path: "/a", Ephemeral: true}}
		wire := jute.Marshal(&e)
		var got TxnEntry
		if err := jute.Unmarshal(wire[:len(wire)-4], &got); err != nil {
			t.Fatal(err)
		}
		if b := got.Body.(*CreateTxn); b.ParentCVersion != -1 || !b.Ephemeral {
			t.Fatalf("%+v", b)
		}
	})
	digest := &TxnDigest{Version: 2, TreeDigest: 77}
	for name, e := range map[string]TxnEntry{
		"closeSession of 3.5":        {},
		"closeSession with a digest": {Digest: digest},
		"closeSession of 3.6":        {Body: &CloseSessionTxn{Paths2Delete: []string{"/e"}}, Digest: digest},
		"closeSession without paths": {Body: &CloseSessionTxn{}, Digest: digest},
		"no digest":                  {Body: &CloseSessionTxn{}},
	} {
		t.Run(name, func(t *testing.T) {
			e.Header = TxnHeader{ClientID: 1, Type: OpCloseSession}
			var got TxnEntry
			if err := jute.Unmarshal(jute.Marshal(&e), &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, e) {
				t.Fatalf("sent %+v, got %+v", e, got)
			}
		})
	}
}

func TestMulti(t *testing.T) {
	req := MultiRequest{Ops: []MultiOp{
		{OpCreate, &CreateRequest{Path: "/a", ACL: OpenACL}},
		{OpCreateTTL, &CreateTTLRequest{Path: "/t", TTL: 9}},
		{OpDelete, &PathVersionRequest{Path: "/b", Version: 3}},
		{OpCheck, &PathVersionRequest{Path: "/b", Version: 3}},
		{OpSetData, &SetDataRequest{Path: "/c", Data: []byte{0}}},
		{OpGetChildren, &PathWatchRequest{Path: "/"}},
	}}
	var gotReq MultiRequest
	if err := jute.Unmarshal(jute.Marshal(&req), &gotReq); err != nil || !reflect.DeepEqual(req, gotReq) {
		t.Fatalf("%v %+v", err, gotReq)
	}
	res := MultiResponse{Results: []MultiResult{
		{Type: OpCreate, Path: "/a"},
		{Type: OpCreate2, Path: "/a", Stat: &Stat{Czxid: 4}},
		{Type: OpSetData, Stat: &Stat{Mzxid: 5}},
		{Type: OpDelete}, {Type: OpCheck},
		{Type: OpError, Err: ErrNoNode},
		{Type: OpGetChildren, Children: []string{"x", "y"}},
		{Type: OpGetData, Data: []byte("d"), Stat: &Stat{}},
	}}
	var gotRes MultiResponse
	if err := jute.Unmarshal(jute.Marshal(&res), &gotRes); err != nil || !reflect.DeepEqual(res, gotRes) {
		t.Fatalf("%v %+v", err, gotRes)
	}
}

// The bytes are the second entry of a log that Apache ZooKeeper 3.8.0 wrote.
func TestWireFormOfApache(t *testing.T) {
	e := TxnEntry{
		Header: TxnHeader{ClientID: 0x100001196310000, Cxid: 2, Zxid: 2, Time: 0x1a20138bcb3, Type: OpCreate},
		Body:   &CreateTxn{Path: "/app", Data: []byte("root of app"), ACL: OpenACL, ParentCVersion: 1},
		Digest: &TxnDigest{Version: 2, TreeDigest: 0x6b3d2068},
	}
	want, _ := hex.DecodeString("0100001196310000" + "00000002" + "0000000000000002" + "000001a20138bcb3" + "00000001" +
		"000000042f617070" + "0000000b726f6f74206f6620617070" +
		"00000001" + "0000001f" + "00000005776f726c64" + "00000006616e796f6e65" +
		"00" + "00000001" + "00000002" + "000000006b3d2068")
	if got := jute.Marshal(&e); !bytes.Equal(got, want) {
		t.Fatalf("\n%x\n%x", got, want)
	}
	var got TxnEntry
	if err := jute.Unmarshal(want, &got); err != nil || !reflect.DeepEqual(got, e) {
		t.Fatalf("%v %+v", err, got)
	}
}

func TestNames(t *testing.T) {
	if PermAll.String() != "cdrwa" || (PermRead|PermWrite).String() != "rw" {
		t.Error("permissions are printed in the order cdrwa")
	}
	if got := ErrNotEmpty.Error(); got != "KeeperErrorCode = Directory not empty" {
		t.Error(got)
	}
	if got := Error(-999).Error(); got != "KeeperErrorCode = Unknown error -999" {
		t.Error(got)
	}
}

func FuzzRecords(f *testing.F) {
	n := len(every())
	for i, r := range every() {
		f.Add(i, jute.Marshal(r))
	}
	f.Fuzz(func(t *testing.T, i int, wire []byte) {
		r := every()[((i%n)+n)%n]
		if jute.Unmarshal(wire, r) != nil {
			return
		}
		again := reflect.New(reflect.TypeOf(r).Elem()).Interface().(jute.Record)
		first := jute.Marshal(r)
		if err := jute.Unmarshal(first, again); err != nil {
			t.Fatalf("%T does not decode what it encoded: %v", r, err)
		}
		if second := jute.Marshal(again); !bytes.Equal(first, second) {
			t.Fatalf("%T: %x then %x", r, first, second)
		}
	})
}
