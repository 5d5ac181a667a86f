package logformatter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/storage"
)

// toolkit runs Apache's TxnLogToolkit in the time zone.
func toolkit(t testing.TB, zone string, args ...string) string {
	t.Helper()
	cmd := apachetest.Require(t).JavaCommand(t.Context(), "org.apache.zookeeper.server.persistence.TxnLogToolkit", args...)
	cmd.Env = append(cmd.Env, "TZ="+zone)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("TxnLogToolkit %v: %v", args, err)
	}
	return string(out)
}

func open(t testing.TB, servers string) *client.Conn {
	t.Helper()
	c, err := client.Open(client.Config{Servers: servers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestDumpOfFreshLogLikeApache makes a server write every kind of transaction, and compares.
func TestDumpOfFreshLogLikeApache(t *testing.T) {
	server := apachetest.Test(t, apache.Options{JVM: []string{"-Dzookeeper.extendedTypesEnabled=true"}})
	ctx := t.Context()
	c := open(t, server.Addr())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	create := func(path string, data []byte, mode proto.CreateMode, ttl int64) {
		t.Helper()
		_, _, err := c.Create(ctx, path, data, proto.OpenACL, mode, ttl)
		must(err)
	}
	acl := []proto.ACL{{Perms: proto.PermRead, ID: proto.WorldAnyone}, {Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: "a,b}%:fyVmFCwVbTJYrznoSu1koqYEYF0="}}}
	create("/app", []byte("root"), proto.Persistent, 0)
	create("/app/null", nil, proto.Persistent, 0)
	create("/app/empty", []byte{}, proto.Persistent, 0)
	create("/app/节点-é", []byte("数据 ✓ 😀\nline\r\n"), proto.Persistent, 0)
	create("/app/a,b}c%d", []byte{0, 1, 0x7f, 0x80, 0xc3, 0xff, 0xed, 0xa0, 0x80, 0xf0, 0x9f}, proto.Persistent, 0)
	create("/app/seq-", []byte("1"), proto.PersistentSequential, 0)
	create("/app/eph", []byte("e"), proto.Ephemeral, 0)
	create("/app/eph,}%", nil, proto.Ephemeral, 0)
	create("/app/container", []byte("c"), proto.Container, 0)
	create("/app/ttl", []byte("t"), proto.PersistentTTL, 3_600_000)
	_, err := c.Set(ctx, "/app", []byte("changed\n"), -1)
	must(err)
	_, err = c.SetACL(ctx, "/app/empty", acl, -1)
	must(err)
	_, err = c.Multi(ctx, []proto.MultiOp{
		client.CreateOp("/app/m", []byte{0xff, 'x', '\n'}, acl, proto.Persistent, 0),
		{Type: proto.OpSetData, Request: &proto.SetDataRequest{Path: "/app", Data: []byte("m"), Version: -1}},
		{Type: proto.OpCheck, Request: &proto.PathVersionRequest{Path: "/app/m", Version: 0}},
		{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: "/app/null", Version: -1}},
	})
	must(err)
	_, _ = c.Multi(ctx, []proto.MultiOp{
		client.CreateOp("/app/fails", nil, proto.OpenACL, proto.Persistent, 0),
		{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: "/app/absent", Version: -1}},
	})
	create("/lines", nil, proto.Persistent, 0)
	for i := range 12 { // the parent's cversion, where a multi's text ends, passes the line break
		_, err = c.Multi(ctx, []proto.MultiOp{client.CreateOp(fmt.Sprintf("/lines/%d", i), nil, proto.OpenACL, proto.Persistent, 0)})
		must(err)
	}
	_ = c.Delete(ctx, "/app/absent", -1)
	must(c.Delete(ctx, "/app/container", -1))
	must(c.Close())
	must(server.Shutdown())
	log := filepath.Join(server.Dir(), "version-2", "log.1")
	got := txnlog(t, "", "dump", log)
	sameText(t, got.out, toolkit(t, "UTC", "-d", log))
	if n := strings.Count(got.out, "\n"); got.exit != 0 || n < 40 {
		t.Errorf("exit code %d, %d lines: %s", got.exit, n, got.err)
	}
}

// writeTxns writes transactions to a new log.
func writeTxns(t testing.TB, path string, txns ...proto.TxnEntry) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := storage.NewRawLogWriter(f, proto.FileHeader{Magic: proto.LogMagic, Version: proto.LogVersion})
	for i := range txns {
		raw := jute.Marshal(&txns[i])
		if err := w.WriteEntry(raw, adler(raw)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// hostileBytes are bytes many of which start a UTF-8 sequence, and few complete one.
func hostileBytes(r *rand.Rand) []byte {
	pieces := []string{"\xc0", "\xc2", "\xdf", "\xe0", "\xe1", "\xed", "\xef", "\xf0", "\xf1", "\xf4", "\xf5", "\xff",
		"\x80", "\x8f", "\x90", "\x9f", "\xa0", "\xbf", "a", "é", "中", "😀", "\n"}
	b := make([]byte, 0, 16)
	for range r.IntN(9) {
		b = append(b, pieces[r.IntN(len(pieces))]...)
	}
	return b
}

// TestDumpDecodesTextAsJava compares invalid UTF-8, and times in several zones.
func TestDumpDecodesTextAsJava(t *testing.T) {
	apachetest.Require(t)
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	for _, zone := range []string{"UTC", "America/New_York", "Europe/Berlin"} {
		t.Run(zone, func(t *testing.T) {
			where, err := time.LoadLocation(zone)
			if err != nil {
				t.Skip(err)
			}
			time.Local = where
			r := rand.New(rand.NewPCG(1, uint64(len(zone))))
			var txns []proto.TxnEntry
			for i := range 3000 {
				txns = append(txns, proto.TxnEntry{
					Header: proto.TxnHeader{ClientID: int64(r.Uint64()), Cxid: int32(r.Uint32()), Zxid: int64(i + 1),
						Time: int64(r.Uint64N(2_000_000_000_000)), Type: proto.OpSetData},
					Body: &proto.SetDataTxn{Path: "/" + string(hostileBytes(r)), Data: hostileBytes(r), Version: int32(r.Uint32())},
				}, proto.TxnEntry{
					Header: proto.TxnHeader{Zxid: int64(i + 1), Time: int64(i), Type: proto.OpDelete},
					Body:   &proto.DeleteTxn{Path: "/" + string(hostileBytes(r)) + ",%}\r\x00"},
				})
			}
			log := filepath.Join(t.TempDir(), "log.1")
			writeTxns(t, log, txns...)
			sameText(t, txnlog(t, "", "dump", log).out, toolkit(t, zone, "-d", log))
		})
	}
}

// TestChopAndRecoverLikeApache compares the files.
func TestChopAndRecoverLikeApache(t *testing.T) {
	in := apachetest.Require(t)
	dir := t.TempDir()
	for _, name := range []string{"standalone/version-2/log.1", "ensemble/server1/version-2/log.100000001"} {
		src := filepath.Join("testdata", filepath.FromSlash(name))
		for _, zxid := range []string{"0x10", "0x100000020", "0x200000001"} {
			theirs, ours := filepath.Join(dir, "theirs"), filepath.Join(dir, "ours")
			_ = os.Remove(ours)
			out, err := in.JavaCommand(t.Context(), "org.apache.zookeeper.server.util.LogChopper", zxid, src, theirs).Output()
			got := txnlog(t, "", "chop", zxid, src, ours)
			if (err == nil) != (got.exit == 0) {
				t.Errorf("%s at %s: exit code %d, Apache's %v", name, zxid, got.exit, err)
			}
			if err == nil {
				sameText(t, got.out, string(out))
				if readFile(t, ours) != readFile(t, theirs) {
					t.Errorf("%s at %s: the copies differ", name, zxid)
				}
			} else if _, err := os.Stat(ours); err == nil {
				t.Errorf("%s at %s: a copy was left", name, zxid)
			}
		}
	}
	log := filepath.Join(dir, "log.crc")
	if err := os.WriteFile(log, []byte(readFile(t, "testdata/damaged/log.crc")), 0o600); err != nil {
		t.Fatal(err)
	}
	txnlog(t, "", "recover", "-y", log)
	ours := readFile(t, log+".fixed")
	_ = os.Remove(log + ".fixed")
	toolkit(t, "UTC", "-r", "-y", log)
	if theirs := readFile(t, log+".fixed"); ours != theirs {
		t.Errorf("recovered files differ: %d bytes, Apache's %d", len(ours), len(theirs))
	}
}

// TestFollowLiveServer follows a server across a restart, when it starts another log.
func TestFollowLiveServer(t *testing.T) {
	server := apachetest.Test(t, apache.Options{})
	first := open(t, server.Addr())
	create := func(c *client.Conn, path string) {
		t.Helper()
		if _, _, err := c.Create(t.Context(), path, []byte("x"), proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
	}
	create(first, "/before")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &sharedio.Buffer{}
	done := make(chan error, 1)
	go func() {
		done <- runDump(ctx, &dumpOptions{Streams: streams("", out, out), Args: []string{server.Dir()}, Format: formatToolkit, Tail: -1, Follow: true})
	}()
	awaitText(t, out, " /before,x,")
	create(first, "/during")
	awaitText(t, out, " /during,x,")
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	create(open(t, server.Addr()), "/after")
	awaitText(t, out, " /after,x,")
	cancel()
	if err := <-done; err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
	if n := strings.Count(out.String(), "ZooKeeper Transactional Log File"); n < 2 {
		t.Errorf("%d headers in:\n%s", n, out.String())
	}
}
