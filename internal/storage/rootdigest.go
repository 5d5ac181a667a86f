package storage

import (
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// rootChanges tracks when the digests that a server logs may be wrong although its tree is right.
//
// PrepRequestProcessor predicts the digest of a transaction from the changes in progress. It
// treats the root as two znodes: adding or removing a child changes "", set and setAcl change
// "/", and neither affects the other. If both are in progress, in one multi or in transactions
// shortly after each other, the logged digest is off until nothing is in progress.
type rootChanges struct {
	seen     int // transactions
	stat     proto.StatPersisted
	children int // the last transaction that changed the root's children, counted from 1
	itself   int // the last transaction that changed its data or ACL
}

// underWay is how many transactions can be in progress: globalOutstandingLimit.
const underWay = 1000

// see must be called after each transaction is applied.
func (c *rootChanges) see(t *ztree.Tree) {
	c.seen++
	root := t.Get("/")
	if root == nil {
		return
	}
	stat := root.Stat()
	if stat == c.stat {
		return
	}
	if stat.Pzxid != c.stat.Pzxid || stat.Cversion != c.stat.Cversion {
		c.children = c.seen
	}
	if stat.Mzxid != c.stat.Mzxid || stat.Aversion != c.stat.Aversion {
		c.itself = c.seen
	}
	c.stat = stat
}

// excuse reports whether the digest of the last transaction may be wrong for this reason.
func (c *rootChanges) excuse() bool {
	return max(c.children, c.itself) == c.seen && min(c.children, c.itself) > 0 &&
		c.seen-min(c.children, c.itself) < underWay
}
