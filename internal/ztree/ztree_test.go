package ztree

import (
	"bytes"
	"encoding/binary"
	"hash/adler32"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// logEntries reads a log as plainly as can be; the storage package has the real reader.
func logEntries(t testing.TB, path string) []proto.TxnEntry {
	t.Helper()
	buf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []proto.TxnEntry
	for buf = buf[16:]; len(buf) > 12 && !bytes.Equal(buf[:12], make([]byte, 12)); {
		n := binary.BigEndian.Uint32(buf[8:])
		raw := buf[12 : 12+n]
		if sum := binary.BigEndian.Uint64(buf); sum != uint64(adler32.Checksum(raw)) {
			t.Fatalf("%s: checksum", path)
		}
		var e proto.TxnEntry
		if err := jute.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
		buf = buf[13+n:]
	}
	return list
}

// Every digest that a server wrote to its log is that of the replayed tree.
func TestReplay(t *testing.T) {
	for name, files := range map[string][]string{
		"standalone": {"standalone/log.1", "standalone/log.38", "standalone/log.73", "standalone/log.78"},
		"ensemble":   {"ensemble/log.100000001", "ensemble/log.200000001"},
	} {
		t.Run(name, func(t *testing.T) {
			tree, compared := New(), 0
			for _, file := range files {
				for _, e := range logEntries(t, filepath.Join("testdata", file)) {
					tree.Apply(&e.Header, e.Body)
					if e.Digest == nil {
						continue
					}
					compared++
					if got := tree.Digest(); got != e.Digest.TreeDigest {
						t.Fatalf("zxid 0x%x %v: digest %d, the log has %d (alt %d)", e.Header.Zxid, e.Header.Type, got, e.Digest.TreeDigest, tree.AltDigest())
					}
				}
			}
			if compared == 0 {
				t.Error("no digest compared")
			}
			if whole := fromScratch(tree); whole != tree.Digest() {
				t.Errorf("kept up to date %d, computed at once %d", tree.Digest(), whole)
			}
		})
	}
}

func fromScratch(t *Tree) int64 {
	sum := uint64(0)
	t.root.under(func(n *Node) {
		if !n.is(hidden) {
			sum += uint64(new(digest).crc(n, crc32.Update(n.pathSum(), crc32.IEEETable, n.Data())))
		}
	})
	return int64(sum)
}
