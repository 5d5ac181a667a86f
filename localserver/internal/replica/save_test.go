package replica

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await/awaittest"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// openFull opens a member without a role whose tree has n znodes.
func openFull(t *testing.T, n int) (*Replica, func()) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "version-2")
	s, err := Open(Options{ID: 1, DataDir: dir, Log: zklog.New(os.Stderr, "", zklog.Warn)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	zxid := int64(0)
	add := func() {
		zxid++
		body := &proto.CreateTxn{Path: fmt.Sprintf("/z%07d", zxid), Data: make([]byte, 100), ACL: proto.OpenACL, ParentCVersion: int32(zxid)}
		p := &zab.Proposal{Txn: proto.TxnEntry{Header: proto.TxnHeader{Zxid: zxid, Type: proto.OpCreate}, Body: body}}
		p.Raw = jute.Marshal(&p.Txn)
		s.Apply(p)
	}
	for range n {
		add()
	}
	s.Applied()
	return s, add
}

func TestSnapshotWhileTheTreeChanges(t *testing.T) {
	s, add := openFull(t, 50_000)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				add()
				s.Applied()
			}
		}
	}()
	path, zxid, err := s.Save()
	close(stop)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	tree, _, err := new(storage.Dir).ReadTree(storage.File{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if zxid < 50_000 || int64(tree.Len()) < 50_000 {
		t.Errorf("the snapshot at %d has %d znodes", zxid, tree.Len())
	}
}

// sendSlowly sends a snapshot to a writer that waits until it may continue.
func sendSlowly(s *Replica) (w *slowWriter, done chan error) {
	w, done = &slowWriter{wait: make(chan struct{})}, make(chan error)
	go func() {
		v, err := s.Snapshot()
		if err == nil {
			err = v.Send(w)
		}
		done <- err
	}()
	return w, done
}

// TestSlowSnapshotWriter shows that a slow writer of a snapshot neither blocks the loop nor keeps
// it busy.
func TestSlowSnapshotWriter(t *testing.T) {
	s, _ := openFull(t, 50_000)
	w, done := sendSlowly(s)
	for range 1000 {
		began := awaittest.Start()
		s.Applied()
		if took, late := began.Late(500 * time.Millisecond); late {
			t.Fatalf("the loop stood still for %v", took)
		}
	}
	close(w.wait)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	tree, err := storage.ReadStream(&w.Buffer, 50_000)
	if err != nil || tree.Len() != 50_004 {
		t.Fatalf("the stream has %v znodes, %v", tree, err)
	}
}

type slowWriter struct {
	bytes.Buffer
	wait chan struct{}
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.wait
	return w.Buffer.Write(p)
}

func TestCloseWhileASnapshotIsWritten(t *testing.T) {
	s, _ := openFull(t, 50_000)
	w, done := sendSlowly(s)
	s.Applied()
	s.Close()
	close(w.wait)
	if err := <-done; err == nil {
		t.Error("a snapshot that was cut short is called whole")
	}
}

// What is applied after the end of a role may have to be truncated. An unfinished snapshot must not
// preserve it.
func TestRetireWhileASnapshotIsWritten(t *testing.T) {
	s, _ := openFull(t, 50_000)
	files := func() (names []string) {
		entries, err := os.ReadDir(s.opt.DataDir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	before := files()
	s.SaveSoon()
	s.Applied()
	s.Retire()
	for writing := true; writing; {
		s.do(func() { writing = s.saves })
	}
	if after := files(); !slices.Equal(after, before) {
		t.Errorf("%v is on disk", after)
	}
}

// A leader sends snapshots before it has a quorum. They must not be interrupted when it gets one.
func TestLeadWhileASnapshotIsSent(t *testing.T) {
	s, _ := openFull(t, 50_000)
	w, done := sendSlowly(s)
	for begun := false; !begun; {
		s.do(func() { begun = len(s.savings) > 0 })
	}
	s.Lead(nil, 1<<32)
	close(w.wait)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The leader's snapshot replaces one of the same zxid, whatever that contains: nothing else is
// kept.
func TestRestoreOverASnapshot(t *testing.T) {
	s, _ := openFull(t, 10)
	tree := ztree.New()
	tree.Apply(&proto.TxnHeader{Zxid: 20, Type: proto.OpCreate}, &proto.CreateTxn{Path: "/leaders", ACL: proto.OpenACL, ParentCVersion: 1})
	path := filepath.Join(s.opt.DataDir, storage.SnapshotName(20, ""))
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	stream, _ := storage.NewSnapshotStream(tree, true).Step(nil, 0)
	if err := s.Restore(bytes.NewReader(stream), 20); err != nil {
		t.Fatal(err)
	}
	if saved, _, err := new(storage.Dir).ReadTree(storage.File{Path: path}); err != nil || saved.Get("/leaders") == nil {
		t.Errorf("%v is on disk, %v", saved, err)
	}
}
