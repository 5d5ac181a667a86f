package replica

import (
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// change is a znode as it will be once all proposals are applied (ZooKeeperServer.ChangeRecord). It
// is immutable once it is in changes.
type change struct {
	zxid     int64
	path     string
	gone     bool
	stat     proto.StatPersisted
	children int
	acl      *ztree.ACL
	data     []byte
	node     *ztree.Node   // holds the data until content is computed
	content  ztree.Content // the digest's input, once summed
	summed   bool
	digest   uint64 // the znode's part of the tree's digest at that point
	tree     uint64 // the tree's digest at that point
}

// fill gives the znode new data.
func (c *change) fill(data []byte) { c.data, c.node, c.summed = data, nil, false }

func (c *change) sumUp() {
	switch {
	case c.summed:
		return
	case c.node != nil:
		c.content = c.node.Content()
	default:
		c.content = ztree.ContentOf(c.path, c.data)
	}
	c.summed = true
}

// owner returns the session that owns the ephemeral znode, or 0.
func (c *change) owner() int64 {
	if c.gone || proto.EphemeralTypeOf(c.stat.EphemeralOwner) != proto.EphemeralNormal {
		return 0
	}
	return c.stat.EphemeralOwner
}

// changes are the effects of proposals that are not applied yet: what the next one must see in the
// tree.
type changes struct {
	list   []*change // by zxid
	byPath map[string]*change
	owned  map[int64]map[*change]struct{} // the changes of ephemeral znodes, by session
}

func newChanges() changes {
	return changes{byPath: map[string]*change{}, owned: map[int64]map[*change]struct{}{}}
}

func (c *changes) add(one *change) {
	c.list = append(c.list, one)
	c.byPath[one.path] = one
	owner := one.owner()
	if owner == 0 {
		return
	}
	if c.owned[owner] == nil {
		c.owned[owner] = map[*change]struct{}{}
	}
	c.owned[owner][one] = struct{}{}
}

// disown forgets that a session owns the znode of a change.
func (c *changes) disown(one *change) {
	owner := one.owner()
	if owner == 0 {
		return
	}
	if delete(c.owned[owner], one); len(c.owned[owner]) == 0 {
		delete(c.owned, owner)
	}
}

// applied drops the changes that the tree now contains.
func (c *changes) applied(zxid int64) {
	n := 0
	for n < len(c.list) && c.list[n].zxid <= zxid {
		if one := c.list[n]; c.byPath[one.path] == one {
			delete(c.byPath, one.path)
		}
		c.disown(c.list[n])
		n++
	}
	clear(c.list[:n])
	if c.list = c.list[n:]; len(c.list) == 0 {
		c.list = nil
	}
}

// mark is a point to which a failed multi is rolled back.
type mark struct {
	length int
	former map[string]*change // byPath's entries for the paths that the multi changed
}

func (c *changes) mark() *mark { return &mark{length: len(c.list), former: map[string]*change{}} }

// rewind undoes everything since the mark.
func (c *changes) rewind(m *mark) {
	for _, one := range c.list[m.length:] {
		c.disown(one)
	}
	clear(c.list[m.length:])
	c.list = c.list[:m.length]
	for path, former := range m.former {
		if former == nil {
			delete(c.byPath, path)
		} else {
			c.byPath[path] = former
		}
	}
}

// look returns what the next transaction finds at a path, or nil if there is no znode.
func (p *prep) look(path string) *change {
	if c := p.s.changes.byPath[canonical(path)]; c != nil {
		if c.gone {
			return nil
		}
		return c
	}
	n := p.s.tree.Get(path)
	if n == nil {
		return nil
	}
	return &change{zxid: -1, path: path, stat: n.Stat(), children: n.NumChildren(), acl: p.s.tree.ACLList(n.ACL), data: n.Data(),
		node: n, digest: p.digestOf(n)}
}

// canonical returns the one name used for a znode: the root has two.
func canonical(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

func (p *prep) digestOf(n *ztree.Node) uint64 {
	if p.s.opt.NoDigest {
		return 0
	}
	return n.Digest()
}

// treeDigest returns the tree's digest after all proposals so far.
func (p *prep) treeDigest() uint64 {
	if p.s.opt.NoDigest {
		return 0
	}
	if list := p.s.changes.list; len(list) > 0 {
		return list[len(list)-1].tree
	}
	return uint64(p.s.tree.Digest())
}

// enter records a znode's new state. The caller must not use c afterwards; was is the znode's
// previous digest.
func (p *prep) enter(c *change, was uint64) {
	c.zxid = p.header.Zxid
	if !p.s.opt.NoDigest {
		if c.digest = 0; !c.gone {
			c.sumUp()
			c.digest = c.content.Digest(&c.stat)
		}
		c.tree = p.treeDigest() - was + c.digest
	}
	all := &p.s.changes
	c.path, c.node = canonical(c.path), nil
	if p.mark != nil {
		if _, ok := p.mark.former[c.path]; !ok {
			p.mark.former[c.path] = all.byPath[c.path]
		}
	}
	all.add(c)
}

// alter is enter for a changed copy of a znode.
func (p *prep) alter(old *change, f func(*change)) {
	c := *old
	f(&c)
	p.enter(&c, old.digest)
}

// remove is enter for a deleted znode.
func (p *prep) remove(old *change) {
	p.enter(&change{path: old.path, gone: true}, old.digest)
}
