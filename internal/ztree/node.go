package ztree

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"unsafe"

	"github.com/zkctl/zkctl/internal/proto"
)

// Node is a znode. It takes 96 bytes, one of the allocator's sizes, and one more allocation for its
// text.
type Node struct {
	ACL int64 // a key of the ACL table

	czxid, mzxid, pzxid, ctime, mtime int64 // see proto.StatPersisted
	version, cversion, aversion       int32

	length int32 // of its data; -1 if that is null
	parent *Node
	kids   *children // nil if there are none
	text   *byte     // if it is owned, the owner in 8 bytes; its name; its data
	bits   flags     // and the name's length
	sum    uint32    // its part of the tree's digest, if counted
}

// flags are facts about a znode, in the top bits; the others hold the length of its name.
type flags uint32

const (
	hidden  flags = 1 << (31 - iota) // below /zookeeper/, which the digest omits
	counted                          // sum is part of the tree's digest
	waiting                          // in the list of znodes to be counted
	gone                             // deleted
	exotic                           // its path has non-ASCII characters
	owned                            // it is ephemeral, a container or has a time to live

	nameLength = owned - 1
)

// ownerSize is how many bytes of its text an owner takes, which most znodes do not have.
const ownerSize = 8

func (n *Node) is(f flags) bool { return n.bits&f != 0 }

// nameAt returns where the name starts in the text.
func (n *Node) nameAt() int {
	if n.is(owned) {
		return ownerSize
	}
	return 0
}

func (n *Node) name() string {
	if n.bits&nameLength == 0 { // the root; what comes after the text belongs to others
		return ""
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(n.text), n.nameAt())), n.bits&nameLength)
}

// Data returns the znode's data, nil if it is null. The bytes are never changed: new data gets other memory.
func (n *Node) Data() []byte {
	switch n.length {
	case -1:
		return nil
	case 0: // as above
		return []byte{}
	}
	from := n.nameAt() + int(n.bits&nameLength)
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(n.text), from)), n.length)
}

// size returns the length of the data.
func (n *Node) size() int { return max(int(n.length), 0) }

// Owner returns the session of an ephemeral znode, or what stands for a container or a time to live: see
// proto.EphemeralTypeOf.
func (n *Node) Owner() int64 {
	if !n.is(owned) {
		return 0
	}
	return int64(binary.BigEndian.Uint64(unsafe.Slice(n.text, ownerSize)))
}

// Stat returns the znode's stat as snapshots have it.
func (n *Node) Stat() proto.StatPersisted {
	return proto.StatPersisted{
		Czxid: n.czxid, Mzxid: n.mzxid, Pzxid: n.pzxid, Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: n.cversion, Aversion: n.aversion, EphemeralOwner: n.Owner(),
	}
}

// hold keeps a copy of the owner, the name and the data.
func (n *Node) hold(owner int64, name string, data []byte) {
	n.bits = n.bits&^(nameLength|owned) | flags(len(name))
	if owner != 0 {
		n.bits |= owned
	}
	at := n.nameAt()
	b := make([]byte, at+len(name)+len(data))
	if at > 0 {
		binary.BigEndian.PutUint64(b, uint64(owner))
	}
	copy(b[at:], name)
	copy(b[at+len(name):], data)
	n.text = unsafe.SliceData(b)
	if n.length = int32(len(data)); data == nil {
		n.length = -1
	}
	if n.kids != nil {
		n.kids.summed = false
	}
}

// grow reports to the znodes above that there are more znodes and bytes of data below them.
func (n *Node) grow(znodes int, bytes int64) {
	for up := n.parent; up != nil; up = up.parent {
		up.kids.below += znodes
		up.kids.bytes += bytes
	}
}

// Descendants returns the number of znodes below it.
func (n *Node) Descendants() int {
	if n.kids == nil {
		return 0
	}
	return n.kids.below
}

// NamesLength returns how many bytes the names of the children take on the wire.
func (n *Node) NamesLength() int {
	if n.kids == nil {
		return 0
	}
	return n.kids.names + 4*int(n.kids.count)
}

// bytesBelow returns the length of all data below it.
func (n *Node) bytesBelow() int64 {
	if n.kids == nil {
		return 0
	}
	return n.kids.bytes
}

// pathSum returns the CRC-32 of the znode's path, "" for the root.
func (n *Node) pathSum() uint32 {
	switch {
	case n.parent == nil:
		return 0
	case n.parent.kids == nil: // not yet, or no longer, a child
		return crcString(n.parent.prefixSum(), n.name())
	}
	return crcString(n.parent.kids.prefix, n.name())
}

// prefixSum returns the CRC-32 of the common prefix of the children's paths.
func (n *Node) prefixSum() uint32 { return crcString(n.pathSum(), "/") }

// prefixLength returns the length of that prefix.
func (n *Node) prefixLength() int {
	switch {
	case n.parent == nil:
		return 1
	case n.parent.kids == nil:
		return n.parent.prefixLength() + len(n.name()) + 1
	}
	return n.parent.kids.length + len(n.name()) + 1
}

func crcString(sum uint32, s string) uint32 {
	return crc32.Update(sum, crc32.IEEETable, unsafe.Slice(unsafe.StringData(s), len(s)))
}

// cut splits a path without its first slash at the next one. more reports whether there was a
// slash, so that a trailing slash leaves an empty name.
func cut(path string) (name, rest string, more bool) { return strings.Cut(path, "/") }

func (n *Node) child(name string) *Node {
	if n.kids == nil {
		return nil
	}
	return n.kids.get(name)
}

// adopt adds a child whose name is new.
func (n *Node) adopt(kid *Node) {
	if n.kids == nil {
		n.kids = &children{prefix: n.prefixSum(), length: n.prefixLength()}
	}
	n.kids.add(kid)
}

func (n *Node) disown(kid *Node) {
	if n.kids.remove(kid); n.kids.count == 0 {
		n.kids = nil
	}
}

// NumChildren returns the number of children.
func (n *Node) NumChildren() int {
	if n.kids == nil {
		return 0
	}
	return int(n.kids.count)
}

// each calls visit for every child, in no order.
func (n *Node) each(visit func(*Node)) {
	if n.kids != nil {
		n.kids.each(visit)
	}
}

// sorted returns the children by name.
func (n *Node) sorted() []*Node {
	if n.NumChildren() == 0 {
		return nil
	}
	list := make([]*Node, 0, n.NumChildren())
	n.each(func(kid *Node) { list = append(list, kid) })
	slices.SortFunc(list, func(a, b *Node) int { return strings.Compare(a.name(), b.name()) })
	return list
}

// Path returns the znode's path, "/" for the root.
func (n *Node) Path() string {
	if n.parent == nil {
		return "/"
	}
	size := 0
	for m := n; m.parent != nil; m = m.parent {
		size += 1 + len(m.name())
	}
	buf := make([]byte, size)
	for m := n; m.parent != nil; m = m.parent {
		name := m.name()
		size -= len(name)
		copy(buf[size:], name)
		size--
		buf[size] = '/'
	}
	return string(buf)
}

// newNode returns a znode that is not yet its parent's child. It copies name and data.
func newNode(parent *Node, name string, data []byte, acl int64, stat proto.StatPersisted) *Node {
	n := &Node{
		ACL: acl, czxid: stat.Czxid, mzxid: stat.Mzxid, pzxid: stat.Pzxid, ctime: stat.Ctime, mtime: stat.Mtime,
		version: stat.Version, cversion: stat.Cversion, aversion: stat.Aversion, parent: parent,
	}
	n.hold(stat.EphemeralOwner, name, data)
	if parent == nil {
		return n
	}
	n.bits |= parent.bits & (hidden | exotic)
	if parent.parent != nil && parent.parent.parent == nil && parent.name() == proto.ZookeeperPath[1:] {
		n.bits |= hidden
	}
	for i := range len(name) {
		if name[i] >= 0x80 {
			n.bits |= exotic
			break
		}
	}
	return n
}

// stat returns the znode's stat as a client sees it.
func (n *Node) stat() proto.Stat {
	s := n.Stat()
	return s.Stat(int32(n.size()), int32(n.NumChildren()))
}
