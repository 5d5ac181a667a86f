package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/tempdir"
	"github.com/zkctl/zkctl/internal/ztree"
)

// SnapshotBuilder writes a snapshot of znodes that come one by one, parents first: the whole tree need not be in memory. In
// the file the table of ACLs precedes them, so until Commit they are in a temporary file. It is not safe for concurrent
// use.
type SnapshotBuilder struct {
	dir    *tempdir.Dir
	body   *os.File
	buffer *bufio.Writer
	codec  *jute.Codec
	keys   map[string]int64 // of ACLs, by their encoding
	lists  [][]byte         // the encodings, in the order of their keys, which start at 1
	digest ztree.DigestSum
}

// NewSnapshotBuilder starts a snapshot.
func NewSnapshotBuilder() (*SnapshotBuilder, error) {
	dir, err := tempdir.Make("snapshot")
	if err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	b := &SnapshotBuilder{dir: dir, codec: jute.NewEncoder(nil), keys: map[string]int64{}}
	if b.body, err = os.OpenFile(filepath.Join(dir.Path(), "znodes"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		_ = dir.Remove()
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	b.buffer = bufio.NewWriterSize(b.body, 256<<10)
	return b, nil
}

// Add adds a znode; "/" is the root. A nil ACL is open to everyone.
func (b *SnapshotBuilder) Add(path string, data []byte, acl []proto.ACL, stat proto.StatPersisted) error {
	if path == "/" {
		path = ""
	}
	key := b.key(acl)
	b.digest.Add(path, data, &stat)
	c := b.codec
	c.String(&path)
	c.Buffer(&data)
	c.Long(&key)
	stat.Visit(c)
	_, err := b.buffer.Write(c.Bytes())
	*c = *jute.NewEncoder(c.Bytes()[:0])
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// openUnsafeACL is the key of world:anyone with all permissions (ReferenceCountedACLCache.OPEN_UNSAFE_ACL_ID).
const openUnsafeACL = -1

func (b *SnapshotBuilder) key(acl []proto.ACL) int64 {
	if acl == nil {
		return openUnsafeACL
	}
	c := jute.NewEncoder(nil)
	jute.Vector(c, &acl, 0)
	key, ok := b.keys[string(c.Bytes())]
	if !ok {
		b.lists = append(b.lists, c.Bytes())
		key = int64(len(b.lists))
		b.keys[string(c.Bytes())] = key
	}
	return key
}

// Commit writes the snapshot of the state after a transaction. sessions are their timeouts in ms.
func (b *SnapshotBuilder) Commit(path string, zxid int64, sessions map[int64]int32, opt SnapshotOptions) error {
	if err := b.buffer.Flush(); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	f, err := CreateSnapshot(path, opt)
	if err != nil {
		return err
	}
	c := jute.NewEncoder(nil)
	encodeSessions(c, sessions)
	c.Count(len(b.lists), 0)
	for i, list := range b.lists {
		key := int64(i + 1)
		c.Long(&key)
		*c = *jute.NewEncoder(append(c.Bytes(), list...))
	}
	_, _ = f.Write(c.Bytes()) // Commit reports the error
	if _, err = b.body.Seek(0, io.SeekStart); err == nil {
		_, err = io.Copy(f, b.body)
	}
	if err != nil {
		f.Abandon()
		return fmt.Errorf("write snapshot: %w", err)
	}
	c = jute.NewEncoder(nil)
	end := "/"
	c.String(&end)
	_, _ = f.Write(c.Bytes())
	return f.Commit(SnapshotState{Zxid: zxid, Digest: b.digest.Digest()})
}

// Close removes the temporary file.
func (b *SnapshotBuilder) Close() error { return errors.Join(b.body.Close(), b.dir.Remove()) }
