package logformatter

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/adler32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/ztree"
)

const reference = "../internal/storage/testdata"

// dataDir returns a data directory with some files of the reference data; "from>to" renames.
func dataDir(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		from, to, renamed := strings.Cut(name, ">")
		if !renamed {
			to = filepath.Base(from)
		}
		b, err := os.ReadFile(filepath.Join(reference, from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func verifyText(t testing.TB, args ...string) (out string, exit int) {
	t.Helper()
	var buf bytes.Buffer
	err := runVerify(context.Background(), &verifyOptions{Streams: &ui.Streams{Out: &buf, Err: &buf}, Args: args, Output: ui.Text})
	var e *ui.ExitError
	switch {
	case errors.As(err, &e):
		exit = e.Code
	case err != nil:
		return err.Error(), -1
	}
	return buf.String(), exit
}

func TestVerifyReference(t *testing.T) {
	for dir, want := range map[string]string{
		"standalone": `log.1: OK, 55 transactions, zxid 0x1..0x37, epoch 0
log.38: OK, 59 transactions, zxid 0x38..0x72, epoch 0
log.73: OK, 5 transactions, zxid 0x73..0x77, epoch 0
log.78: OK, 60 transactions, zxid 0x78..0xb3, epoch 0
log.f6: OK, 53 transactions, zxid 0xf6..0x12a, epoch 0
snapshot.0: OK, 4 znodes, zxid 0x0
snapshot.36: OK, 51 znodes, zxid 0x36..0x37
  note: written while the server went on; with the logs up to 0x37 it is complete
snapshot.71: OK, 53 znodes, zxid 0x71..0x72
  note: written while the server went on; with the logs up to 0x72 it is complete
snapshot.77.gz: OK, 42 znodes, zxid 0x77
snapshot.95.gz: OK, 70 znodes, zxid 0x95
snapshot.f5.snappy: OK, 164 znodes, zxid 0xf5
snapshot.102.snappy: OK, 164 znodes, zxid 0x102
replay: OK, 232 transactions, 164 znodes, zxid 0x12a, 202 of 202 digests agree
  note: transactions 0xb4..0xf5 are in no log; snapshot.f5.snappy has the effect, but the history is missing
`,
		"ensemble/server1": `log.100000001: OK, 104 transactions, zxid 0x100000001..0x200000005, epochs 1, 2
snapshot.0: OK, 4 znodes, zxid 0x0
replay: OK, 104 transactions, 48 znodes, zxid 0x200000005, 101 of 101 digests agree
`,
		"ensemble/server3": `log.100000001: OK, 99 transactions, zxid 0x100000001..0x100000063, epoch 1
log.200000001: OK, 5 transactions, zxid 0x200000001..0x200000005, epoch 2
snapshot.0: OK, 4 znodes, zxid 0x0
replay: OK, 104 transactions, 48 znodes, zxid 0x200000005, 101 of 101 digests agree
`,
	} {
		t.Run(dir, func(t *testing.T) {
			got, exit := verifyText(t, filepath.Join(reference, dir))
			if exit != 0 || got != want {
				t.Errorf("exit %d\n%s\nwant\n%s", exit, got, want)
			}
		})
	}
}

func TestVerifyDamagedFiles(t *testing.T) {
	for name, want := range map[string][]string{
		"log.bad-magic":       {"byte 0, bad magic", `"XXXX"`},
		"log.crc":             {"DAMAGED, 55 transactions", "byte 591, zxid 0x6, bad checksum", "zxid 0x15, bad", "zxid 0x16, bad", "recover"},
		"log.empty":           {"the file is empty"},
		"log.huge-length":     {"byte 1156, zxid 0xb, bad length", "2147483647"},
		"log.negative-length": {"byte 1156, zxid 0xb, bad length", "-5 is negative"},
		"log.no-eor":          {"byte 9700, zxid 0x37, bad end of record", "last byte, 'B', is missing"},
		"log.truncated":       {"byte 9700, zxid 0x37, cut off", "165 bytes before"},
		"snapshot.bit-flip":   {"bad checksum"},
		"snapshot.empty":      {"the file is empty"},
		"snapshot.truncated":  {"cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			got, exit := verifyText(t, filepath.Join(reference, "damaged", name))
			if exit != 1 || !strings.HasPrefix(got, name+": DAMAGED") {
				t.Errorf("exit %d: %s", exit, got)
			}
			for _, words := range want {
				if !strings.Contains(got, words) {
					t.Errorf("%q is not in\n%s", words, got)
				}
			}
		})
	}
	if got, exit := verifyText(t, filepath.Join(reference, "damaged/log.header-only")); exit != 0 {
		t.Errorf("exit %d: %s", exit, got)
	}
}

// A kill in the middle of a write leaves the first part of a transaction, and preallocated
// zeros where the rest was to be.
func TestVerifyTornTail(t *testing.T) {
	dir := dataDir(t, "standalone/log.1")
	file := filepath.Join(dir, "log.1")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last, end := 0, 16
	for n := binary.BigEndian.Uint32(b[end+8:]); n > 0; n = binary.BigEndian.Uint32(b[end+8:]) {
		last, end = end, end+12+int(n)+1
	}
	clear(b[last+100 : end])
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, exit := verifyText(t, file)
	if exit != 1 || strings.Count(out, "\n  byte ") != 1 || !strings.Contains(out, "the record is cut short") || strings.Contains(out, "does not start") {
		t.Errorf("exit %d: %s", exit, out)
	}
}

func TestVerifyDirectory(t *testing.T) {
	const s = "standalone/"
	for _, c := range []struct {
		name  string
		files []string
		exit  int
		words []string
	}{
		{"gap without a snapshot", []string{s + "log.1", s + "log.73"}, 1,
			[]string{"transactions 0x38..0x72 are in no log, and no sound snapshot has the effect", "cannot replay transactions 0x73..0x77"}},
		{"gap within a snapshot", []string{s + "log.1", s + "log.73", s + "snapshot.77.gz"}, 0,
			[]string{"snapshot.77.gz has the effect"}},
		{"purged", []string{s + "snapshot.71", s + "log.38", s + "log.73"}, 0,
			[]string{"replay: OK, 6 transactions", "6 of 6 digests agree"}},
		{"no beginning", []string{s + "log.38"}, 1, []string{"cannot replay transactions 0x38..0x72"}},
		{"overlap", []string{s + "log.1", s + "log.1>log.20"}, 1,
			[]string{"log.20 starts at zxid 0x1, but the log before it continues to 0x37", "the file's name says 0x20"}},
		{"damaged snapshot", []string{s + "log.1", "damaged/snapshot.bit-flip>snapshot.71", s + "log.38"}, 1,
			[]string{"snapshot.71: DAMAGED", "replay: OK, 114 transactions"}},
		{"crash, and on", []string{"damaged/log.truncated>log.1", s + "snapshot.36", s + "log.38"}, 1,
			[]string{"log.1: DAMAGED", "transaction 0x37 is in no log, and no sound"}},
		{"wrong checksum", []string{"damaged/log.crc>log.1", s + "log.38"}, 1,
			[]string{"zxid 0x6, bad checksum", "transaction 0x6 is damaged, and no sound snapshot has the effect", "transactions 0x15..0x16 are damaged, and no"}},
		{"wrong checksum within a snapshot", []string{"damaged/log.crc>log.1", s + "log.38", s + "snapshot.36"}, 1,
			[]string{"transaction 0x6 is damaged; snapshot.36 has the effect", "transaction 0x37 is not read, because log.1 is damaged from zxid 0x6 on"}},
		{"nothing usable", []string{"damaged/log.empty>log.1", "damaged/snapshot.empty>snapshot.0"}, 1, []string{"no server can start"}},
		{"snapshot alone", []string{s + "snapshot.36"}, 0, []string{"cannot be checked against the logs", "no transactions to replay"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, exit := verifyText(t, dataDir(t, c.files...))
			if strings.HasPrefix(c.name, "wrong checksum") && strings.Contains(got, "in no log") {
				t.Errorf("a transaction that is there, damaged, is said to be in no log:\n%s", got)
			}
			if exit != c.exit {
				t.Errorf("exit %d, want %d", exit, c.exit)
			}
			for _, words := range c.words {
				if !strings.Contains(got, words) {
					t.Errorf("%q is not in\n%s", words, got)
				}
			}
		})
	}
}

// editLog changes one transaction of a log, and its checksum with it.
func editLog(t *testing.T, path string, zxid uint64, edit func(raw []byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 16; ; {
		n := int(binary.BigEndian.Uint32(b[at+8:]))
		raw := b[at+12 : at+12+n]
		if binary.BigEndian.Uint64(raw[12:]) == zxid {
			edit(raw)
			binary.BigEndian.PutUint64(b[at:], uint64(adler32.Checksum(raw)))
			break
		}
		at += 13 + n
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The parent folder of servers' data names them.
func TestVerifyParentFolder(t *testing.T) {
	parent := t.TempDir()
	got, exit := verifyText(t, parent)
	if exit != -1 || !strings.Contains(got, "has a folder version-2") {
		t.Errorf("exit %d: %s", exit, got)
	}
	for _, below := range []string{"1", "2", "more/3", "a/b/too-deep"} {
		if err := os.MkdirAll(filepath.Join(parent, below, "version-2"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprintf("%[1]s itself holds no transaction log or snapshot, but it holds the data of several servers: %[1]s/1, %[1]s/2, %[1]s/more/3; name one of them", parent)
	if got, exit := verifyText(t, parent); exit != -1 || filepath.ToSlash(got) != filepath.ToSlash(want) {
		t.Errorf("exit %d: %s\nwant %s", exit, got, want)
	}
	for _, args := range [][]string{{"dump", parent}, {"stats", parent}, {"history", "/a", parent}, {"sessions", parent}} {
		if got := txnlog(t, "", args...); got.exit != 1 || !strings.Contains(got.err, "several servers: "+filepath.Join(parent, "1")) {
			t.Errorf("%v: %+v", args, got)
		}
	}
	one := t.TempDir()
	if err := os.MkdirAll(filepath.Join(one, "data", "version-2"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, exit := verifyText(t, one); exit != -1 || !strings.Contains(got, "did you mean "+filepath.Join(one, "data")) {
		t.Errorf("exit %d: %s", exit, got)
	}
}

// The digest reveals a change that no checksum does.
func TestVerifyDigest(t *testing.T) {
	dir := dataDir(t, "standalone/log.1", "standalone/log.38")
	editLog(t, filepath.Join(dir, "log.1"), 0xf, func(raw []byte) {
		i := bytes.Index(raw, []byte("2182"))
		raw[i] = '3'
	})
	got, exit := verifyText(t, dir)
	for _, words := range []string{"log.1: OK", "replay: FAILED", "zxid 0xf, bad digest: log.1: after setData with zxid 0xf"} {
		if exit != 1 || !strings.Contains(got, words) {
			t.Errorf("exit %d, %q is not in\n%s", exit, words, got)
		}
	}
	if strings.Count(got, "bad digest") != 1 {
		t.Errorf("one fault is told more than once:\n%s", got)
	}
}

// With the logs, a snapshot that contains the transaction after that of its digest is sound. A
// changed ACL leaves no trace.
func TestVerifySnapshotAhead(t *testing.T) {
	for _, zxid := range []int64{2, 1} { // in the snapshot's name
		dir := t.TempDir()
		tree := ztree.New()
		w := storage.NewLogWriter(dir, storage.LogOptions{Preallocate: -1})
		for i, body := range []jute.Record{
			&proto.CreateTxn{Path: "/a", ACL: proto.OpenACL, ParentCVersion: 1},
			&proto.CreateTxn{Path: "/b", ACL: proto.OpenACL, ParentCVersion: 2},
			&proto.SetACLTxn{Path: "/a", ACL: proto.ReadOnlyACL, Version: 1},
			&proto.DeleteTxn{Path: "/b"},
		} {
			state := storage.SnapshotState{Zxid: int64(i), Digest: tree.Digest()}
			txn := &proto.TxnEntry{Header: proto.TxnHeader{Zxid: int64(i + 1), Type: []proto.Op{proto.OpCreate, proto.OpCreate, proto.OpSetACL, proto.OpDelete}[i]}, Body: body}
			tree.Apply(&txn.Header, body)
			txn.Digest = &proto.TxnDigest{Version: proto.DigestVersion, TreeDigest: tree.Digest()}
			if err := w.Append(txn); err != nil {
				t.Fatal(err)
			}
			if state.Zxid != 2 {
				continue
			}
			f, err := storage.CreateSnapshot(filepath.Join(dir, storage.SnapshotName(zxid, "")), storage.SnapshotOptions{})
			if err != nil {
				t.Fatal(err)
			}
			znodes, _ := storage.NewSnapshotStream(tree, false).Step(nil, 0)
			if _, err := f.Write(znodes); err != nil {
				t.Fatal(err)
			}
			if err := f.Commit(state); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if out, exit := verifyText(t, dir); exit != 0 {
			t.Errorf("exit %d:\n%s", exit, out)
		}
		// Without the transaction, this cannot be known.
		if err := os.Remove(filepath.Join(dir, "log.1")); err != nil {
			t.Fatal(err)
		}
		if out, exit := verifyText(t, dir); (exit != 0) != (zxid == 2) {
			t.Errorf("exit %d without the log:\n%s", exit, out)
		}
	}
}

// Apache's server continues its log after the leader has sent it a snapshot: transactions are
// missing there, and the last ones before may exist nowhere else. With that snapshot, this is not a
// fault.
func TestVerifySnapshotOfTheLeader(t *testing.T) {
	for _, next := range []int64{2<<32 | 9, 3<<32 | 1} { // the first transaction after the snapshot
		for _, damaged := range []bool{false, true} {
			dir := t.TempDir()
			w := storage.NewLogWriter(dir, storage.LogOptions{Preallocate: -1})
			write := func(tree *ztree.Tree, zxid int64, path string, log bool) {
				t.Helper()
				txn := &proto.TxnEntry{Header: proto.TxnHeader{Zxid: zxid, Type: proto.OpCreate},
					Body: &proto.CreateTxn{Path: path, ACL: proto.OpenACL, ParentCVersion: tree.Get("/").Stat().Cversion + 1}}
				tree.Apply(&txn.Header, txn.Body)
				txn.Digest = &proto.TxnDigest{Version: proto.DigestVersion, TreeDigest: tree.Digest()}
				if log {
					if err := w.Append(txn); err != nil {
						t.Fatal(err)
					}
				}
			}
			mine, leaders := ztree.New(), ztree.New()
			for zxid := int64(1<<32 | 1); zxid <= 1<<32|3; zxid++ {
				write(mine, zxid, fmt.Sprintf("/n%x", zxid), true)
				write(leaders, zxid, fmt.Sprintf("/n%x", zxid), false)
			}
			write(mine, 1<<32|4, "/never-committed", true)
			for zxid := int64(2<<32 | 1); zxid <= 2<<32|8; zxid++ {
				write(leaders, zxid, fmt.Sprintf("/n%x", zxid), false)
			}
			if err := storage.WriteSnapshot(filepath.Join(dir, storage.SnapshotName(leaders.LastZxid(), "")), leaders, storage.SnapshotOptions{}); err != nil {
				t.Fatal(err)
			}
			if damaged {
				write(leaders, next, "/lost", false)
			}
			for zxid := next; zxid < next+4; zxid++ {
				write(leaders, zxid, fmt.Sprintf("/n%x", zxid), true)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			out, exit := verifyText(t, dir)
			if damaged != (exit != 0) || !strings.Contains(out, "the effect") {
				t.Errorf("next %#x, damaged %t: exit %d:\n%s", next, damaged, exit, out)
			}
		}
	}
}

func TestVerifyZxids(t *testing.T) {
	for _, c := range []struct {
		name   string
		become uint64
		words  string
	}{
		{"gap", 0x36 + 5, "transactions 0x36..0x3a are missing between zxid 0x35 and 0x3b"},
		{"back", 0x10, "zxid 0x10 follows 0x35"},
		{"another epoch", 0x500000000 + 3, "transactions 0x500000001..0x500000002"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := dataDir(t, "standalone/log.1")
			editLog(t, filepath.Join(dir, "log.1"), 0x36, func(raw []byte) { binary.BigEndian.PutUint64(raw[12:], c.become) })
			got, exit := verifyText(t, filepath.Join(dir, "log.1"))
			if exit != 1 || !strings.Contains(got, c.words) {
				t.Errorf("exit %d, %q is not in\n%s", exit, c.words, got)
			}
		})
	}
}

func TestVerifyGarbageAndEpochs(t *testing.T) {
	dir := dataDir(t, "ensemble/server3/version-2/log.100000001", "ensemble/server3/version-2/log.200000001", "ensemble/server3/version-2/snapshot.0")
	if err := os.WriteFile(filepath.Join(dir, "currentEpoch"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "acceptedEpoch"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log.200000001")
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] = 7
	if err := os.WriteFile(log, b, 0o600); err != nil {
		t.Fatal(err)
	}
	got, exit := verifyText(t, dir)
	for _, words := range []string{"byte 65551", "non-zero bytes follow", "currentEpoch is 1, but there are transactions of epoch 2", "acceptedEpoch"} {
		if exit != 1 || !strings.Contains(got, words) {
			t.Errorf("exit %d, %q is not in\n%s", exit, words, got)
		}
	}
}

func TestVerifyJSON(t *testing.T) {
	var buf bytes.Buffer
	c := newVerifyCommand(&ui.Streams{Out: &buf, Err: &buf})
	c.SetArgs([]string{"-o", "json", filepath.Join(reference, "damaged/log.crc")})
	c.SilenceErrors, c.SilenceUsage = true, true
	var exit *ui.ExitError
	if err := c.ExecuteContext(context.Background()); !errors.As(err, &exit) || exit.Code != 1 {
		t.Error(err)
	}
	var got struct {
		Kind, File          string
		OK                  bool
		Transactions        int64
		FirstZxid, LastZxid string
		Faults              []struct {
			Byte              int64
			Zxid, Kind, Found string
		}
	}
	if err := json.Unmarshal(buf.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, buf.Bytes())
	}
	if got.Kind != "log" || got.OK || got.Transactions != 55 || got.LastZxid != "0x37" || len(got.Faults) != 3 || got.Faults[0].Byte != 591 || got.Faults[0].Zxid != "0x6" {
		t.Errorf("%+v", got)
	}
	for _, args := range [][]string{{}, {"-o", "xml", "f"}, {"/does/not/exist"}} {
		c := newVerifyCommand(&ui.Streams{Out: &buf, Err: &buf})
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetArgs(args)
		if err := c.Execute(); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
