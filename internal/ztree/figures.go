package ztree

import (
	"maps"
	"slices"
)

// Bytes returns the total length of paths and data (DataTree.approximateDataSize).
func (t *Tree) Bytes() int64 {
	t.settle()
	return t.bytes
}

// weight returns the znode's part of Bytes, except for the one byte of the root's path.
func (n *Node) weight() int64 {
	return int64(n.prefixLength()-1) + int64(n.size())
}

// fill gives a znode new data.
func (t *Tree) fill(n *Node, data []byte) {
	grown := int64(len(data) - n.size())
	t.bytes += grown
	n.grow(0, grown)
	n.hold(n.Owner(), n.name(), data)
}

// NumEphemerals returns the number of ephemeral znodes.
func (t *Tree) NumEphemerals() (sum int) {
	for _, set := range t.ephemerals {
		sum += len(set)
	}
	return sum
}

// EphemeralOwners returns the sessions that have ephemeral znodes, sorted.
func (t *Tree) EphemeralOwners() []int64 { return slices.Sorted(maps.Keys(t.ephemerals)) }

// NumSessions returns the number of open sessions.
func (t *Tree) NumSessions() int { return len(t.sessions) }
