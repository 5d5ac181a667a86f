package ztree

import (
	"hash/crc32"
	"slices"
	"strings"
	"unsafe"

	"github.com/zkctl/zkctl/internal/proto"
)

// Node is a znode. Its data is never changed in place.
type Node struct {
	Data []byte // nil when null
	ACL  int64  // a key of the ACL table
	Stat proto.StatPersisted

	name   string
	parent *Node
	kids   *children // nil when there never was a child

	pathSum uint32 // CRC-32 of the path
	sum     uint32 // its part of the tree's digest, when counted
	flags   flags
}

type flags uint8

const (
	hidden  flags = 1 << iota // below /zookeeper/, which the digest leaves out
	counted                   // sum is part of the tree's digest
	waiting                   // in the list of znodes to be counted
	gone                      // deleted
	exotic                    // its path has characters beyond ASCII
)

// fewKids is the number of children up to which a slice serves better than a map.
const fewKids = 8

type children struct {
	few  []*Node
	many map[string]*Node
}

// cut splits a path without its first slash at the next one. more tells whether a slash
// was there, so that a trailing slash leaves an empty name.
func cut(path string) (name, rest string, more bool) { return strings.Cut(path, "/") }

func (n *Node) child(name string) *Node {
	if n.kids == nil {
		return nil
	}
	if n.kids.many != nil {
		return n.kids.many[name]
	}
	for _, kid := range n.kids.few {
		if kid.name == name {
			return kid
		}
	}
	return nil
}

// adopt adds a child whose name is new.
func (n *Node) adopt(kid *Node) {
	if n.kids == nil {
		n.kids = &children{}
	}
	k := n.kids
	switch {
	case k.many != nil:
		k.many[kid.name] = kid
	case len(k.few) < fewKids:
		k.few = append(k.few, kid)
	default:
		k.many = make(map[string]*Node, 2*fewKids)
		for _, old := range k.few {
			k.many[old.name] = old
		}
		k.many[kid.name] = kid
		k.few = nil
	}
}

func (n *Node) disown(kid *Node) {
	k := n.kids
	if k.many != nil {
		delete(k.many, kid.name)
		return
	}
	if i := slices.Index(k.few, kid); i >= 0 {
		k.few = slices.Delete(k.few, i, i+1)
	}
}

// NumChildren is the number of children.
func (n *Node) NumChildren() int {
	if n.kids == nil {
		return 0
	}
	return len(n.kids.few) + len(n.kids.many)
}

// each calls visit for every child, in no order.
func (n *Node) each(visit func(*Node)) {
	if n.kids == nil {
		return
	}
	for _, kid := range n.kids.few {
		visit(kid)
	}
	for _, kid := range n.kids.many {
		visit(kid)
	}
}

// sorted returns the children by name.
func (n *Node) sorted() []*Node {
	if n.NumChildren() == 0 {
		return nil
	}
	list := make([]*Node, 0, n.NumChildren())
	n.each(func(kid *Node) { list = append(list, kid) })
	slices.SortFunc(list, func(a, b *Node) int { return strings.Compare(a.name, b.name) })
	return list
}

// Path is the znode's path, "/" for the root.
func (n *Node) Path() string {
	if n.parent == nil {
		return "/"
	}
	size := 0
	for m := n; m.parent != nil; m = m.parent {
		size += 1 + len(m.name)
	}
	buf := make([]byte, size)
	for m := n; m.parent != nil; m = m.parent {
		size -= len(m.name)
		copy(buf[size:], m.name)
		size--
		buf[size] = '/'
	}
	return string(buf)
}

// newNode makes a znode that is not yet a child of its parent. The name is copied: it may be
// part of a long path.
func newNode(parent *Node, name string, data []byte, acl int64, stat proto.StatPersisted) *Node {
	n := &Node{Data: clone(data), ACL: acl, Stat: stat, parent: parent}
	if parent == nil {
		return n
	}
	step := "/" + name
	n.name = step[1:]
	n.pathSum = crc32.Update(parent.pathSum, crc32.IEEETable, unsafe.Slice(unsafe.StringData(step), len(step)))
	n.flags = parent.flags & (hidden | exotic)
	if parent.parent != nil && parent.parent.parent == nil && parent.name == procPath[1:] {
		n.flags |= hidden
	}
	for i := range len(name) {
		if name[i] >= 0x80 {
			n.flags |= exotic
			break
		}
	}
	return n
}

func clone(data []byte) []byte {
	if data == nil {
		return nil
	}
	return append(make([]byte, 0, len(data)), data...)
}

// stat is the znode's stat as a client sees it (DataNode.copyStat).
func (n *Node) stat() proto.Stat {
	s, kids := &n.Stat, int32(n.NumChildren())
	out := proto.Stat{
		Czxid: s.Czxid, Mzxid: s.Mzxid, Ctime: s.Ctime, Mtime: s.Mtime,
		Version: s.Version, Cversion: s.Cversion*2 - kids, Aversion: s.Aversion,
		DataLength: int32(len(n.Data)), NumChildren: kids, Pzxid: s.Pzxid,
	}
	if KindOf(s.EphemeralOwner) == Ephemeral {
		out.EphemeralOwner = s.EphemeralOwner
	}
	return out
}

// Kind is what the ephemeralOwner of a znode says about it (EphemeralType).
type Kind int

// Kinds.
const (
	Persistent Kind = iota
	Ephemeral
	Container
	TTL
)

// ttlMask is the byte of an ephemeralOwner that tells a time to live from a session.
const ttlMask = -1 << 56

// KindOf tells the kind of a znode. ZooKeeper takes an owner of 0xff… for a TTL when
// zookeeper.extendedTypesEnabled is set; session ids of that form exist only where it is not
// set and a server's id is 255.
func KindOf(ephemeralOwner int64) Kind {
	switch {
	case ephemeralOwner == 0:
		return Persistent
	case ephemeralOwner == proto.ContainerOwner:
		return Container
	case ephemeralOwner&ttlMask == ttlMask:
		return TTL
	}
	return Ephemeral
}

// TTLOf is the time to live in the ephemeralOwner, in milliseconds.
func TTLOf(ephemeralOwner int64) int64 { return ephemeralOwner & proto.MaxTTL }
