package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
)

// benchStart is the time of the first transaction, in milliseconds since 1970.
const benchStart = 1_700_000_000_000

// benchPath returns the path of the n-th znode, below one of 1,000 parents.
func benchPath(n int) string { return fmt.Sprintf("/bench/parent-%03d/node-%07d", n%1000, n/1000) }

// benchTxn returns the n-th transaction, from 0: parents first, then creates and, in the second
// half, setData.
func benchTxn(n, total int, data []byte) proto.TxnEntry {
	e := proto.TxnEntry{Header: proto.TxnHeader{
		ClientID: 0x100000000000000 + int64(n%50), Cxid: int32(n), Zxid: int64(n + 1), Time: benchStart + int64(n), Type: proto.OpCreate,
	}, Digest: &proto.TxnDigest{Version: proto.DigestVersion}}
	switch half := total / 2; {
	case n == 0:
		e.Body = &proto.CreateTxn{Path: "/bench", ACL: proto.OpenACL, ParentCVersion: 1}
	case n <= 1000:
		e.Body = &proto.CreateTxn{Path: fmt.Sprintf("/bench/parent-%03d", n-1), ACL: proto.OpenACL, ParentCVersion: int32(n)}
	case n < half:
		i := n - 1001
		e.Body = &proto.CreateTxn{Path: benchPath(i), Data: data, ACL: proto.OpenACL, ParentCVersion: int32(i/1000 + 1)}
	default:
		e.Header.Type = proto.OpSetData
		e.Body = &proto.SetDataTxn{Path: benchPath((n - half) % (half - 1001)), Data: data, Version: 1}
	}
	return e
}

// writeLogs writes transactions to a number of files of the given total size, and returns their
// paths.
func writeLogs(dir string, entries int, size int64, files int) ([]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// An entry is a header of 32 bytes, about 90 of path and ACL, and 33 around it.
	data := bytes.Repeat([]byte("0123456789abcdef"), int(size/int64(entries))/16+1)[:size/int64(entries)-140]
	tree := ztree.New()
	w := storage.NewLogWriter(dir, storage.LogOptions{})
	for n := range entries {
		if n > 0 && n%(entries/files) == 0 {
			if err := w.Roll(); err != nil {
				return nil, err
			}
		}
		e := benchTxn(n, entries, data)
		tree.Apply(&e.Header, e.Body)
		e.Digest.TreeDigest = tree.Digest()
		if err := w.Append(&e); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(dir, "log.*"))
}

// writeSnapshot writes a snapshot of znodes with size bytes each. The last shift of them have other
// names than with a shift of 0.
func writeSnapshot(dir string, znodes, size, shift int) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	tree := ztree.New()
	for n := range znodes {
		e := benchTxn(n, 2*znodes, data)
		if n >= znodes-shift {
			e.Body.(*proto.CreateTxn).Path += "-other"
		}
		tree.Apply(&e.Header, e.Body)
	}
	path := filepath.Join(dir, fmt.Sprintf("snapshot.%x", tree.LastZxid()))
	return path, storage.WriteSnapshot(path, tree, storage.SnapshotOptions{})
}
