package export

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

var header = Header{Schema: Schema, Writer: "v9", Source: "zk://h:1/a", Root: "/a", Start: 0x10, End: 0x12, Consistent: true, Time: 1,
	Options: Options{Exclude: []string{"/a/x"}, Ephemerals: "skip"}}

var records = []Record{
	{Path: "/a", Kind: Persistent, Next: 4, Stat: proto.Stat{Czxid: 1, Mzxid: 2, Pzxid: 0xffff, Ctime: -1, Mtime: 5, Version: -1, Cversion: 8, Aversion: 2, NumChildren: 3},
		ACL: []proto.ACL{{Perms: proto.PermAll, ID: proto.WorldAnyone}, {Perms: 64, ID: proto.ID{Scheme: "digest", ID: `u:a]"b`}}}},
	{Path: "/a/!", Data: []byte{}, Kind: Container},
	{Path: "/a/b", Data: []byte("text \"\\\n\u2028 é"), Kind: TTL, TTL: 5000, ACL: []proto.ACL{{Perms: proto.PermRead, ID: proto.WorldAnyone}}},
	{Path: "/a/b/c", Data: []byte{0, 0xff, 1}, Kind: Ephemeral, Stat: proto.Stat{EphemeralOwner: -3}},
	{Path: "/a/b c", Data: []byte("x"), Kind: Persistent, ACL: []proto.ACL{{Perms: proto.PermRead, ID: proto.WorldAnyone}}},
	{Path: "/a/é", Data: bytes.Repeat([]byte("long "), 30_000), Kind: Persistent},
}

func write(t testing.TB, compression string, list []Record) []byte {
	t.Helper()
	var b bytes.Buffer
	packed, err := Compress(&b, compression)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWriter(packed, &header)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if err := w.Add(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(src io.Reader) (list []Record, t Trailer, h Header, err error) {
	r, err := NewReader(src, "x")
	if err != nil {
		return nil, t, h, err
	}
	defer r.Close()
	for {
		x, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, r.Trailer(), *r.Header(), nil
		}
		if err != nil {
			return list, t, *r.Header(), err
		}
		one := *x
		if x.Data != nil {
			one.Data = append([]byte{}, x.Data...)
		}
		list = append(list, one)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, compression := range []string{"", Gzip, Zstd} {
		file := write(t, compression, records)
		list, trailer, h, err := read(bytes.NewReader(file))
		if err != nil {
			t.Fatal(compression, err)
		}
		if len(list) != len(records) || trailer.Znodes != int64(len(records)) {
			t.Fatalf("%s: %d znodes, %d counted", compression, len(list), trailer.Znodes)
		}
		for i := range list {
			want := records[i]
			want.Stat.DataLength = int32(len(want.Data))
			if !reflect.DeepEqual(list[i], want) {
				t.Errorf("%s: %+v, want %+v", compression, list[i], want)
			}
		}
		if !reflect.DeepEqual(h, header) {
			t.Errorf("%s: %+v, want %+v", compression, h, header)
		}
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if !Is(name) {
			t.Errorf("%q is not recognised", compression)
		}
	}
}

// TestSum: equal znodes have equal sums, whatever the header says.
func TestSum(t *testing.T) {
	_, a, _, _ := read(bytes.NewReader(write(t, "", records)))
	old := header
	defer func() { header = old }()
	header.Time++
	_, b, _, _ := read(bytes.NewReader(write(t, "", records)))
	if a.Sum != b.Sum || a.SHA256 == b.SHA256 {
		t.Errorf("%+v, %+v", a, b)
	}
}

// TestCutOff: a file that ends too early is known as such, wherever that is.
func TestCutOff(t *testing.T) {
	for _, compression := range []string{"", Gzip, Zstd} {
		file := write(t, compression, records[:5])
		for n := range file {
			if _, _, _, err := read(bytes.NewReader(file[:n])); err == nil {
				t.Fatalf("%q: %d of %d bytes are accepted", compression, n, len(file))
			}
		}
	}
}

// TestDamage: no byte can change without notice.
func TestDamage(t *testing.T) {
	file := write(t, "", records[:5])
	for n := range file {
		damaged := bytes.Clone(file)
		damaged[n] ^= 0x01
		if _, _, _, err := read(bytes.NewReader(damaged)); err == nil {
			t.Fatalf("byte %d of %d: %q", n, len(file), damaged[max(0, n-20):min(len(file), n+20)])
		}
	}
}

func TestFaults(t *testing.T) {
	const (
		head = `{"zkctl":"export","schema":1,"version":"v","source":"s","root":"/a","zxidStart":"0x1","zxidEnd":"0x2","consistent":true,"time":1,"kinds":true,"options":{}}` + "\n"
		a    = `{"path":"/a"}` + "\n"
		end  = `{"znodes":9,"bytes":0}` + "\n" // without a checksum, the numbers do not count
	)
	for _, tc := range []struct {
		file, field string
		line        int
		text        string // "" if nothing is wrong
	}{
		{head + a + end, "", 0, ""},
		{head + a + "\t{ \"path\" : \"/a/\\u0062\" , \"data\":\"\\ud83e\\udd93\\n\" }\r\n" + end, "", 0, ""},
		{"", "", 1, "empty"},
		{"ZKSN\n", "", 1, "not an export"},
		{strings.Replace(head, `"schema":1`, `"schema":2,"new":1`, 1), "schema", 1, "use a newer one"},
		{strings.Replace(head, `"schema":1`, `"schema":0`, 1), "schema", 1, "not a schema"},
		{strings.Replace(head, `"time":1`, `"time":"now"`, 1) + a + end, "time", 1, "string"},
		{strings.Replace(head, `"time":1`, `"tim":1`, 1) + a + end, "", 1, `unknown field "tim"`},
		{strings.Replace(head, `"/a"`, `"a"`, 1) + a + end, "root", 1, "start with /"},
		{strings.Replace(head, `"0x1"`, `"x"`, 1) + a + end, "zxidStart", 1, "not a zxid"},
		{head + a, "", 3, "cut off"},
		{head + a + strings.TrimSuffix(end, "\n"), "", 3, "cut off"},
		{head + end + a, "", 3, "should be the last"},
		{head + "\n" + end, "", 2, "line ends"},
		{head + "{}\n" + end, "", 2, "no fields"},
		{head + `{"data":"x"}` + "\n" + end, "path", 2, "missing"},
		{head + `{"path":"/a","path":"/a"}` + "\n" + end, "path", 2, "twice"},
		{head + `{"path":"/a","date":"x"}` + "\n" + end, "", 2, `unknown field "date"`},
		{head + `{"path":"/a","data":5}` + "\n" + end, "data", 2, "expected a string"},
		{head + `{"path":"/a","data":"x",}` + "\n" + end, "", 2, "expected a string"},
		{head + `{"path":"/a","data":"x"} x` + "\n" + end, "", 2, "end of the line"},
		{head + `{"path":"/a","data":"\ud800"}` + "\n" + end, "data", 2, "broken"},
		{head + `{"path":"/a","data":"\x"}` + "\n" + end, "data", 2, "unknown escape"},
		{head + "{\"path\":\"/a\",\"data\":\"\t\"}\n" + end, "data", 2, "control character"},
		{head + "{\"path\":\"/a\",\"data\":\"\xff\"}\n" + end, "data", 2, "not UTF-8"},
		{head + `{"path":"/a","data":"?","encoding":"base64"}` + "\n" + end, "data", 2, "not base64"},
		{head + `{"path":"/a","data":"","encoding":"hex"}` + "\n" + end, "encoding", 2, "use base64"},
		{head + `{"path":"/a","version":1.5}` + "\n" + end, "version", 2, "integer"},
		{head + `{"path":"/a","version":2147483648}` + "\n" + end, "version", 2, "32 bits"},
		{head + `{"path":"/a","ctime":9223372036854775808}` + "\n" + end, "ctime", 2, "too large"},
		{head + `{"path":"/a","czxid":"12"}` + "\n" + end, "czxid", 2, "hexadecimal"},
		{head + `{"path":"/a","next":-1}` + "\n" + end, "next", 2, "counter"},
		{head + `{"path":"/a","next":2147483648}` + "\n" + end, "next", 2, "counter"},
		{head + `{"path":"/a","acl":[]}` + "\n" + end, "acl", 2, "empty"},
		{head + `{"path":"/a","kind":"ttl"}` + "\n" + end, "ttl", 2, "kind ttl"},
		{head + `{"path":"/a","ttl":5}` + "\n" + end, "ttl", 2, "kind ttl"},
		{head + `{"path":"/a","kind":"ttl","ttl":0}` + "\n" + end, "ttl", 2, "from 1 to"},
		{head + `{"path":"/a","kind":"file"}` + "\n" + end, "kind", 2, "use persistent"},
		{head + `{"path":"/a","kind":"ephemeral"}` + "\n" + end, "ephemeralOwner", 2, "ephemeral"},
		{head + `{"path":"/a","acl":[{"scheme":"world","id":"anyone"}]}` + "\n" + end, "acl", 2, "needs scheme"},
		{head + `{"path":"/a","acl":[{"scheme":"world","id":"anyone","perms":"x"}]}` + "\n" + end, "acl", 2, "letters of cdrwa"},
		{head + `{"path":"/a","acl":[{"scheme":"world","id":"anyone","perms":"r","x":1}]}` + "\n" + end, "acl", 2, "unknown field"},
		{head + `{"path":"/b"}` + "\n" + end, "path", 2, "comes first"},
		{head + a + a + end, "path", 3, "occurs twice"},
		{head + a + `{"path":"/b"}` + "\n" + end, "path", 3, "outside the root"},
		{head + a + `{"path":"/ab"}` + "\n" + end, "path", 3, "outside the root"},
		{head + a + `{"path":"/a/../b"}` + "\n" + end, "path", 3, `".."`},
		{head + a + `{"path":"/a/b/c"}` + "\n" + end, "path", 3, "parent"},
		{head + a + `{"path":"/a/b"}` + "\n" + `{"path":"/a/a"}` + "\n" + end, "path", 4, "belongs before"},
		{head + a + `{"path":"/a/b"}` + "\n" + `{"path":"/a/a/c"}` + "\n" + end, "path", 4, "belongs before"},
		{head + a + `{"path":"/a/b","kind":"ephemeral","ephemeralOwner":"0x1"}` + "\n" + `{"path":"/a/b/c"}` + "\n" + end, "path", 4, "ephemeral"},
		{head + a + `{"znodes":2,"bytes":0,"sha256":"00"}` + "\n", "znodes", 3, "2, but the file has 1"},
		{head + a + `{"znodes":1,"bytes":0,"sha256":"00"}` + "\n", "sha256", 3, "checksum"},
		{head + a + `{"path":"/a/b","znodes":1}` + "\n", "path", 3, "last line"},
	} {
		_, _, _, err := read(strings.NewReader(tc.file))
		var fault *Fault
		switch {
		case tc.text == "" && err == nil:
		case tc.text == "" || !errors.As(err, &fault):
			t.Errorf("%s\n%v", tc.file, err)
		case fault.Line != tc.line || fault.Field != tc.field || !strings.Contains(fault.Error(), tc.text):
			t.Errorf("%s\n%v\nwant line %d, field %q, %q", tc.file, err, tc.line, tc.field, tc.text)
		}
	}
}

func TestCompare(t *testing.T) {
	list := []string{"/", "/a", "/a/b", "/a/b/c", "/a b", "/a!", "/ab", "/b"}
	for i, a := range list {
		for j, b := range list {
			if got := Compare(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}

// FuzzReader: whatever a file holds, it is read or refused with the line; and what is read is written and read back the same.
func FuzzReader(f *testing.F) {
	f.Add(write(f, "", records[:5]))
	f.Add(write(f, Gzip, records[:3]))
	f.Add(write(f, Zstd, records[:3]))
	f.Fuzz(func(t *testing.T, file []byte) {
		list, _, h, err := read(bytes.NewReader(file))
		if err != nil {
			var fault *Fault
			if !errors.As(err, &fault) || fault.Line < 1 {
				t.Fatalf("%v", err)
			}
			return
		}
		old := header
		defer func() { header = old }()
		header = h
		header.Schema = Schema
		for i := range list {
			list[i].Bare = false
		}
		again, _, _, err := read(bytes.NewReader(write(t, "", list)))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(list) {
			t.Fatalf("%v\n%v\n%v", err, list, again)
		}
	})
}
