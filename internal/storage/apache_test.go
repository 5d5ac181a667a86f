package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// Apache ZooKeeper starts on a directory that we wrote: a snapshot of each compression, and a log
// that continues from there; and we read what it then writes.
func TestApacheStartsOnWhatWeWrote(t *testing.T) {
	in := apachetest.Require(t)
	for _, compression := range []string{"", "gz", "snappy"} {
		t.Run("snapshot"+compression, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			tree, _, err := readAlone("testdata/standalone/snapshot.36")
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			version2 := filepath.Join(dir, "version-2")
			if err := os.Mkdir(version2, 0o700); err != nil {
				t.Fatal(err)
			}
			name := SnapshotName(tree.LastZxid(), compression)
			if err := WriteSnapshot(filepath.Join(version2, name), tree, SnapshotOptions{Compression: compression, LastProcessedZxid: compression == "gz"}); err != nil {
				t.Fatal(err)
			}
			w := NewLogWriter(version2, LogOptions{Preallocate: 64 << 10})
			for i := int64(1); i <= 500; i++ {
				txn := &proto.TxnEntry{
					Header: proto.TxnHeader{ClientID: 7, Cxid: int32(i), Zxid: tree.LastZxid() + 1, Time: time.Now().UnixMilli(), Type: proto.OpCreate2},
					Body: &proto.CreateTxn{Path: fmt.Sprintf("/ours-%03d", i), Data: []byte{byte(i)}, ACL: proto.OpenACL,
						ParentCVersion: int32(tree.Get("/").Stat().Cversion) + 1},
				}
				tree.Apply(&txn.Header, txn.Body)
				txn.Digest = &proto.TxnDigest{Version: proto.DigestVersion, TreeDigest: tree.Digest()}
				if err := w.Append(txn); err != nil {
					t.Fatal(err)
				}
				if i == 250 {
					if err := w.Roll(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			d, err := ReadDir(dir)
			if err != nil || len(d.Logs) != 2 || len(d.Snapshots) != 1 {
				t.Fatalf("%+v, %v", d, err)
			}

			s, err := in.Start(ctx, apache.Options{Dir: dir, Properties: map[string]string{"snapshot.compression.method": compression}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			compare(ctx, t, s, tree)
			if err := s.Shutdown(); err != nil {
				t.Fatal(err)
			}
			if log, err := os.ReadFile(s.LogFile()); err != nil || len(log) == 0 || strings.Contains(string(log), "not matching") {
				t.Errorf("the server finds another digest than the log says, or said nothing: %v", err)
			}
			readAll(t, dir)
		})
	}
}

// compare compares what the server has with the tree: paths, data, ACLs and stats of all
// but ephemeral znodes, and writes one znode more.
func compare(ctx context.Context, t *testing.T, s *apache.Server, tree *ztree.Tree) {
	t.Helper()
	c, err := client.Open(client.Config{Servers: s.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for path, n := range tree.All() {
		if n.Owner() != 0 || path == "/" || path == "/zookeeper/config" {
			continue
		}
		data, stat, err := c.Get(ctx, path, false)
		if err != nil {
			if errors.Is(err, proto.ErrNoAuth) {
				continue
			}
			t.Errorf("%s: %v", path, err)
			continue
		}
		want, _ := tree.Stat(path)
		if string(data) != string(n.Data()) || stat.Czxid != want.Czxid || stat.Mzxid != want.Mzxid || stat.Version != want.Version ||
			stat.Aversion != want.Aversion || stat.Ctime != want.Ctime {
			t.Errorf("%s: %+v, want %+v", path, stat, want)
		}
		acl, _, err := c.GetACL(ctx, path)
		if err == nil && fmt.Sprint(acl) != fmt.Sprint(tree.ACL(n.ACL)) {
			t.Errorf("%s: ACL %v, want %v", path, acl, tree.ACL(n.ACL))
		}
	}
	_, stat, err := c.Create(ctx, "/theirs", []byte("x"), proto.OpenACL, proto.Persistent, 0)
	if err != nil || stat.Czxid <= tree.LastZxid() {
		t.Errorf("create: %+v, %v", stat, err)
	}
}

// readAll reads every file of the directory to its end.
func readAll(t *testing.T, dir string) {
	t.Helper()
	d, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	last := int64(0)
	for _, f := range d.Logs {
		if err := eachEntry(f.Path, func(e *Entry) error {
			if e.Header.Zxid <= last || !e.Intact() {
				t.Errorf("%s: zxid %#x after %#x; intact: %v", f.Path, e.Header.Zxid, last, e.Intact())
			}
			last = e.Header.Zxid
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if len(d.Logs) < 3 || len(d.Snapshots) < 2 {
		t.Errorf("the server wrote no files: %+v", d)
	}
	for _, f := range d.Snapshots {
		if err := CheckSnapshot(context.Background(), f.Path); err != nil {
			t.Error(err)
		}
	}
}
