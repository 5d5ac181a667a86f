package storage

import (
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// rootChanges knows when the digests that a server logs may be wrong, although its tree is not.
//
// PrepRequestProcessor foretells the digest of a transaction from the changes that are under
// way. It takes the root for two znodes: a child that comes or goes changes "", set and setAcl
// change "/", and neither knows of the other. When both are under way, in one multi or in
// transactions soon after each other, what is logged is off, until nothing is under way.
type rootChanges struct {
	seen     int // transactions
	stat     proto.StatPersisted
	children int // the transaction that changed the root's children last, counted from 1
	itself   int // the one that changed its data or its ACL
}

// underWay is how many transactions may be: globalOutstandingLimit.
const underWay = 1000

// see is to be called after each transaction has been applied.
func (c *rootChanges) see(t *ztree.Tree) {
	c.seen++
	root := t.Get("/")
	if root == nil || root.Stat == c.stat {
		return
	}
	if root.Stat.Pzxid != c.stat.Pzxid || root.Stat.Cversion != c.stat.Cversion {
		c.children = c.seen
	}
	if root.Stat.Mzxid != c.stat.Mzxid || root.Stat.Aversion != c.stat.Aversion {
		c.itself = c.seen
	}
	c.stat = root.Stat
}

// excuse tells whether the digest of the last transaction may be wrong for this reason.
func (c *rootChanges) excuse() bool {
	return max(c.children, c.itself) == c.seen && min(c.children, c.itself) > 0 &&
		c.seen-min(c.children, c.itself) < underWay
}
