package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// writeBigLog writes a log of at least size bytes, with a busy server's entries.
func writeBigLog(tb testing.TB, size int) string {
	tb.Helper()
	out := jute.Marshal(&proto.FileHeader{Magic: proto.LogMagic, Version: proto.LogVersion})
	data := make([]byte, 200)
	c := jute.NewEncoder(nil)
	for zxid := int64(1); len(out) < size; zxid++ {
		txn := proto.TxnEntry{
			Header: proto.TxnHeader{ClientID: 0x100000001, Cxid: int32(zxid), Zxid: zxid, Time: 1700000000000 + zxid, Type: proto.OpSetData},
			Body:   &proto.SetDataTxn{Path: fmt.Sprintf("/app/service-%05d/config", zxid%10000), Data: data, Version: 1},
			Digest: &proto.TxnDigest{Version: proto.DigestVersion, TreeDigest: zxid},
		}
		if zxid%3 == 0 {
			txn.Header.Type = proto.OpCreate
			txn.Body = &proto.CreateTxn{Path: fmt.Sprintf("/app/node-%010d", zxid), Data: data, ACL: proto.OpenACL}
		}
		*c = *jute.NewEncoder(c.Bytes()[:0])
		txn.Visit(c)
		raw := c.Bytes()
		out = binary.BigEndian.AppendUint64(out, uint64(adler32.Checksum(raw)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(raw)))
		out = append(append(out, raw...), 'B')
	}
	path := filepath.Join(tb.TempDir(), "log.1")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func benchLog(b *testing.B, each func(path string) error) {
	path := writeBigLog(b, 64<<20)
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if err := each(path); err != nil {
			b.Fatal(err)
		}
	}
}

func eachEntry(path string, visit func(e *Entry) error) error {
	r, err := OpenLog(path)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = visit(e)
		}
		if err != nil {
			return err
		}
	}
}

// BenchmarkLogFloor only reads the file and sums it.
func BenchmarkLogFloor(b *testing.B) {
	piece := make([]byte, logWindow)
	benchLog(b, func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := adler32.New()
		_, err = io.CopyBuffer(sum, struct{ io.Reader }{f}, piece)
		return err
	})
}

func BenchmarkLogNext(b *testing.B) {
	benchLog(b, func(path string) error { return eachEntry(path, func(*Entry) error { return nil }) })
}

func BenchmarkLogView(b *testing.B) {
	var txn proto.TxnEntry
	benchLog(b, func(path string) error { return eachEntry(path, func(e *Entry) error { return e.View(&txn) }) })
}

func BenchmarkLogDecode(b *testing.B) {
	var txn proto.TxnEntry
	benchLog(b, func(path string) error { return eachEntry(path, func(e *Entry) error { return e.Decode(&txn) }) })
}
