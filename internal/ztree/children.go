package ztree

import (
	"hash/maphash"
	"slices"
)

// children holds a znode's children by name, in an extendible hash table. No operation takes time
// proportional to the number of children, not even making room for more, and a walk can be paused
// and resumed while children come and go. It costs about 17 bytes per child.
type children struct {
	first  leaf    // the only leaf, as long as leaves is nil
	leaves []*leaf // by the top bits of the hash; a leaf may occupy several adjacent places
	depth  uint8   // how many bits: leaves has 1<<depth places
	prefix uint32  // CRC-32 of the parent's path and a slash
	length int     // number of children
	count  int32

	names int // bytes of their names

	// Of the parent and everything below it, so that nobody has to walk there.
	below   int    // znodes
	bytes   int64  // of their data
	content uint32 // CRC-32 of the parent's path and data
	ascii   uint32 // the same with AltDigest's path
	summed  bool   // content and ascii are right
}

// leaf holds the children whose hashes start with the same depth bits, in no order.
type leaf struct {
	depth  uint8
	hashes []uint32
	kids   []*Node
}

const (
	leafSize = 64
	maxDepth = 24 // hashes that still agree do so by chance, and are few
)

var hashSeed = maphash.MakeSeed()

func hashOf(name string) uint32 { return uint32(maphash.String(hashSeed, name) >> 32) }

func (k *children) leaf(hash uint32) *leaf {
	if k.leaves == nil {
		return &k.first
	}
	return k.leaves[hash>>(32-k.depth)]
}

func (k *children) get(name string) *Node {
	hash := hashOf(name)
	l := k.leaf(hash)
	for i, h := range l.hashes {
		if h == hash && l.kids[i].name() == name {
			return l.kids[i]
		}
	}
	return nil
}

// add adds a child whose name is new.
func (k *children) add(kid *Node) {
	hash := hashOf(kid.name())
	for len(k.leaf(hash).kids) >= leafSize && k.leaf(hash).depth < maxDepth {
		k.split(hash)
	}
	l := k.leaf(hash)
	l.hashes = append(l.hashes, hash)
	l.kids = append(l.kids, kid)
	k.count++
	k.names += len(kid.name())
}

// split splits the leaf of a hash in two.
func (k *children) split(hash uint32) {
	if k.leaves == nil {
		only := k.first
		k.first, k.leaves = leaf{}, []*leaf{&only}
	}
	old := k.leaf(hash)
	if old.depth == k.depth {
		wider := make([]*leaf, 2*len(k.leaves))
		for i := range wider {
			wider[i] = k.leaves[i/2]
		}
		k.leaves = wider
		k.depth++
	}
	depth := old.depth + 1
	halves := [2]*leaf{{depth: depth}, {depth: depth}}
	for i, h := range old.hashes {
		half := halves[h>>(32-depth)&1]
		half.hashes = append(half.hashes, h)
		half.kids = append(half.kids, old.kids[i])
	}
	places := 1 << (k.depth - depth) // of each half
	at := int(hash>>(32-k.depth)) &^ (2*places - 1)
	for i := range places {
		k.leaves[at+i], k.leaves[at+places+i] = halves[0], halves[1]
	}
}

func (k *children) remove(kid *Node) {
	l := k.leaf(hashOf(kid.name()))
	i := slices.Index(l.kids, kid)
	if i < 0 {
		return
	}
	last := len(l.kids) - 1
	l.kids[i], l.hashes[i] = l.kids[last], l.hashes[last]
	l.kids[last] = nil
	l.kids, l.hashes = l.kids[:last], l.hashes[:last]
	k.count--
	k.names -= len(kid.name())
}

// endOfHashes is the position after the last one.
const endOfHashes = 1 << 32

// from appends to list the children whose hashes are at or after a position, up to the end of a
// leaf, and returns the position after these. A walk that continues from there visits every child
// that existed all the time exactly once.
func (k *children) from(at uint64, list []*Node) ([]*Node, uint64) {
	l := k.leaf(uint32(at))
	for i, h := range l.hashes {
		if uint64(h) >= at {
			list = append(list, l.kids[i])
		}
	}
	span := uint64(endOfHashes) >> l.depth
	return list, (at/span + 1) * span
}

func (k *children) each(visit func(*Node)) {
	if k.leaves == nil {
		for _, kid := range k.first.kids {
			visit(kid)
		}
		return
	}
	for i := 0; i < len(k.leaves); {
		l := k.leaves[i]
		for _, kid := range l.kids {
			visit(kid)
		}
		i += 1 << (k.depth - l.depth)
	}
}
