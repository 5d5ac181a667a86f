package source

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sorted"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zpath"
)

// file is znodes in a snapshot.
type file struct {
	path string // of the znode
	name string // of the file
}

func (f *file) Conn() *client.Conn { return nil }
func (f *file) TellsKinds() bool   { return true }
func (f *file) Close() error       { return nil }

// Walk reads the whole file, whose znodes are in no order, and sorts what is to be visited outside
// memory.
func (f *file) Walk(ctx context.Context, opt Options, visit func(*Znode) error) (r Report, err error) {
	snapshot, err := storage.OpenSnapshot(f.name)
	if err != nil {
		return r, f.neither(err)
	}
	defer snapshot.Close()
	snapshot.ViewPaths()
	records := sorted.NewSorter(sorted.Room)
	defer records.Close()
	s := &scan{path: f.path, opt: opt, report: &r, sorted: records, acls: snapshot.ACLs()}
	s.counts.tell = s.count
	for n := 0; ; n++ {
		if err := opt.pulse(ctx, n, r.Read); err != nil {
			return r, err
		}
		node, err := snapshot.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			faults := storage.Faults(err)
			if len(faults) == 0 {
				return r, err
			}
			r.Faults = append(r.Faults, faults...)
			break
		}
		if err := s.see(node); err != nil {
			return r, err
		}
	}
	if err := s.counts.end(); err != nil {
		return r, err
	}
	if !s.found {
		if len(r.Faults) > 0 {
			return r, r.Faults[0]
		}
		return r, none(f.path)
	}
	opt.moment(momentOf(snapshot, s.highest))
	return r, s.visit(ctx, visit)
}

// neither adds to the error about a file that neither begins like a snapshot nor is named like one that it is no export either.
func (f *file) neither(err error) error {
	var fault *storage.Fault
	if _, _, named := storage.ZxidOfName(filepath.Base(f.name)); named || !errors.As(err, &fault) || fault.Remedy != storage.NoRemedy {
		return err
	}
	if fault.Kind == storage.BadMagic || fault.Kind == storage.NotAFile {
		fault.Meaning = "it is neither an export, which starts with " + export.Mark + ", nor a snapshot"
	}
	return err
}

// momentOf returns which state a snapshot that was read is of. A server goes on while it writes one, which then may hold a
// part of what happens meanwhile; that it does not is only known if the server says which state its digest is of.
// highest is the highest zxid of any znode.
func momentOf(r *storage.SnapshotReader, highest int64) Moment {
	t := r.Trailer()
	_, zxid, named := storage.ZxidOfName(r.Name())
	if !named {
		zxid = max(t.LastProcessedZxid, 0)
	}
	end := max(zxid, highest, t.DigestZxid, t.LastProcessedZxid)
	return Moment{Start: zxid, End: end, Consistent: end == zxid && t.Digest != nil && t.DigestZxid == zxid}
}

// scan takes the znodes of a snapshot in the order of the file, and visits them in that of a walk.
type scan struct {
	path    string
	opt     Options
	report  *Report
	sorted  *sorted.Sorter
	counts  counts
	acls    map[int64][]proto.ACL
	found   bool  // the znode at path
	highest int64 // zxid of any znode
	z       Znode
	key     []byte
	value   []byte
}

// The records that are sorted: of a znode, and of a number of children.
const (
	znodeRecord = iota
	countRecord
)

// openUnsafe is the key of world:anyone with all permissions, which is in no table
// (ReferenceCountedACLCache).
const openUnsafe = -1

func (s *scan) acl(key int64) []proto.ACL {
	if list, ok := s.acls[key]; ok || key != openUnsafe {
		return list
	}
	return proto.OpenACL
}

func (s *scan) see(n *storage.Node) error {
	path := n.Path
	if path == "" {
		path = "/"
	}
	s.highest = max(s.highest, n.Stat.Czxid, n.Stat.Mzxid, n.Stat.Pzxid)
	level := 0
	if s.path != "/" || s.opt.Levels != 0 {
		var ok bool
		if level, ok = within(s.path, path); !ok {
			return nil
		}
	}
	s.found = s.found || path == s.path
	stat := s.opt.Stat || s.opt.Data
	if stat {
		if err := s.counts.see(path); err != nil {
			return err
		}
	}
	if !s.opt.covers(level) {
		return nil
	}
	s.report.Read++
	s.opt.found(n.Data)
	if s.opt.Match != nil {
		s.z = Znode{Path: path, Known: true, Data: n.Data}
		if stat {
			s.z.Stat, s.z.Kind, s.z.TTL = n.Stat.Stat(int32(len(n.Data)), 0), KindOf(n.Stat.EphemeralOwner), ttlOf(n.Stat.EphemeralOwner)
		}
		if s.opt.ACL {
			s.z.ACL = s.acl(n.ACL)
		}
		if !s.opt.Match(&s.z) {
			return nil
		}
	}
	v := append(s.value[:0], znodeRecord)
	if stat {
		v = appendStat(v, &n.Stat, len(n.Data))
	}
	if s.opt.ACL {
		v = binary.BigEndian.AppendUint64(v, uint64(n.ACL))
	}
	if s.opt.Data && n.Data != nil {
		v = append(append(v, 1), n.Data...)
	}
	s.key, s.value = AppendKey(s.key[:0], path), v
	return s.sorted.Add(s.key, v)
}

// count records that a znode has so many children more.
func (s *scan) count(path string, n int32) error {
	s.key = AppendKey(s.key[:0], path)
	return s.sorted.Add(s.key, binary.BigEndian.AppendUint32([]byte{countRecord}, uint32(n)))
}

// visit passes on what was taken, in order.
func (s *scan) visit(ctx context.Context, visit func(*Znode) error) error {
	var key, value []byte // of the znode that is next; a server keeps the later of two with the same path
	var kids int32
	any := false
	flush := func() error {
		if !any {
			return nil
		}
		any = false
		s.z = s.decode(key, value, kids)
		return visit(&s.z)
	}
	begun := false
	err := s.sorted.Each(ctx, func(k, v []byte) error {
		if !begun || string(k) != string(key) {
			if err := flush(); err != nil {
				return err
			}
			key, kids, begun = append(key[:0], k...), 0, true
		}
		if v[0] == countRecord {
			kids += int32(binary.BigEndian.Uint32(v[1:]))
			return nil
		}
		value, any = append(value[:0], v[1:]...), true
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

func (s *scan) decode(key, v []byte, kids int32) Znode {
	z := Znode{Path: PathOf(key), Known: true}
	if s.opt.Stat || s.opt.Data {
		z.Stat, z.Kind, z.TTL = decodeStat(v, kids)
		v = v[statSize:]
	}
	if s.opt.ACL {
		z.ACL = s.acl(int64(binary.BigEndian.Uint64(v)))
		v = v[8:]
	}
	if len(v) > 0 {
		z.Data = v[1:]
	}
	return z
}

// counts counts children. It needs little memory for a file in which znodes follow their parents, as
// servers write them, and is right for any other.
type counts struct {
	path  []byte                           // of the last znode
	stack []parent                         // it, and those above it
	tell  func(path string, n int32) error // gets the number of a znode's children, maybe in parts
}

type parent struct {
	length int // of its path, with which that of the last znode begins
	kids   int32
}

// see takes the next znode, whose path may change later.
func (c *counts) see(path string) error {
	for len(c.stack) > 0 && !isAbove(c.path[:c.stack[len(c.stack)-1].length], path) {
		if err := c.pop(); err != nil {
			return err
		}
	}
	if path != "/" {
		above := zpath.Parent(path)
		if top := len(c.stack) - 1; top >= 0 && c.stack[top].length == len(above) {
			c.stack[top].kids++
		} else if err := c.tell(above, 1); err != nil {
			return err
		}
	}
	c.path = append(c.path[:0], path...)
	c.stack = append(c.stack, parent{length: len(path)})
	return nil
}

// isAbove reports whether path is below another.
func isAbove(above []byte, path string) bool {
	return string(above) == "/" && path != "/" || len(path) > len(above) && path[len(above)] == '/' && path[:len(above)] == string(above)
}

func (c *counts) pop() error {
	last := c.stack[len(c.stack)-1]
	c.stack = c.stack[:len(c.stack)-1]
	if last.kids == 0 {
		return nil
	}
	return c.tell(string(c.path[:last.length]), last.kids)
}

func (c *counts) end() error {
	for len(c.stack) > 0 {
		if err := c.pop(); err != nil {
			return err
		}
	}
	return nil
}

// statSize is the length of what appendStat appends.
const statSize = 6*8 + 3*4 + 4

func appendStat(b []byte, s *proto.StatPersisted, length int) []byte {
	for _, v := range [...]int64{s.Czxid, s.Mzxid, s.Ctime, s.Mtime, s.EphemeralOwner, s.Pzxid} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	for _, v := range [...]int32{s.Version, s.Cversion, s.Aversion, int32(length)} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return b
}

func decodeStat(b []byte, kids int32) (proto.Stat, Kind, int64) {
	s, length := decodePersisted(b)
	return s.Stat(length, kids), KindOf(s.EphemeralOwner), ttlOf(s.EphemeralOwner)
}

func decodePersisted(b []byte) (s proto.StatPersisted, length int32) {
	long := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	int := func(i int) int32 { return int32(binary.BigEndian.Uint32(b[48+4*i:])) }
	return proto.StatPersisted{Czxid: long(0), Mzxid: long(1), Ctime: long(2), Mtime: long(3), EphemeralOwner: long(4), Pzxid: long(5),
		Version: int(0), Cversion: int(1), Aversion: int(2)}, int(3)
}
