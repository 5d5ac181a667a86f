// Package ztree is the data tree: znodes, ACLs, quotas, ephemerals, containers and TTLs,
// and the tree's digest. It applies transactions exactly as ZooKeeper does
// (org.apache.zookeeper.server.DataTree).
package ztree

import (
	"iter"
	"maps"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
)

// Tree is not safe for concurrent use: one goroutine owns it. That includes the methods that only
// read, because Digest and the first read after a restore bring the tree up to date.
type Tree struct {
	root     *Node
	count    int
	bytes    int64 // of paths and data
	last     int64
	acls     aclTable
	sessions map[int64]int32

	ephemerals map[int64]map[*Node]struct{}
	containers map[*Node]struct{}
	ttls       map[*Node]struct{}
	quotas     quotaTrie // paths that have a limit

	digest digest
	rights Rights // of the last change

	restoring bool  // Restored has yet to run
	parent    place // of the last znode that Restore added
	added     place // that znode
}

// place is a znode with its path.
type place struct {
	path []byte
	node *Node
}

func (p *place) set(path string, n *Node) { p.path, p.node = append(p.path[:0], path...), n }

// NewEmpty returns a tree to be filled from a snapshot: it has no znodes, not even the root.
func NewEmpty() *Tree {
	return &Tree{
		acls:       newACLTable(),
		sessions:   map[int64]int32{},
		ephemerals: map[int64]map[*Node]struct{}{},
		containers: map[*Node]struct{}{},
		ttls:       map[*Node]struct{}{},
	}
}

// New returns the tree of a new server: /, /zookeeper, /zookeeper/quota and /zookeeper/config,
// the last one read-only (ZOOKEEPER-2014).
func New() *Tree {
	t := NewEmpty()
	for _, path := range []string{"", proto.ZookeeperPath, proto.QuotaPath, proto.ConfigPath} {
		_ = t.place(path, []byte{}, openACL, proto.StatPersisted{})
	}
	t.parent, t.added = place{}, place{}
	config := t.find(proto.ConfigPath)
	config.ACL = t.acls.use(proto.ReadOnlyACL)
	config.aversion = -1
	return t
}

// LastZxid returns the zxid of the last transaction applied, or the one in a snapshot's name.
func (t *Tree) LastZxid() int64 { return t.last }

// SetLastZxid sets the zxid of the last transaction.
func (t *Tree) SetLastZxid(z int64) { t.last = z }

// find returns the znode, or nil. Both "" and "/" are the root.
func (t *Tree) find(path string) *Node {
	if path == "" || path == "/" {
		return t.root
	}
	if path[0] != '/' || t.root == nil {
		return nil
	}
	n, rest, more := t.root, path[1:], true
	for more && n != nil {
		var name string
		name, rest, more = cut(rest)
		n = n.child(name)
	}
	return n
}

// Get returns the znode, or nil. Node must not be changed.
func (t *Tree) Get(path string) *Node {
	t.settle()
	return t.find(path)
}

// Stat returns what a client sees: the cversion also counts deletions, and the owner is 0 for
// containers and znodes with a TTL.
func (t *Tree) Stat(path string) (proto.Stat, bool) {
	n := t.Get(path)
	if n == nil {
		return proto.Stat{}, false
	}
	return n.stat(), true
}

// Children returns the names of the children, sorted.
func (t *Tree) Children(path string) []string {
	n := t.Get(path)
	if n == nil {
		return nil
	}
	kids := n.sorted()
	names := make([]string, len(kids))
	for i, kid := range kids {
		names[i] = kid.name()
	}
	return names
}

// Len returns the number of znodes, including the root.
func (t *Tree) Len() int { return t.count }

// Sessions returns the open sessions with their timeouts in milliseconds.
func (t *Tree) Sessions() map[int64]int32 { return maps.Clone(t.sessions) }

// Ephemerals returns the paths of a session's ephemeral znodes, sorted if there are few.
func (t *Tree) Ephemerals(session int64) []string { return paths(t.ephemerals[session]) }

// EphemeralsOf returns how many ephemeral znodes a session has.
func (t *Tree) EphemeralsOf(session int64) int { return len(t.ephemerals[session]) }

// EphemeralNodes appends a session's ephemeral znodes to a list, in no order.
func (t *Tree) EphemeralNodes(session int64, list []*Node) []*Node {
	return slices.AppendSeq(list, maps.Keys(t.ephemerals[session]))
}

// Reapable yields the container znodes and those with a time to live, in no order.
func (t *Tree) Reapable() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for _, set := range []map[*Node]struct{}{t.containers, t.ttls} {
			for n := range set {
				if !yield(n) {
					return
				}
			}
		}
	}
}

func paths(set map[*Node]struct{}) []string {
	var list []string
	for n := range set {
		list = append(list, n.Path())
	}
	sortFew(list)
	return list
}
