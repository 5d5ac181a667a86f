package ztree

import (
	"bytes"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
)

// sortFew sorts a client's list if it is short: a server must not stall for the order of a
// million names, which means nothing.
func sortFew(names []string) {
	if len(names) <= 4096 {
		slices.Sort(names)
	}
}

// ChildNames returns the names of the children, sorted if there are few.
func (n *Node) ChildNames() []string {
	names := make([]string, 0, n.NumChildren())
	n.each(func(kid *Node) { names = append(names, kid.name()) })
	sortFew(names)
	return names
}

// ClientStat returns the znode's stat as a client sees it: see Tree.Stat.
func (n *Node) ClientStat() proto.Stat { return n.stat() }

// ACLList is ACL without copying; nil for a key that is not in the table.
func (t *Tree) ACLList(key int64) *ACL {
	if key == openACL {
		return openList
	}
	if e := t.acls.lists[key]; e != nil {
		return &e.ACL
	}
	return nil
}

// SetConfig stores the text of the ensemble's configuration in its znode, without a transaction:
// every member does that when it starts (ZKDatabase.initConfigInZKDatabase). zxid is the
// configuration's version, time is now, in milliseconds since 1970. A znode that already has all
// this from the transaction is left alone.
func (t *Tree) SetConfig(text []byte, zxid, time int64) {
	n := t.Get(proto.ConfigPath)
	if n == nil || n.mzxid == zxid && bytes.Equal(n.Data(), text) {
		return
	}
	t.fill(n, text)
	n.version, n.mzxid, n.mtime = -1, zxid, time
}
