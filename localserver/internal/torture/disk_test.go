//go:build unix

package torture

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/localserver/internal/replica"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// fill writes numbered znodes until the server fails, and returns how many of them were
// acknowledged, and the error.
func fill(t *testing.T, addr string, from int, limit int) (acked int, failure error) {
	t.Helper()
	w, err := wiretest.Dial(addr, time.Minute, nil)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	const window = 16
	for sent := from; sent < limit || acked < limit-from; {
		for sent < limit && sent-from-acked < window {
			w.Queue(proto.OpCreate, wiretest.Create(nth(sent), make([]byte, 2000), proto.Persistent))
			sent++
		}
		if err := w.Flush(); err != nil {
			return acked, err
		}
		p, err := w.Receive()
		if err != nil {
			return acked, err
		}
		if p.Err != 0 {
			t.Fatalf("create %d: %v", from+acked, p.Err)
		}
		acked++
	}
	return acked, nil
}

func nth(n int) string { return fmt.Sprintf("/n%06d", n) }

// present returns how many of the numbered znodes exist, without a gap.
func present(t *testing.T, addr string) int {
	t.Helper()
	w, err := wiretest.Dial(addr, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	n := 0
	for path := range readState(t, w, "/") {
		if strings.HasPrefix(path, "/n") {
			n++
		}
	}
	for i := range n {
		if err := w.Call(proto.OpExists, &proto.PathWatchRequest{Path: nth(i)}, nil); err != nil {
			t.Fatalf("of %d znodes number %d is not there: %v", n, i, err)
		}
	}
	return n
}

// testFullDisk fills a server's disk. The server must stop, say why, and have everything that it
// acknowledged once there is space again.
func testFullDisk(t *testing.T, c *child, room func(), said string) {
	t.Helper()
	acked, err := fill(t, c.addr, 0, 100_000)
	if err == nil {
		t.Fatal("a full disk is no obstacle")
	}
	if c.out.Scan(); !strings.HasPrefix(c.out.Text(), "failed: ") {
		t.Errorf("after the failure of a write the server says %q", c.out.Text())
	}
	if err := c.cmd.Wait(); err == nil {
		t.Error("the server ends as if all was well")
	}
	if log := c.log.String(); !strings.Contains(log, "Severe unrecoverable error") || !strings.Contains(log, said) {
		t.Errorf("the log does not say %q", said)
	}
	room()
	c.start()
	n := present(t, c.addr)
	if n < acked {
		t.Errorf("%d writes were acknowledged, %d are there", acked, n)
	}
	if more, err := fill(t, c.addr, n, n+10); err != nil {
		t.Errorf("write %d after the restart: %v", more, err)
	}
	c.kill()
	checkFiles(t, c.opt.Dir)
}

// TestFileLimit makes the disk fail with a limit on file size.
func TestFileLimit(t *testing.T) {
	for name, properties := range map[string]map[string]string{
		"a log that cannot grow":            {"preAllocSize": "64"},
		"a log that cannot be preallocated": {"preAllocSize": "4096"},
	} {
		t.Run(name, func(t *testing.T) {
			c := startChild(t, childOptions{FileLimit: 1 << 20, Properties: properties})
			testFullDisk(t, c, func() { c.opt.FileLimit = 0 }, "file too large")
		})
	}
}

// TestSnapshotFails makes snapshots fail, which exceed the limit, while the logs are short. The
// server reports that and continues: the logs have everything.
func TestSnapshotFails(t *testing.T) {
	c := startChild(t, childOptions{FileLimit: 1 << 20, Properties: map[string]string{"preAllocSize": "64", "snapCount": "50"}})
	acked, err := fill(t, c.addr, 0, 1500)
	if err != nil {
		t.Fatal(err)
	}
	await.That(t, patience, "the log tells", func() bool { return strings.Contains(c.log.String(), "Snapshot failed") })
	c.kill()
	checkFiles(t, c.opt.Dir)
	c.opt.FileLimit = 0
	c.start()
	if n := present(t, c.addr); n != acked {
		t.Errorf("%d writes were acknowledged, %d are there", acked, n)
	}
	left, err := filepath.Glob(filepath.Join(c.opt.Dir, "version-2", ".snapshot*"))
	if err != nil || len(left) > 1 { // one may have been in progress
		t.Errorf("snapshots that were begun are left: %v, %v", left, err)
	}
}

// TestUnwritable starts a server on a read-only folder.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, log: sharedio.Buffer{Keep: 4 << 20}, opt: childOptions{Dir: filepath.Join(file, "data"), Port: freePort(t)}}
	if err := c.launch(); err == nil {
		c.kill()
		t.Fatal("it starts")
	}
	if log := c.log.String(); !strings.Contains(log, file) {
		t.Errorf("the error does not name the folder: %s", log)
	}
}

// TestSyncFails makes a sync of the disk fail. Neither the writes that wait for it nor later ones
// may be acknowledged, although the system may have them.
func TestSyncFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "version-2")
	log := sharedio.Buffer{Keep: 4 << 20}
	failed := make(chan error, 2)
	opt := replica.Options{ID: 1, DataDir: dir, LogDir: dir, Log: zklog.New(&log, "", zklog.Info), Failed: func(err error) { failed <- err }}
	s, err := replica.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("input/output error")
	var syncs, after atomic.Int32
	var broadcast *zab.Broadcast
	var ready sync.WaitGroup
	ready.Add(1)
	journal := zab.OpenJournal(zab.JournalOptions{
		Dir: dir,
		Log: storage.LogOptions{Preallocate: 1 << 16, Sync: func(f *os.File) error {
			switch n := syncs.Add(1); {
			case n == 20:
				return broken
			case n > 20:
				after.Add(1) // a second sync may succeed, which means nothing
			}
			return f.Sync()
		}},
		Synced: func(zxid int64) { ready.Wait(); broadcast.Ack(1, zxid) },
		Failed: s.Fail,
		Due:    s.SaveSoon,
	}, s.LastZxid())
	broadcast = zab.NewSolo(s, journal, 1)
	ready.Done()
	s.Lead(broadcast, s.LastZxid())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(ln, replica.Plain); err != nil {
		t.Fatal(err)
	}
	acked, err := fill(t, ln.Addr().String(), 0, 10_000)
	if err == nil {
		t.Fatal("a failing sync is no obstacle")
	}
	select {
	case err := <-failed:
		if !errors.Is(err, broken) {
			t.Errorf("the server fails with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Failed is not called")
	}
	if _, err := wiretest.Dial(ln.Addr().String(), time.Second, nil); err == nil {
		t.Error("the server takes sessions after its disk has failed")
	}
	if !strings.Contains(log.String(), "Severe unrecoverable error") {
		t.Error("the log does not tell")
	}
	s.Close()
	journal.Close()
	if n := after.Load(); n > 0 {
		t.Errorf("%d syncs after the one that failed", n)
	}
	d, err := storage.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree, _, err := d.LoadForServer(false)
	if err != nil {
		t.Fatal(err)
	}
	if tree.Get(nth(acked-1)) == nil {
		t.Errorf("%d writes were acknowledged, the last is not there", acked)
	}
}
