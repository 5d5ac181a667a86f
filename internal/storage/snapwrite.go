package storage

import (
	"bufio"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// SnapshotOptions say how a snapshot is written.
type SnapshotOptions struct {
	Compression       string // "", "gz" or "snappy"
	LastProcessedZxid bool   // add what 3.9 adds
}

// snapshotDBID is what ZooKeeper puts into the header of every snapshot.
const snapshotDBID = -1

// WriteSnapshot writes the tree to a new file of mode 0600, through a temporary file that
// is renamed when it is whole and on disk. It fails when path exists. ZooKeeper takes the
// zxid and the compression from the name (SnapshotName), so a name that announces another
// compression is refused.
func WriteSnapshot(path string, t *ztree.Tree, opt SnapshotOptions) error {
	if err := writeSnapshot(path, t, opt); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

func writeSnapshot(path string, t *ztree.Tree, opt SnapshotOptions) (err error) {
	if named := CompressionOfName(path); named != opt.Compression {
		return fmt.Errorf("the name %s stands for compression %q, not %q", filepath.Base(path), named, opt.Compression)
	}
	exists := &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	if _, err := os.Lstat(path); err == nil {
		return exists
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".snapshot-*.tmp") // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(encodeSnapshot(f, t, opt), f.Sync(), f.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, does not replace a file that has come into being meanwhile.
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return exists
	} else if err != nil {
		if err := os.Rename(f.Name(), path); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// snapshotEncoder encodes records to a stream and sums them.
type snapshotEncoder struct {
	*jute.Codec
	dst io.Writer
	sum hash.Hash32
	err error
}

// flush writes what is encoded.
func (e *snapshotEncoder) flush() {
	b := e.Bytes()
	e.sum.Write(b)
	if e.err == nil {
		_, e.err = e.dst.Write(b)
	}
	*e.Codec = *jute.NewEncoder(b[:0])
}

// seal writes the checksum of everything before it (SnapStream.sealStream).
func (e *snapshotEncoder) seal() {
	e.flush()
	sum, end := int64(e.sum.Sum32()), "/"
	e.Long(&sum)
	e.String(&end)
}

func encodeSnapshot(f *os.File, t *ztree.Tree, opt SnapshotOptions) error {
	buffered := bufio.NewWriterSize(f, 256<<10)
	dst, err := compress(buffered, opt.Compression)
	if err != nil {
		return err
	}
	e := &snapshotEncoder{Codec: jute.NewEncoder(nil), dst: dst, sum: adler32.New()}
	header := proto.FileHeader{Magic: proto.SnapMagic, Version: proto.SnapVersion, DBID: snapshotDBID}
	header.Visit(e.Codec)
	e.sessions(t)
	e.acls(t)
	e.nodes(t)
	e.seal()

	zxid, digest := t.LastZxid(), proto.TxnDigest{Version: proto.DigestVersion, TreeDigest: t.Digest()}
	e.Long(&zxid)
	digest.Visit(e.Codec)
	e.seal()
	if opt.LastProcessedZxid {
		e.Long(&zxid)
		e.seal()
	}
	e.flush()
	return errors.Join(e.err, dst.Close(), buffered.Flush())
}

func (e *snapshotEncoder) sessions(t *ztree.Tree) {
	sessions := t.Sessions()
	e.Count(len(sessions), sessionSize)
	for _, id := range slices.Sorted(maps.Keys(sessions)) {
		timeout := sessions[id]
		e.Long(&id)
		e.Int(&timeout)
	}
}

func (e *snapshotEncoder) acls(t *ztree.Tree) {
	keys := t.ACLKeys()
	e.Count(len(keys), 0)
	for _, key := range keys {
		list := t.ACL(key)
		e.Long(&key)
		jute.Vector(e.Codec, &list, 0)
	}
}

func (e *snapshotEncoder) nodes(t *ztree.Tree) {
	for path, n := range t.All() {
		if path == "/" {
			path = ""
		}
		e.String(&path)
		e.Buffer(&n.Data)
		e.Long(&n.ACL)
		n.Stat.Visit(e.Codec)
		if len(e.Bytes()) >= 64<<10 {
			e.flush()
		}
		if e.err != nil {
			return
		}
	}
	end := "/"
	e.String(&end)
}
