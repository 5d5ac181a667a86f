package follow

import (
	"hash/maphash"
	"strings"
)

// known is what is known of a tree's znodes, in about 90 bytes each: of its path a znode has only the name, below its parent.
// A znode has an id while it, or one below it, is known.
type known struct {
	root  string
	seed  maphash.Seed
	nodes [][]node // chunks, so that growing copies nothing; by id
	next  uint32   // the lowest id that was never used
	free  uint32   // the first of the ids to be used again, linked by parent
	index []uint32 // ids by parent and name: a hash table with linear probing; 0 is empty
	n     int      // ids in index
}

// node is a znode. One that is only above others has a zero Version.
type node struct {
	name string
	Version
	parent uint32
	below  uint32 // how many ids have it as their parent
}

const (
	rootID    = 1
	chunkBits = 12
)

func newKnown(root string) *known {
	k := &known{root: root, seed: maphash.MakeSeed(), next: rootID, index: make([]uint32, 64)}
	k.take(node{name: root})
	return k
}

func (k *known) node(id uint32) *node { return &k.nodes[id>>chunkBits][id&(1<<chunkBits-1)] }

// is reports whether the znode is known, not only one below it.
func (n *node) is() bool { return n.seen != 0 }

// take finds an id for a node.
func (k *known) take(n node) uint32 {
	id := k.free
	if id != 0 {
		k.free = k.node(id).parent
	} else {
		id = k.next
		k.next++
		if int(id>>chunkBits) == len(k.nodes) {
			k.nodes = append(k.nodes, make([]node, 1<<chunkBits))
		}
	}
	*k.node(id) = n
	return id
}

// home is where a name's id would be in the index, if no other were there.
func (k *known) home(parent uint32, name string) int {
	const golden = 0x9E3779B97F4A7C15
	h := (maphash.String(k.seed, name) + uint64(parent)*golden) * golden
	return int(h >> 32 & uint64(len(k.index)-1))
}

// slot returns where in the index an id is, or would be.
func (k *known) slot(parent uint32, name string) int {
	i := k.home(parent, name)
	for ; k.index[i] != 0; i = (i + 1) & (len(k.index) - 1) {
		if n := k.node(k.index[i]); n.parent == parent && n.name == name {
			break
		}
	}
	return i
}

// find returns the id of a path, or 0; with create it has one afterwards.
func (k *known) find(path string, create bool) uint32 {
	id := uint32(rootID)
	rest := strings.TrimPrefix(strings.TrimPrefix(path, k.root), "/")
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		i := k.slot(id, name)
		if k.index[i] == 0 {
			if !create {
				return 0
			}
			if 4*(k.n+1) > 3*len(k.index) {
				k.grow()
				i = k.slot(id, name)
			}
			k.node(id).below++
			k.index[i] = k.take(node{name: strings.Clone(name), parent: id})
			k.n++
		}
		id = k.index[i]
	}
	return id
}

// grow makes the index twice as long.
func (k *known) grow() {
	old := k.index
	k.index = make([]uint32, 2*len(old))
	for _, id := range old {
		if id != 0 {
			n := k.node(id)
			k.index[k.slot(n.parent, n.name)] = id
		}
	}
}

// forget says that a znode does not exist any more.
func (k *known) forget(id uint32) {
	k.node(id).Version = Version{}
	for n := k.node(id); id != rootID && !n.is() && n.below == 0; n = k.node(id) {
		k.unlink(k.slot(n.parent, n.name))
		parent := n.parent
		*n = node{parent: k.free}
		k.free = id
		k.node(parent).below--
		id = parent
	}
}

// unlink empties a slot of the index. Ids that are after it only because it was taken move up.
func (k *known) unlink(gap int) {
	mask := len(k.index) - 1
	for i := (gap + 1) & mask; k.index[i] != 0; i = (i + 1) & mask {
		n := k.node(k.index[i])
		if home := k.home(n.parent, n.name); (i-home)&mask >= (i-gap)&mask {
			k.index[gap], gap = k.index[i], i
		}
	}
	k.index[gap] = 0
	k.n--
}

// path returns the path of an id.
func (k *known) path(id uint32) string {
	if id == rootID {
		return k.root
	}
	var names []string
	for ; id != rootID; id = k.node(id).parent {
		names = append(names, k.node(id).name)
	}
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(k.root, "/"))
	for i := len(names) - 1; i >= 0; i-- {
		b.WriteByte('/')
		b.WriteString(names[i])
	}
	return b.String()
}

// unseen returns the znodes that a reading of the whole tree did not find.
func (k *known) unseen(reading uint32) (ids []uint32) {
	for id := uint32(rootID); id < k.next; id++ {
		if n := k.node(id); n.is() && n.seen != reading {
			ids = append(ids, id)
		}
	}
	return ids
}
