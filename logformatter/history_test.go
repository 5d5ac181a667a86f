package logformatter

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

const ensemble3 = "testdata/ensemble/server3/version-2"

// objects runs a verb with -o json and returns its objects.
func objects(t *testing.T, exit int, args ...string) []map[string]any {
	t.Helper()
	got := txnlog(t, "", append(args, "-o", "json")...)
	if got.exit != exit || exit == 0 && got.err != "" {
		t.Fatalf("exit code %d, want %d: %s", got.exit, exit, got.err)
	}
	var list []map[string]any
	for line := range strings.Lines(got.out) {
		o := map[string]any{}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		list = append(list, o)
	}
	return list
}

// expect checks the fields of each object, as formatted by fmt.Sprint; an empty one must be absent.
func expect(t *testing.T, got []map[string]any, want ...map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d objects, want %d: %v", len(got), len(want), got)
	}
	for i, fields := range want {
		for name, value := range fields {
			found, ok := got[i][name]
			if text := fmt.Sprint(found); value == "" && ok || value != "" && text != value {
				t.Errorf("%d: %s is %s, want %q", i, name, text, value)
			}
		}
	}
}

func TestHistoryOfReferenceEnsemble(t *testing.T) {
	got := txnlog(t, "", "history", "/app/eph", ensemble3)
	sameText(t, got.out, `2026-11-22T03:08:51.095Z  0x10000000a  create /app/eph
    by session 0x100001329410000, ephemeral
    data  e
    acl   world:anyone:cdrwa
2026-11-22T03:08:51.706Z  0x10000005e  closeSession /app/eph
    deleted because its session 0x100001329410000 was closed by the client
    was   e
    version 0
`)
	expect(t, objects(t, 0, "history", "/app/eph2", ensemble3),
		map[string]string{"zxid": "0x100000060", "change": "created", "ephemeralOwner": "0x100001329410001"},
		map[string]string{"zxid": "0x100000063", "change": "deleted", "sessionEnd": "expired", "oldData": "still here", "data": ""})
	expect(t, objects(t, 0, "history", "/zookeeper/config", withSnapshot(t)),
		map[string]string{"type": "snapshot", "change": "present", "snapshot": "snapshot.0", "clientId": "", "sessionId": ""},
		map[string]string{"type": "reconfig", "change": "dataChanged", "oldVersion": "-1", "oldUnknown": ""},
		map[string]string{"zxid": "0x200000005", "type": "reconfig"})
	both := objects(t, 0, "history", "/app/config", ensemble3, "testdata/ensemble/server1/version-2")
	expect(t, both, // several logs hold it
		map[string]string{"change": "created", "version": "0"},
		map[string]string{"change": "dataChanged", "oldData": `{"name":"zkctl","port":2181}`, "data": `{"name":"zkctl","port":2182}`, "version": "1", "oldVersion": "0"})
}

// withSnapshot is the ensemble's directory with the snapshot before its first log.
func withSnapshot(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"testdata/history/snapshot.0", ensemble3 + "/log.100000001", ensemble3 + "/log.200000001"} {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(readFile(t, file)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// In TestHistoryWithDamagedSnapshot, history works without the snapshot, and says so.
func TestHistoryWithDamagedSnapshot(t *testing.T) {
	dir := withSnapshot(t)
	if err := os.Truncate(filepath.Join(dir, "snapshot.0"), 100); err != nil {
		t.Fatal(err)
	}
	expect(t, objects(t, 1, "history", "/app/config", dir), map[string]string{"change": "created"}, map[string]string{"change": "dataChanged"})
}

func TestHistoryOfReferenceStandalone(t *testing.T) {
	const dir = "testdata/standalone/version-2"
	expect(t, objects(t, 0, "history", "/app/eph", dir),
		map[string]string{"zxid": "0xa", "sessionId": "0x100001196310000", "clientId": "0x100001196310000"},
		map[string]string{"zxid": "0x5e", "sessionEnd": "closed", "type": "closeSession"})
	expect(t, objects(t, 0, "history", "/app/eph2", dir),
		map[string]string{"zxid": "0x60"}, map[string]string{"zxid": "0x77", "sessionEnd": "expired"})
	expect(t, objects(t, 0, "history", "/app/empty", dir),
		map[string]string{"change": "created", "aversion": "0"},
		map[string]string{"change": "aclChanged", "aversion": "1", "oldAversion": "0",
			"oldAcl": "[map[id:anyone perms:cdrwa scheme:world]]"})
	expect(t, objects(t, 0, "history", "/app/m1", dir),
		map[string]string{"multi": "true", "type": "create", "change": "created"},
		map[string]string{"multi": "true", "type": "check", "change": "checked"})
	expect(t, objects(t, 0, "history", "/app/m2", dir),
		map[string]string{"multi": "true", "change": "none", "error": "NONODE"})
	expect(t, objects(t, 0, "history", "/app/container", dir), map[string]string{"container": "true"})
	expect(t, objects(t, 0, "history", "/app/ttl", dir), map[string]string{"ttl": "3.6e+06"})
	expect(t, objects(t, 0, "history", "/app/binary", dir), map[string]string{"encoding": "base64", "data": "AAEC//4KDSJcf4A="})
	expect(t, objects(t, 0, "history", "--data", "length", "/app/binary", dir), map[string]string{"dataLength": "11", "data": ""})
	expect(t, objects(t, 0, "history", "--data", "hex", "/app/eph", dir), map[string]string{"data": "65"}, map[string]string{"oldData": "65"})
	got := txnlog(t, "", "history", "/none", dir)
	if got.exit != 0 || got.out != "" || got.err != "no transaction in the logs touched /none\n" {
		t.Errorf("%+v", got)
	}
}

func TestHistoryRecursive(t *testing.T) {
	below := objects(t, 0, "history", "-R", "/deep/d0", ensemble3)
	if len(below) != 11 || below[0]["path"] != "/deep/d0" {
		t.Errorf("%d changes: %v", len(below), below)
	}
	all := objects(t, 0, "history", "--recursive", "/", ensemble3)
	// 99+5 txns: less 6 createSession and 3 errors, one more each for /app/eph-… and three of the
	// multi's parts; a failed one is one
	if want := 99 + 5 - 6 - 3 + 1 + 3; len(all) != want {
		t.Errorf("%d changes, want %d", len(all), want)
	}
	if n := len(objects(t, 0, "history", "/app/bulk-001/", ensemble3)); n != 1 {
		t.Errorf("%d changes of a path that ends with /", n)
	}
}

func TestHistoryOfDamagedLog(t *testing.T) {
	for name, want := range map[string]int{"truncated": 1, "huge-length": 1, "no-eor": 1, "crc": 1, "bad-magic": 0} {
		log := "testdata/damaged/log." + name
		got := txnlog(t, "", "history", "/app/eph", log)
		if got.exit != 1 || strings.Count(got.out, "0xa  create /app/eph") != want || !strings.Contains(got.err, "read "+log+" at byte ") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	expect(t, objects(t, 1, "history", "/app/null", "testdata/damaged/log.crc"),
		map[string]string{"zxid": "0x6", "crcError": "true"}, map[string]string{"type": "delete", "crcError": ""})
}

// writeLog writes transactions, one a zxid from first on, as a log in dir.
func writeLog(t testing.TB, dir string, first int64, txns ...proto.TxnEntry) {
	t.Helper()
	w := storage.NewLogWriter(dir, storage.LogOptions{Preallocate: -1})
	for i := range txns {
		txns[i].Header.Zxid = first + int64(i)
		txns[i].Header.Time = 1_000_000 * (first + int64(i))
		if err := w.Append(&txns[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func txn(session int64, cxid int32, op proto.Op, body jute.Record) proto.TxnEntry {
	return proto.TxnEntry{Header: proto.TxnHeader{ClientID: session, Cxid: cxid, Type: op}, Body: body}
}

func part(op proto.Op, body jute.Record) proto.Txn {
	return proto.Txn{Type: op, Data: jute.Marshal(body)}
}

// oldLogs are two logs as ZooKeeper 3.5 wrote them: a closeSession names no paths.
func oldLogs(t *testing.T) string {
	dir := t.TempDir()
	open := &proto.CreateSessionTxn{TimeOut: 4000}
	eph := func(path string) *proto.CreateTxn {
		return &proto.CreateTxn{Path: path, Data: []byte("x"), ACL: proto.OpenACL, Ephemeral: true}
	}
	writeLog(t, dir, 10,
		txn(1, 0, proto.OpCreateSession, open),
		txn(2, 0, proto.OpCreateSession, open),
		txn(1, 1, proto.OpCreate, eph("/a")),
		txn(2, 1, proto.OpMulti, &proto.MultiTxn{Txns: []proto.Txn{
			part(proto.OpCreate, eph("/b")), part(proto.OpCreate, eph("/b/no")), part(proto.OpDelete, &proto.DeleteTxn{Path: "/a"})}}),
		txn(1, 2, proto.OpCreate, eph("/a")))
	writeLog(t, dir, 20,
		txn(3, 7, proto.OpSetData, &proto.SetDataTxn{Path: "/a", Data: nil, Version: 1}),
		txn(1, 3, proto.OpCloseSession, nil),
		txn(2, 0, proto.OpCloseSession, nil),
		txn(3, 8, proto.OpSetData, &proto.SetDataTxn{Path: "/old", Data: []byte("n"), Version: 9}),
		txn(0, 0, proto.OpDeleteContainer, &proto.DeleteTxn{Path: "/old"}),
		txn(3, 9, proto.OpDelete, &proto.DeleteTxn{Path: "/older"}))
	return dir
}

func TestHistoryOfOldLogs(t *testing.T) {
	dir := oldLogs(t)
	expect(t, objects(t, 0, "history", "/a", dir),
		map[string]string{"zxid": "0xc", "ephemeralOwner": "0x1"},
		map[string]string{"zxid": "0xd", "type": "delete", "multi": "true", "sessionId": "0x2", "oldData": "x", "sessionEnd": ""},
		map[string]string{"zxid": "0xe", "change": "created"},
		map[string]string{"zxid": "0x14", "change": "dataChanged", "data": "<nil>", "oldData": "x"},
		map[string]string{"zxid": "0x15", "sessionEnd": "closed", "change": "deleted", "oldVersion": "1"})
	expect(t, objects(t, 0, "history", "-R", "/b", dir),
		map[string]string{"path": "/b"}, map[string]string{"path": "/b/no"},
		map[string]string{"path": "/b", "sessionEnd": "expired"}, map[string]string{"path": "/b/no", "zxid": "0x16"})
	expect(t, objects(t, 0, "history", "/old", dir), // created before the first log
		map[string]string{"oldUnknown": "true", "data": "n", "oldVersion": ""},
		map[string]string{"type": "deleteContainer", "oldData": "n", "oldVersion": "9"})
	got := txnlog(t, "", "history", "/old", dir)
	for _, want := range []string{"data  unknown\n       →  n\n    version unknown → 9\n", "by the server: "} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is not in %s", want, got.out)
		}
	}
	expect(t, objects(t, 0, "history", "/older", dir), map[string]string{"oldUnknown": "true", "change": "deleted"})
}

func TestHistoryIsCutToTheTerminal(t *testing.T) {
	var out bytes.Buffer
	c := newCommand(&ui.Streams{Out: &out, Err: io.Discard, OutTTY: true, Width: 60})
	c.SetArgs([]string{"history", "/zookeeper/config", ensemble3})
	if err := c.ExecuteContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 60 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestHistoryEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := newCommand(&ui.Streams{Out: io.Discard, Err: io.Discard})
	c.SetArgs([]string{"history", "-R", "/", ensemble3})
	if err := c.ExecuteContext(ctx); err == nil {
		t.Error("no error")
	}
}

// The znode of a history may be a glob, as in dump --path.
func TestHistoryGlob(t *testing.T) {
	for pattern, want := range map[string]string{
		"/app/m?":       "/app/m1 /app/m2",
		"/app/eph*":     "/app/eph /app/eph2",
		"/app/e[pq]h":   "/app/eph",
		"/**/m1":        "/app/m1",
		"-R /dee?":      "/deep/d0 /deep",
		"/deep/*/*":     "/deep/d0/d1",
		"/zookeeper/c*": "/zookeeper/config",
	} {
		seen := map[string]bool{}
		for _, o := range objects(t, 0, append(append([]string{"history"}, strings.Fields(pattern)...), withSnapshot(t))...) {
			seen[fmt.Sprint(o["path"])] = true
		}
		for _, path := range strings.Fields(want) {
			if !seen[path] {
				t.Errorf("%s: %s is missing in %v", pattern, path, seen)
			}
		}
		if !strings.HasPrefix(pattern, "-R") && !strings.Contains(pattern, "eph*") && len(seen) != len(strings.Fields(want)) {
			t.Errorf("%s: %v", pattern, seen)
		}
	}
	expect(t, objects(t, 0, "history", "/zookeeper/c*", withSnapshot(t))[:1], map[string]string{"change": "present"})
}

func TestHistoryUsage(t *testing.T) {
	for _, args := range [][]string{{"history"}, {"history", "/a"}, {"history", "a", ensemble3}, {"history", "//", ensemble3}, {"history", "/[", ensemble3},
		{"history", "--data", "x", "/a", ensemble3}, {"history", "-o", "x", "/a", ensemble3}} {
		if got := txnlog(t, "", args...); got.exit != 1 || got.err == "" || got.out != "" {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

// generateLogs writes logs of size bytes each: changes of 1000 znodes with 200 bytes.
func generateLogs(b *testing.B, files int, size int64) (dir string, total int64) {
	dir = b.TempDir()
	w := storage.NewLogWriter(dir, storage.LogOptions{Preallocate: -1})
	var raws [][]byte
	for i := range 1000 {
		entry := txn(1, 1, proto.OpSetData, &proto.SetDataTxn{Path: fmt.Sprintf("/app/config/item-%04d", i), Data: bytes.Repeat([]byte{'d'}, 200)})
		raws = append(raws, jute.Marshal(&entry))
	}
	zxid := int64(1)
	for range files {
		for written := int64(0); written < size; zxid++ {
			raw := raws[zxid%1000]
			binary.BigEndian.PutUint64(raw[12:], uint64(zxid))
			if err := w.AppendRaw(zxid, raw); err != nil {
				b.Fatal(err)
			}
			written += int64(len(raw)) + 13
		}
		if err := w.Roll(); err != nil {
			b.Fatal(err)
		}
	}
	logs, err := filepath.Glob(filepath.Join(dir, "log.*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, log := range logs {
		info, err := os.Stat(log)
		if err != nil {
			b.Fatal(err)
		}
		total += info.Size()
	}
	return dir, total
}

func BenchmarkHistory(b *testing.B) {
	dir, total := generateLogs(b, 8, 16<<20)
	b.SetBytes(total)
	for b.Loop() {
		o := &historyOptions{Streams: &ui.Streams{Out: io.Discard, Err: io.Discard}, Path: "/app/config/item-0007", Args: []string{dir}, Data: string(escape.DataText), Format: ui.Text}
		if err := runHistory(context.Background(), o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSessions(b *testing.B) {
	dir, total := generateLogs(b, 8, 16<<20)
	b.SetBytes(total)
	for b.Loop() {
		o := &sessionsOptions{Streams: &ui.Streams{Out: io.Discard, Err: io.Discard}, Args: []string{dir}, Format: ui.Text}
		if err := runSessions(context.Background(), o); err != nil {
			b.Fatal(err)
		}
	}
}
