package storage

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// SnapshotStream encodes a tree in steps, between which the tree may change. The owner of the
// tree creates the stream and calls Step when there is time; another goroutine writes what the
// steps yield to a SnapshotFile, or to a learner, which gets the same without the file's header
// and end (SerializeUtils.serializeSnapshot).
//
// The transactions after Zxid must be applied on top of what it yields. The ACL table comes
// first, so an ACL that a znode gets meanwhile is not in it; such a znode is written with an ACL
// that lets nobody in, until the replay reaches the transaction.
type SnapshotStream struct {
	tree  *ztree.Tree
	walk  *ztree.FuzzyWalk
	body  snapshotBody
	head  []byte
	whole bool // everything is in head
	state SnapshotState
	plain bool // without a digest
}

// wholeTree is the number of znodes up to which a tree is encoded in one step, in well under a
// millisecond, so that snapshots of small trees are not fuzzy.
const wholeTree = 1000

// NewSnapshotStream starts a snapshot of the tree. With noDigest it does not ask for a digest
// that the tree has not yet computed.
func NewSnapshotStream(t *ztree.Tree, noDigest bool) *SnapshotStream {
	s := &SnapshotStream{tree: t, walk: t.Fuzzy(), whole: t.Len() <= wholeTree, plain: noDigest}
	s.body.Codec = jute.NewEncoder(nil)
	s.body.begin(t, !s.whole)
	if s.whole {
		for path, n := range t.All() {
			s.body.node(path, n)
		}
		s.end()
	}
	s.head = s.body.Bytes()
	return s
}

func (s *SnapshotStream) end() {
	s.body.end()
	s.state.Zxid = s.tree.LastZxid()
	if !s.plain {
		s.state.Digest = s.tree.Digest()
	}
}

// Zxid returns the zxid of the last transaction before the stream started, which belongs in the
// file's name.
func (s *SnapshotStream) Zxid() int64 { return s.walk.Zxid() }

// stepSize limits what a step yields, apart from a single znode's data.
const stepSize = 1 << 20

// Step appends the next part of the snapshot to buf, for about as long as budget allows. After
// the last part, more is false and State is valid.
func (s *SnapshotStream) Step(buf []byte, budget time.Duration) (_ []byte, more bool) {
	begun := time.Now()
	buf = append(buf, s.head...)
	s.head = nil
	if s.whole {
		return buf, false
	}
	s.body.Codec = jute.NewEncoder(buf)
	if s.some(begun.Add(budget)) {
		return s.body.Bytes(), true
	}
	s.end()
	return s.body.Bytes(), false
}

// some encodes znodes until a moment, and reports whether there are more.
func (s *SnapshotStream) some(until time.Time) bool {
	for n := 1; ; n++ {
		path, node, ok := s.walk.Next()
		if !ok {
			return false
		}
		s.body.node(path, node)
		if n%16 == 0 && (len(s.body.Bytes()) >= stepSize || time.Now().After(until)) {
			return true
		}
	}
}

// State returns the state of the tree at the last step.
func (s *SnapshotStream) State() SnapshotState { return s.state }

// snapshotBody encodes the part of a snapshot between the file's header and the first checksum.
type snapshotBody struct {
	*jute.Codec
	last   int64 // last key in the table, if nobody is set
	nobody int64 // key of an ACL that lets nobody in; 0 if not needed
}

// begin encodes the sessions and the ACL table. With fuzzy, it allows for znodes whose ACL is not
// in the table.
func (b *snapshotBody) begin(t *ztree.Tree, fuzzy bool) {
	encodeSessions(b.Codec, t.Sessions())
	keys := t.ACLKeys()
	size := len(keys)
	if fuzzy {
		if b.last = 0; size > 0 {
			b.last = keys[size-1]
		}
		b.nobody = b.last + 1
		size++
	}
	b.Count(size, 0)
	for _, key := range keys {
		b.acl(key, t.ACL(key))
	}
	if fuzzy {
		b.acl(b.nobody, []proto.ACL{{ID: proto.WorldAnyone}})
	}
}

func encodeSessions(c *jute.Codec, sessions map[int64]int32) {
	c.Count(len(sessions), sessionSize)
	for _, id := range slices.Sorted(maps.Keys(sessions)) {
		timeout := sessions[id]
		c.Long(&id)
		c.Int(&timeout)
	}
}

func (b *snapshotBody) acl(key int64, list []proto.ACL) {
	b.Long(&key)
	jute.Vector(b.Codec, &list, 0)
}

func (b *snapshotBody) node(path string, n *ztree.Node) {
	if path == "/" {
		path = ""
	}
	acl := n.ACL
	if b.nobody != 0 && acl > b.last {
		acl = b.nobody
	}
	stat := n.Stat()
	b.record(path, n.Data(), acl, &stat)
}

func (b *snapshotBody) record(path string, data []byte, acl int64, stat *proto.StatPersisted) {
	b.String(&path)
	b.Buffer(&data)
	b.Long(&acl)
	stat.Visit(b.Codec)
}

func (b *snapshotBody) end() {
	end := "/"
	b.String(&end)
}

// ReadStream builds a tree from what a SnapshotStream, or Apache's serializeSnapshot, yielded;
// src must end where that ends. zxid becomes the tree's zxid: the transactions after it must be
// applied on top.
func ReadStream(src io.Reader, zxid int64) (*ztree.Tree, error) {
	r := &SnapshotReader{name: "the stream", w: newWindow(src, -1), trailer: Trailer{LastProcessedZxid: -1}}
	if err := errors.Join(r.readSessions(), r.readACLs()); err != nil {
		return nil, fmt.Errorf("read a snapshot: %w", err)
	}
	s := &loaded{tree: ztree.NewEmpty(), file: r.name}
	s.restoreHead(r)
	faults, err := s.readNodes(r)
	if err == nil && s.tree.Len() == 0 {
		err = errors.New("it has no root znode")
	}
	if err = errors.Join(append(faults, err)...); err != nil {
		return nil, fmt.Errorf("read a snapshot: %w", err)
	}
	if r.trailer.Seals+int(r.trailer.Extra) > 0 {
		return nil, fmt.Errorf("read a snapshot: unexpected bytes follow it")
	}
	s.tree.SetLastZxid(zxid)
	s.tree.Restored()
	return s.tree, nil
}
