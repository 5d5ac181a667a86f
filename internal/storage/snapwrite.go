package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// SnapshotOptions control how a snapshot is written.
type SnapshotOptions struct {
	Compression       string // "", "gz" or "snappy"
	LastProcessedZxid bool   // add what 3.9 adds
	NoDigest          bool   // omit the digest, as a server with digest.enabled=false does
	Replace           bool   // replace an existing file of that name
}

// snapshotDBID is what ZooKeeper puts into the header of every snapshot.
const snapshotDBID = -1

// WriteSnapshot writes the tree to a new file, as SnapshotFile does. The znodes are sorted, so
// that equal trees give equal files.
func WriteSnapshot(path string, t *ztree.Tree, opt SnapshotOptions) error {
	f, err := CreateSnapshot(path, opt)
	if err != nil {
		return err
	}
	c := jute.NewEncoder(nil)
	body := snapshotBody{Codec: c}
	body.begin(t, false)
	for path, n := range t.All() {
		body.node(path, n)
		if b := c.Bytes(); len(b) >= 64<<10 {
			if _, err := f.Write(b); err != nil {
				f.Abandon()
				return err
			}
			*c = *jute.NewEncoder(b[:0])
		}
	}
	body.end()
	_, _ = f.Write(c.Bytes()) // Commit reports the error
	state := SnapshotState{Zxid: t.LastZxid()}
	if !opt.NoDigest {
		state.Digest = t.Digest()
	}
	return f.Commit(state)
}

// SnapshotState is the state of a tree when the last of its znodes had been encoded.
type SnapshotState struct {
	Zxid   int64 // the last transaction
	Digest int64
}

// SnapshotFile writes a snapshot of mode 0600 under a temporary name, and renames it once it is
// complete and on disk. It is written with what SnapshotStream yields. It is not safe for
// concurrent use.
type SnapshotFile struct {
	path     string
	opt      SnapshotOptions
	f        *atomicfile.File
	buffered *bufio.Writer
	dst      io.WriteCloser
	adler    uint32
	err      error
}

// CreateSnapshot starts a snapshot. It fails if path exists, unless Replace is set. ZooKeeper
// takes the zxid and the compression from the name (SnapshotName), so a name that implies another
// compression is refused.
func CreateSnapshot(path string, opt SnapshotOptions) (*SnapshotFile, error) {
	s := &SnapshotFile{path: path, opt: opt, adler: 1}
	if err := s.create(); err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	return s, nil
}

func (s *SnapshotFile) create() error {
	if named := CompressionOfName(s.path); named != s.opt.Compression {
		return fmt.Errorf("the name %s implies compression %q, not %q", filepath.Base(s.path), named, s.opt.Compression)
	}
	begin := atomicfile.Create
	if s.opt.Replace {
		begin = atomicfile.Replace
	}
	var err error
	if s.f, err = begin(s.path); err != nil {
		return err
	}
	s.buffered = bufio.NewWriterSize(s.f, 256<<10)
	if s.dst, err = compress(s.buffered, s.opt.Compression); err != nil {
		s.Abandon()
		return err
	}
	header := proto.FileHeader{Magic: proto.SnapMagic, Version: proto.SnapVersion, DBID: snapshotDBID}
	s.write(jute.Marshal(&header))
	return nil
}

func (s *SnapshotFile) write(b []byte) {
	if s.err != nil {
		return
	}
	s.adler = adlerSum(s.adler, b)
	_, s.err = s.dst.Write(b)
}

// Write implements io.Writer. After an error it writes nothing more, and Commit fails.
func (s *SnapshotFile) Write(b []byte) (int, error) {
	if s.write(b); s.err != nil {
		return 0, s.err
	}
	return len(b), nil
}

// Commit adds what follows the znodes and gives the file its name.
func (s *SnapshotFile) Commit(state SnapshotState) error {
	s.seal(nil)
	if !s.opt.NoDigest {
		c := jute.NewEncoder(nil)
		digest := proto.TxnDigest{Version: proto.DigestVersion, TreeDigest: state.Digest}
		c.Long(&state.Zxid)
		digest.Visit(c)
		s.seal(c.Bytes())
	}
	if s.opt.LastProcessedZxid {
		c := jute.NewEncoder(nil)
		c.Long(&state.Zxid)
		s.seal(c.Bytes())
	}
	if err := s.publish(); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// seal writes b and the checksum of everything up to there (SnapStream.sealStream).
func (s *SnapshotFile) seal(b []byte) {
	s.write(b)
	c := jute.NewEncoder(nil)
	sum, end := int64(s.adler), "/"
	c.Long(&sum)
	c.String(&end)
	s.write(c.Bytes())
}

func (s *SnapshotFile) publish() error {
	defer s.f.Abandon()
	if err := errors.Join(s.err, s.dst.Close(), s.buffered.Flush()); err != nil {
		return err
	}
	return s.f.Commit()
}

// Abandon discards the file. It must not be called after Commit.
func (s *SnapshotFile) Abandon() { s.f.Abandon() }
