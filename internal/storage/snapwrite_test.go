package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteSnapshot(t *testing.T) {
	tree, _, err := readAlone("testdata/standalone/snapshot.36")
	if err != nil {
		t.Fatal(err)
	}
	for _, compression := range []string{"", "gz", "snappy"} {
		for _, last := range []bool{false, true} {
			t.Run(fmt.Sprint(compression, last), func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, SnapshotName(tree.LastZxid(), compression))
				opt := SnapshotOptions{Compression: compression, LastProcessedZxid: last}
				if err := WriteSnapshot(path, tree, opt); err != nil {
					t.Fatal(err)
				}
				again, tr, err := readAlone(path)
				if err != nil || again.Digest() != tree.Digest() || again.Len() != tree.Len() || again.LastZxid() != tree.LastZxid() {
					t.Errorf("read back: %v", err)
				}
				if len(again.Sessions()) != len(tree.Sessions()) || len(again.ACLKeys()) != len(tree.ACLKeys()) {
					t.Errorf("sessions %v, ACLs %v", again.Sessions(), again.ACLKeys())
				}
				if tr.Digest == nil || tr.Digest.TreeDigest != tree.Digest() || (tr.LastProcessedZxid == tree.LastZxid()) != last {
					t.Errorf("trailer %+v", tr)
				}
				before, _ := os.ReadFile(path)
				if err := WriteSnapshot(path, tree, opt); !errors.Is(err, fs.ErrExist) {
					t.Errorf("written twice: %v", err)
				}
				if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
					t.Error("the snapshot was changed")
				}
				if left, _ := os.ReadDir(dir); len(left) != 1 {
					t.Errorf("left behind: %v", left)
				}
				if info, _ := os.Stat(path); os.PathSeparator == '/' && info.Mode().Perm() != 0o600 {
					t.Errorf("mode %v", info.Mode())
				}
			})
		}
	}
	if err := WriteSnapshot(filepath.Join(t.TempDir(), "snapshot.1.gz"), tree, SnapshotOptions{}); err == nil {
		t.Error("a plain snapshot was written under the name of a compressed one")
	}
}
