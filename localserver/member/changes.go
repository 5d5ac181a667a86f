package member

import (
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// change is what a znode will be once what has been proposed is applied
// (ZooKeeperServer.ChangeRecord). It is not changed once it is in changes.
type change struct {
	zxid     int64
	path     string
	gone     bool
	stat     proto.StatPersisted
	children int
	acl      *ztree.ACL
	data     []byte
	digest   uint64 // the znode's part of the tree's digest, then
	tree     uint64 // the tree's digest, then
}

// changes are the proposals that are not applied yet, as the next one must see the tree.
type changes struct {
	list   []*change // by zxid
	byPath map[string]*change
}

func newChanges() changes { return changes{byPath: map[string]*change{}} }

// applied drops what the tree has now.
func (c *changes) applied(zxid int64) {
	n := 0
	for n < len(c.list) && c.list[n].zxid <= zxid {
		if one := c.list[n]; c.byPath[one.path] == one {
			delete(c.byPath, one.path)
		}
		n++
	}
	clear(c.list[:n])
	if c.list = c.list[n:]; len(c.list) == 0 {
		c.list = nil
	}
}

// mark is a point to which a multi that fails can go back.
type mark struct {
	length int
	former map[string]*change // what byPath had for the paths that the multi changed
}

func (c *changes) mark() *mark { return &mark{length: len(c.list), former: map[string]*change{}} }

// rewind undoes everything since the mark.
func (c *changes) rewind(m *mark) {
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

// look returns what the next transaction meets at a path; nil where there is no znode.
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
	return &change{zxid: -1, path: path, stat: n.Stat, children: n.NumChildren(), acl: p.s.tree.ACLList(n.ACL), data: n.Data,
		digest: p.digestOf(n, path)}
}

// canonical is the one name of a znode: the root has two.
func canonical(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

func (p *prep) digestOf(n *ztree.Node, path string) uint64 {
	if p.s.opt.NoDigest {
		return 0
	}
	return ztree.ZnodeDigest(path, n.Data, &n.Stat)
}

// treeDigest is the tree's digest after everything proposed so far.
func (p *prep) treeDigest() uint64 {
	if p.s.opt.NoDigest {
		return 0
	}
	if list := p.s.changes.list; len(list) > 0 {
		return list[len(list)-1].tree
	}
	return uint64(p.s.tree.Digest())
}

// enter records what a znode becomes. c is a copy that nobody else has; was is the znode's
// digest before.
func (p *prep) enter(c *change, was uint64) {
	c.zxid = p.header.Zxid
	if !p.s.opt.NoDigest {
		if c.digest = 0; !c.gone {
			c.digest = ztree.ZnodeDigest(c.path, c.data, &c.stat)
		}
		c.tree = p.treeDigest() - was + c.digest
	}
	all := &p.s.changes
	c.path = canonical(c.path)
	if p.mark != nil {
		if _, ok := p.mark.former[c.path]; !ok {
			p.mark.former[c.path] = all.byPath[c.path]
		}
	}
	all.list = append(all.list, c)
	all.byPath[c.path] = c
}

// alter is enter for a changed copy of a znode.
func (p *prep) alter(old *change, f func(*change)) {
	c := *old
	f(&c)
	p.enter(&c, old.digest)
}

// remove is enter for a znode that goes.
func (p *prep) remove(old *change) {
	p.enter(&change{path: old.path, gone: true}, old.digest)
}
