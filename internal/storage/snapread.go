package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unsafe"

	"github.com/zkctl/zkctl/internal/proto"
)

// Session is an open session in a snapshot. Timeout is in milliseconds.
type Session struct {
	ID      int64
	Timeout int32
}

// Node is a znode of a snapshot. Data is valid until the next call of Next.
type Node struct {
	Path   string // "" is the root, as in the file
	Data   []byte // nil if null
	ACL    int64  // a key of the snapshot's ACL table; -1 is world:anyone with all permissions
	Stat   proto.StatPersisted
	Offset int64 // in the uncompressed snapshot
}

// SnapshotReader reads a snapshot, plain or compressed, streaming: it holds the sessions,
// the ACL table and one znode at a time.
type SnapshotReader struct {
	f           fs.File
	name        string
	size        int64
	compression string
	w           *window
	header      proto.FileHeader
	sessions    []Session
	acls        map[int64][]proto.ACL
	node        Node
	znodes      int
	trailer     Trailer
	next        error // if not nil, what the next call of Next returns
	views       bool
	path        []byte // that node.Path is a view of
}

// ViewPaths makes a Path valid only until the next call of Next, as Data is, which is faster.
func (r *SnapshotReader) ViewPaths() { r.views = true }

// OpenSnapshot opens a snapshot and reads its header, sessions and ACL table. The compression
// follows from the name's suffix, as in ZooKeeper (SnapStream.getStreamMode).
func OpenSnapshot(path string) (*SnapshotReader, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	return newSnapshotReader(f, path)
}

func newSnapshotReader(f fs.File, name string) (*SnapshotReader, error) {
	r := &SnapshotReader{f: f, name: name, compression: CompressionOfName(name), trailer: Trailer{LastProcessedZxid: -1}}
	if err := r.open(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *SnapshotReader) open() error {
	info, err := r.f.Stat()
	if err != nil {
		return fmt.Errorf("open snapshot: %w", err)
	}
	if info.IsDir() {
		return fmt.Errorf("open snapshot: %s is a directory", r.name)
	}
	r.size = info.Size()
	if r.size == 0 {
		return &Fault{File: r.name, Kind: NotAFile, Err: errors.New("the file is empty"), Meaning: "it holds no znodes; " + PassedOver}
	}
	src, err := decompress(r.f, r.size, r.compression)
	if err != nil {
		return &Fault{File: r.name, Kind: NotAFile, Meaning: "it is not ." + r.compression + " file; " + PassedOver,
			Err: fmt.Errorf("decompress: %w", err)}
	}
	known := int64(-1)
	if r.compression == "" {
		known = r.size
	}
	r.w = newWindow(src, known)
	if err := r.readHeader(); err != nil {
		return err
	}
	if err := r.readSessions(); err != nil {
		return err
	}
	return r.readACLs()
}

func (r *SnapshotReader) readHeader() error {
	b, err := r.w.need(fileHeaderSize)
	if err != nil {
		if f := (*Fault)(nil); errors.As(r.explain(0, err), &f) && f.Kind != CutOff {
			return f
		}
		return &Fault{File: r.name, Kind: NotAFile, Err: errors.New("the file ends inside its header"), Meaning: "it holds no znodes; " + PassedOver}
	}
	h := proto.FileHeader{
		Magic:   int32(binary.BigEndian.Uint32(b)),
		Version: int32(binary.BigEndian.Uint32(b[4:])),
		DBID:    int64(binary.BigEndian.Uint64(b[8:])),
	}
	switch {
	case h.Magic == proto.LogMagic:
		return &Fault{File: r.name, Kind: BadMagic, Err: errors.New("this is a transaction log, not a snapshot"),
			Remedy: ReadAsLog}
	case h.Magic != proto.SnapMagic:
		return &Fault{File: r.name, Kind: BadMagic, Err: fmt.Errorf("the file starts with %q instead of \"ZKSN\"", b[:4]),
			Meaning: "it is not a snapshot, or its first bytes are damaged; " + PassedOver}
	case h.Version != proto.SnapVersion:
		return &Fault{File: r.name, Offset: 4, Kind: BadVersion, Err: fmt.Errorf("unknown format version %d; only %d is supported", h.Version, proto.SnapVersion)}
	}
	r.header = h
	r.w.consume(fileHeaderSize)
	return nil
}

const sessionSize = 8 + 4

func (r *SnapshotReader) readSessions() error {
	start := r.w.offset()
	n, err := r.w.count(sessionSize)
	if err != nil {
		return r.explain(start, err)
	}
	for ; n > 0; n-- {
		b, err := r.w.need(sessionSize)
		if err != nil {
			return r.explain(r.w.offset(), err)
		}
		r.sessions = append(r.sessions, Session{
			ID:      int64(binary.BigEndian.Uint64(b)),
			Timeout: int32(binary.BigEndian.Uint32(b[8:])),
		})
		r.w.consume(sessionSize)
	}
	return nil
}

func (r *SnapshotReader) readACLs() error {
	start := r.w.offset()
	n, err := r.w.count(8 + 4)
	if err != nil {
		return r.explain(start, err)
	}
	r.acls = make(map[int64][]proto.ACL, min(n, 1<<10))
	for ; n > 0; n-- {
		start = r.w.offset()
		key, err := r.w.long()
		if err != nil {
			return r.explain(start, err)
		}
		entries, err := r.w.count(4 + 4 + 4)
		if err != nil {
			return r.explain(start, err)
		}
		var list []proto.ACL
		for ; entries > 0; entries-- {
			var acl proto.ACL
			perms, err := r.w.int()
			acl.Perms = proto.Perms(perms)
			if err == nil {
				acl.ID.Scheme, err = r.w.string()
			}
			if err == nil {
				acl.ID.ID, err = r.w.string()
			}
			if err != nil {
				return r.explain(start, err)
			}
			list = append(list, acl)
		}
		r.acls[key] = list
	}
	return nil
}

// Name returns the path of the file as it was opened.
func (r *SnapshotReader) Name() string { return r.name }

// Size returns the (compressed) size of the file in bytes when it was opened.
func (r *SnapshotReader) Size() int64 { return r.size }

// Header returns the header of the file.
func (r *SnapshotReader) Header() proto.FileHeader { return r.header }

// Sessions returns the open sessions in file order.
func (r *SnapshotReader) Sessions() []Session { return r.sessions }

// ACLs returns the table of ACLs by the keys that znodes have.
func (r *SnapshotReader) ACLs() map[int64][]proto.ACL { return r.acls }

// Offset returns the offset of the next byte in the uncompressed snapshot.
func (r *SnapshotReader) Offset() int64 { return r.w.offset() }

// Close closes the file.
func (r *SnapshotReader) Close() error { return r.f.Close() }

// nodeTail is what follows a znode's data: the ACL key and the stat.
const nodeTail = 8 + proto.StatPersistedSize

// Next returns the next znode, parents before children; io.EOF after the last one, once the rest
// of the file has been read and checked; or a *Fault, which every later call returns again. If
// the fault is a wrong checksum, all znodes have been returned.
func (r *SnapshotReader) Next() (*Node, error) {
	if r.next != nil {
		return nil, r.next
	}
	node, err := r.readNode()
	if err != nil {
		if err != io.EOF {
			err = r.explain(r.node.Offset, err)
		}
		r.next = err
		return nil, err
	}
	r.znodes++
	return node, nil
}

func (r *SnapshotReader) readNode() (*Node, error) {
	n := &r.node
	n.Offset = r.w.offset()
	path, err := r.w.length(0)
	if err != nil {
		return nil, err
	}
	path = max(path, 0)
	if path == 1 {
		b, err := r.w.need(4 + 1)
		if err != nil {
			return nil, err
		}
		if b[4] == '/' {
			r.w.consume(4 + 1)
			n.Offset = r.w.offset()
			return nil, r.readTrailer()
		}
	}
	data, err := r.w.length(4 + path)
	if err != nil {
		return nil, err
	}
	dataEnd := 4 + path + 4 + max(data, 0)
	b, err := r.w.need(dataEnd + nodeTail)
	if err != nil {
		return nil, err
	}
	if r.views {
		r.path = append(r.path[:0], b[4:4+path]...)
		n.Path = unsafe.String(unsafe.SliceData(r.path), len(r.path))
	} else {
		n.Path = string(b[4 : 4+path])
	}
	n.Data = nil
	if data >= 0 {
		n.Data = b[dataEnd-data : dataEnd : dataEnd]
	}
	tail := b[dataEnd : dataEnd+nodeTail]
	n.ACL = int64(binary.BigEndian.Uint64(tail))
	decodeStat(tail[8:], &n.Stat)
	r.w.consume(dataEnd + nodeTail)
	return n, nil
}

// decodeStat decodes a StatPersisted faster than its Visit, which reads field by field.
func decodeStat(b []byte, s *proto.StatPersisted) {
	b = b[:proto.StatPersistedSize]
	s.Czxid = int64(binary.BigEndian.Uint64(b))
	s.Mzxid = int64(binary.BigEndian.Uint64(b[8:]))
	s.Ctime = int64(binary.BigEndian.Uint64(b[16:]))
	s.Mtime = int64(binary.BigEndian.Uint64(b[24:]))
	s.Version = int32(binary.BigEndian.Uint32(b[32:]))
	s.Cversion = int32(binary.BigEndian.Uint32(b[36:]))
	s.Aversion = int32(binary.BigEndian.Uint32(b[40:]))
	s.EphemeralOwner = int64(binary.BigEndian.Uint64(b[44:]))
	s.Pzxid = int64(binary.BigEndian.Uint64(b[52:]))
}

// explain turns an error at an offset of the uncompressed snapshot into a *Fault.
func (r *SnapshotReader) explain(offset int64, err error) error {
	f := &Fault{File: r.name, Offset: offset, Err: err}
	if errors.As(err, new(*os.PathError)) {
		return fmt.Errorf("read %s at byte %d: %w", r.name, offset, err)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		f.Kind, f.Err = CutOff, errors.New("the file ends inside a record")
	case errors.Is(err, errLength):
		f.Kind = BadLength
	case errors.Is(err, errChecksum):
		f.Kind = BadChecksum
	case errors.Is(err, errSeal):
		f.Kind = BadEnd
	default: // the compressed stream is damaged
		f.Kind = BadRecord
	}
	_, f.Zxid, _ = ZxidOfName(r.name)
	if r.compression != "" {
		f.Err = fmt.Errorf("%w (counted in the uncompressed snapshot)", f.Err)
	}
	f.Meaning = fmt.Sprintf("%d znodes before it were read; %s", r.znodes, PassedOver)
	if f.Kind == BadChecksum {
		f.Meaning = fmt.Sprintf("all %d znodes were read, but one may be wrong; %s", r.znodes, PassedOver)
	}
	return f
}
