package logformatter

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file that -update writes.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sameText(t, got, readFile(t, path))
}

func TestJSONGolden(t *testing.T) {
	got := txnlog(t, "", "dump", "--format", "json", "testdata/standalone/version-2/log.1", "testdata/damaged/log.crc")
	if got.exit != 0 || got.err != "" {
		t.Errorf("exit code %d: %s", got.exit, got.err)
	}
	for line := range strings.Lines(got.out) {
		var object struct {
			Zxid, ClientID, Type, CRC string
			Time                      int64
		}
		if err := json.Unmarshal([]byte(line), &object); err != nil || object.Zxid == "" || object.CRC == "" || object.Time == 0 {
			t.Errorf("%v: %s", err, line)
		}
	}
	golden(t, "log.jsonl", got.out)
}

func TestJSONData(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log.1")
	var txns []proto.TxnEntry
	for i, data := range [][]byte{nil, {}, []byte("a\"é\x01"), {0xff, 0}} {
		txns = append(txns, proto.TxnEntry{
			Header: proto.TxnHeader{Zxid: int64(i + 1), Type: proto.OpSetData},
			Body:   &proto.SetDataTxn{Path: "/x", Data: data, Version: 1},
		})
	}
	writeTxns(t, log, txns...)
	for mode, want := range map[escape.DataForm][]string{
		escape.DataText:   {`"data":null,`, `"data":"",`, `"data":"a\"é\u0001",`, `"data":"/wA=","encoding":"base64",`},
		escape.DataHex:    {`"data":null,`, `"data":"","encoding":"hex",`, `"data":"6122c3a901","encoding":"hex",`, `"data":"ff00","encoding":"hex",`},
		escape.DataBase64: {`"data":null,`, `"data":"","encoding":"base64",`, `"data":"YSLDqQE=","encoding":"base64",`, `"data":"/wA=","encoding":"base64",`},
		escape.DataLength: {`"dataLength":null,`, `"dataLength":0,`, `"dataLength":5,`, `"dataLength":2,`},
		escape.DataNone:   {`"path":"/x","version":`, `"path":"/x","version":`, `"path":"/x","version":`, `"path":"/x","version":`},
	} {
		lines := strings.Split(txnlog(t, "", "dump", "-o", "json", "--data", string(mode), log).out, "\n")
		for i, part := range want {
			if !strings.Contains(lines[i], part) || !json.Valid([]byte(lines[i])) {
				t.Errorf("%s: %s has no %s", mode, lines[i], part)
			}
		}
	}
}

// TestOldRecords formats records of releases before 3.6.
func TestOldRecords(t *testing.T) {
	head := proto.TxnHeader{ClientID: 1, Zxid: 2, Type: proto.OpCloseSession}
	closed := jute.Marshal(&head)
	head.Type = proto.OpCreate
	create := jute.Marshal(&proto.TxnEntry{Header: head, Body: &proto.CreateTxn{Path: "/x", ACL: proto.OpenACL}})
	create = create[:len(create)-4] // without the parent's cversion
	for _, test := range []struct {
		raw  []byte
		form formatter
		want string
	}{
		{closed, &toolkitForm{}, "1/1/70, 12:00:00 AM UTC session 0x1 cxid 0x0 zxid 0x2 closeSession \n"},
		{closed, &logFormatterForm{}, "1/1/70, 12:00:00 AM UTC session 0x1 cxid 0x0 zxid 0x2 closeSession null\n"},
		{closed, &jsonForm{intact: true}, `{"zxid":"0x2","sessionId":"0x1","clientId":"0x1","cxid":0,"time":0,"type":"closeSession","paths2Delete":null,"crc":"0x0"}` + "\n"},
		{append(closed, "\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x09"...), &jsonForm{intact: true}, `{"zxid":"0x2","sessionId":"0x1","clientId":"0x1","cxid":0,"time":0,"type":"closeSession","paths2Delete":null,"digest":{"version":2,"treeDigest":"0x9"},"crc":"0x0"}` + "\n"},
		{create, &toolkitForm{}, "1/1/70, 12:00:00 AM UTC session 0x1 cxid 0x0 zxid 0x2 create /x,,[31,s{'world,'anyone}\n],false,-1\n"},
		{create, &logFormatterForm{}, "1/1/70, 12:00:00 AM UTC session 0x1 cxid 0x0 zxid 0x2 create '/x,,v{s{31,s{'world,'anyone}}},F,-1\n\n"},
	} {
		got, err := test.form.append(nil, test.raw)
		if err != nil || string(got) != test.want {
			t.Errorf("%T: %v\ngot  %q\nwant %q", test.form, err, got, test.want)
		}
	}
}

// TestUndecodableTransaction: it is reported, and what follows it is printed.
func TestUndecodableTransaction(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log.1")
	unknown := proto.TxnEntry{Header: proto.TxnHeader{Zxid: 2, Type: 77}}
	one := proto.TxnEntry{Header: proto.TxnHeader{Zxid: 1, Type: proto.OpError}, Body: &proto.ErrorTxn{Err: -1}}
	three := one
	three.Header.Zxid = 3
	writeTxns(t, log, one, unknown, three)
	for _, format := range dumpFormats {
		got := txnlog(t, "", "dump", "--format", format, log)
		if got.exit != 1 || !strings.Contains(got.err, log+" at byte 65: unknown transaction type 77; ") || !strings.Contains(got.out, "0x3") {
			t.Errorf("exit code %d, %q, %q", got.exit, got.out, got.err)
		}
	}
}

// FuzzForms checks that every form accepts any bytes.
func FuzzForms(f *testing.F) {
	logs, _ := filepath.Glob("testdata/standalone/version-2/log.*")
	for _, log := range logs {
		_ = eachEntry(log, func(_ *storage.LogReader, e *storage.Entry) error {
			f.Add(bytes.Clone(e.Raw))
			return nil
		})
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < 32 {
			return
		}
		lead := []byte("lead")
		for _, form := range []formatter{&toolkitForm{}, &logFormatterForm{}, &jsonForm{intact: true, data: escape.DataText}, &jsonForm{data: escape.DataHex}} {
			out, err := form.append(append([]byte(nil), lead...), raw)
			switch {
			case !bytes.HasPrefix(out, lead):
				t.Errorf("%T: what was before is gone", form)
			case err != nil && len(out) != len(lead):
				t.Errorf("%T: text after an error: %q", form, out)
			case err == nil && out[len(out)-1] != '\n':
				t.Errorf("%T: no line break: %q", form, out)
			}
			if _, ok := form.(*jsonForm); ok && err == nil && !json.Valid(out[len(lead):]) {
				t.Errorf("no JSON: %q", out)
			}
		}
		var decoded proto.TxnEntry
		_, err := (&toolkitForm{}).append(nil, raw)
		if jute.Unmarshal(raw, &decoded) == nil && err != nil && decoded.Header.Type != proto.OpCheck {
			t.Errorf("the records are whole, the text is not: %v", err)
		}
		eachPart(raw, func(proto.Op, []byte) bool { return false })
	})
}
