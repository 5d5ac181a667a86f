package ztree

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/proto"
)

// digest is the sum of the digests of the znodes (AdHash over DigestCalculator, version 2).
// Nothing is computed until the first request; after that each change subtracts the znode's part,
// and the next request adds what is missing.
type digest struct {
	on      bool
	sum     uint64
	ascii   uint64  // what to add to sum for AltDigest
	waiting []*Node // not in sum; some may be deleted
	stat    [proto.StatPersistedSize]byte
}

// Digest returns the sum of the digests of all znodes (DigestCalculator, version 2), except those
// below /zookeeper/.
func (t *Tree) Digest() int64 {
	t.addUp()
	return int64(t.digest.sum)
}

// AltDigest returns the digest computed by a server whose default charset is US-ASCII: a JVM
// before 18 in the POSIX locale replaces every other character of a path with "?". It equals
// Digest if all paths are ASCII.
func (t *Tree) AltDigest() int64 {
	t.addUp()
	return int64(t.digest.sum + t.digest.ascii)
}

func (t *Tree) addUp() {
	t.settle()
	d := &t.digest
	if !d.on {
		d.on = true
		if t.root != nil {
			t.root.under(d.later)
		}
	}
	for _, n := range d.waiting {
		n.bits &^= waiting
		if !n.is(gone) {
			n.sum = d.crc(n, n.content())
			n.bits |= counted
			d.sum += uint64(n.sum)
			if n.is(exotic) {
				d.ascii += d.asciiDifference(n)
			}
		}
	}
	clear(d.waiting)
	d.waiting = d.waiting[:0]
	if cap(d.waiting) > 1<<16 {
		d.waiting = nil
	}
}

// later adds a znode to the list of those to be counted.
func (d *digest) later(n *Node) {
	if !d.on || n.is(hidden|waiting|counted) {
		return
	}
	n.bits |= waiting
	if len(d.waiting) == cap(d.waiting) && len(d.waiting) > 1<<12 {
		d.waiting = slices.DeleteFunc(d.waiting, func(n *Node) bool { return n.is(gone) })
	}
	d.waiting = append(d.waiting, n)
}

// change must be called before a znode changes.
func (d *digest) change(n *Node) {
	if !d.on {
		return
	}
	d.takeOut(n)
	d.later(n)
}

// remove must be called before a znode is removed.
func (d *digest) remove(n *Node) {
	n.bits |= gone
	if d.on {
		d.takeOut(n)
	}
}

func (d *digest) takeOut(n *Node) {
	if !n.is(counted) {
		return
	}
	if n.is(exotic) {
		d.ascii -= d.asciiDifference(n)
	}
	n.bits &^= counted
	d.sum -= uint64(n.sum)
}

// crc returns the znode's digest, given the CRC-32 of its path and data.
func (d *digest) crc(n *Node, content uint32) uint32 {
	stat := n.Stat()
	return znodeDigest(&d.stat, content, &stat)
}

// content returns the CRC-32 of the znode's path and data. A parent caches it, because its stat
// changes with each child.
func (n *Node) content() uint32 {
	if n.kids == nil {
		return crc32.Update(n.pathSum(), crc32.IEEETable, n.Data())
	}
	n.kids.sumUp(n)
	return n.kids.content
}

func (k *children) sumUp(n *Node) {
	if k.summed {
		return
	}
	k.summed = true
	k.content = crc32.Update(n.pathSum(), crc32.IEEETable, n.Data())
	if n.is(exotic) {
		k.ascii = n.asciiContent()
	}
}

// asciiContent is content with AltDigest's path.
func (n *Node) asciiContent() uint32 {
	return crc32.Update(crc32.ChecksumIEEE(asciiPath(n.Path())), crc32.IEEETable, n.Data())
}

// znodeDigest returns a znode's digest, given the CRC-32 of its path and data; b is scratch
// space.
func znodeDigest(b *[proto.StatPersistedSize]byte, content uint32, s *proto.StatPersisted) uint32 {
	be := binary.BigEndian
	be.PutUint64(b[0:], uint64(s.Czxid))
	be.PutUint64(b[8:], uint64(s.Mzxid))
	be.PutUint64(b[16:], uint64(s.Pzxid))
	be.PutUint64(b[24:], uint64(s.Ctime))
	be.PutUint64(b[32:], uint64(s.Mtime))
	be.PutUint32(b[40:], uint32(s.Version))
	be.PutUint32(b[44:], uint32(s.Cversion))
	be.PutUint32(b[48:], uint32(s.Aversion))
	be.PutUint64(b[52:], uint64(s.EphemeralOwner))
	return crc32.Update(content, crc32.IEEETable, b[:])
}

// Digest returns the znode's current part of the tree's digest: 0 below /zookeeper/.
func (n *Node) Digest() uint64 {
	switch {
	case n.is(counted):
		return uint64(n.sum)
	case n.is(hidden):
		return 0
	}
	var room [proto.StatPersistedSize]byte
	stat := n.Stat()
	return uint64(znodeDigest(&room, n.content(), &stat))
}

// Content is what goes into a znode's digest besides its stat.
type Content struct {
	sum    uint32
	hidden bool
}

// ContentOf returns the Content of a znode with this path ("/" for the root) and data.
func ContentOf(path string, data []byte) Content {
	if strings.HasPrefix(path, proto.ZookeeperPath+"/") {
		return Content{hidden: true}
	}
	if path == "/" {
		path = ""
	}
	return Content{sum: crc32.Update(crcString(0, path), crc32.IEEETable, data)}
}

// Content returns the znode's Content.
func (n *Node) Content() Content {
	if n.is(hidden) {
		return Content{hidden: true}
	}
	return Content{sum: n.content()}
}

// Digest returns the part of a tree's digest due to a znode with this stat.
func (c Content) Digest(stat *proto.StatPersisted) uint64 {
	if c.hidden {
		return 0
	}
	var room [proto.StatPersistedSize]byte
	return uint64(znodeDigest(&room, c.sum, stat))
}

// asciiDifference returns by how much the znode's part of AltDigest exceeds that of Digest.
func (d *digest) asciiDifference(n *Node) uint64 {
	if n.kids == nil {
		return uint64(d.crc(n, n.asciiContent())) - uint64(n.sum)
	}
	n.kids.sumUp(n)
	return uint64(d.crc(n, n.kids.ascii)) - uint64(n.sum)
}

// asciiPath returns the path with "?" for each non-ASCII character.
func asciiPath(path string) []byte {
	ascii := make([]byte, 0, len(path))
	for _, r := range path {
		if r >= utf8.RuneSelf {
			r = '?'
		}
		ascii = append(ascii, byte(r))
	}
	return ascii
}

// DigestSum adds up the digests of znodes without a tree, for streaming.
type DigestSum struct {
	sum, ascii uint64
	stat       [proto.StatPersistedSize]byte
}

// Add adds a znode; "" is the root's path.
func (d *DigestSum) Add(path string, data []byte, stat *proto.StatPersisted) {
	if strings.HasPrefix(path, "/zookeeper/") {
		return
	}
	one := znodeDigest(&d.stat, crc32.Update(crcString(0, path), crc32.IEEETable, data), stat)
	d.sum += uint64(one)
	if strings.IndexFunc(path, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
		one = znodeDigest(&d.stat, crc32.Update(crc32.ChecksumIEEE(asciiPath(path)), crc32.IEEETable, data), stat)
	}
	d.ascii += uint64(one)
}

// Digest returns the sum so far, like Tree.Digest.
func (d *DigestSum) Digest() int64 { return int64(d.sum) }

// Is reports whether a server may have computed this digest: see Tree.Digest and Tree.AltDigest.
func (d *DigestSum) Is(digest int64) bool {
	return uint64(digest) == d.sum || uint64(digest) == d.ascii
}
