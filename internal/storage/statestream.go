package storage

import (
	"context"
	"errors"
	"io"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// Parts gets what a state is made of: znodes, and then the transactions to apply to them.
type Parts interface {
	// Begin starts with a table of ACLs. What came before does not count: a snapshot turned out to be of no use.
	Begin(acls map[int64][]proto.ACL)
	// Znode adds a znode, valid until it returns. Each follows its parent.
	Znode(n *Node) error
	// Txn adds a transaction, valid until it returns.
	Txn(txn *proto.TxnEntry) error
}

// ErrTree means that only a tree in memory can tell what the state is.
var ErrTree = errors.New("this state needs a tree in memory")

// Stream passes on the parts of the state that Load would build, without holding it.
// The options about the tree, Visit and Digests, do not apply.
//
// The error is ErrTree where the tree decides whether a snapshot is sound and how the state goes on: if the snapshot is damaged,
// or its digest does not agree; if its znodes are in an order that no server writes; if its table of ACLs lacks one, whose number
// only a replay gives out; if the state is wanted at the zxid of the digest of a fuzzy snapshot.
func (d *Dir) Stream(ctx context.Context, opt LoadOptions, to Parts) (faults []*Fault, err error) {
	l := &load{dir: d, opt: opt, ctx: ctx, to: to}
	if err = l.run(); err == nil {
		l.tell()
	}
	return l.faults, err
}

// pass passes on a snapshot, as readTree reads it.
func (l *load) pass(path string) (*loaded, error) {
	r, err := OpenSnapshot(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	r.ViewPaths()
	l.to.Begin(r.ACLs())
	s := &loaded{file: r.Name()}
	var sum ztree.DigestSum
	var order preorder
	known := int64(openUnsafeACL)
	for i := 0; ; i++ {
		if i&0x3ff == 0 && l.ctx.Err() != nil {
			return nil, l.ctx.Err()
		}
		n, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if len(Faults(err)) > 0 {
			return nil, ErrTree // which may show more faults
		}
		if err != nil {
			return nil, err
		}
		if !order.take(n.Path) {
			return nil, ErrTree
		}
		if n.ACL != known && n.ACL != openUnsafeACL {
			if _, ok := r.ACLs()[n.ACL]; !ok {
				return nil, ErrTree
			}
			known = n.ACL
		}
		s.highest = max(s.highest, n.Stat.Czxid, n.Stat.Mzxid, n.Stat.Pzxid)
		sum.Add(n.Path, n.Data, &n.Stat)
		if err := l.to.Znode(n); err != nil {
			return nil, err
		}
	}
	s.trailer = r.Trailer()
	s.zxid = s.trailer.zxidOf(path)
	d := s.trailer.Digest
	odd := d != nil && d.Version == proto.DigestVersion && !sum.Is(d.TreeDigest)
	switch {
	case !order.begun:
		return nil, ErrTree
	case odd && s.zxid != 0 && s.trailer.DigestZxid == s.zxid && s.fuzzyUntil() == s.zxid:
		return nil, ErrTree
	case d != nil && d.Version == proto.DigestVersion && s.zxid < s.trailer.DigestZxid && s.trailer.DigestZxid == l.limit:
		return nil, ErrTree // see ahead
	}
	return s, nil
}

// passNew passes on the tree of a new server.
func (l *load) passNew(t *ztree.Tree) error {
	acls := map[int64][]proto.ACL{}
	for _, key := range t.ACLKeys() {
		acls[key] = t.ACL(key)
	}
	l.to.Begin(acls)
	for path, n := range t.All() {
		if path == "/" {
			path = ""
		}
		if err := l.to.Znode(&Node{Path: path, Data: n.Data(), ACL: n.ACL, Stat: n.Stat()}); err != nil {
			return err
		}
	}
	return nil
}

// preorder checks that each znode comes right after its parent, a sibling, or what is below a sibling, as servers write them.
type preorder struct {
	begun bool
	path  []byte // of the last znode
	above []int  // lengths of the paths of the znodes above it, but for the root, and of its own
}

// take takes the path of the next znode; "" is the root. It reports false if the znode is out of order or has no valid path.
// A path that comes twice is not always found.
func (p *preorder) take(path string) bool {
	if !p.begun {
		p.begun = path == ""
		return p.begun
	}
	parent, _, ok := ztree.Split(path)
	if !ok {
		return false
	}
	for len(p.above) > 0 {
		top := p.above[len(p.above)-1]
		if top <= len(parent) && string(p.path[:top]) == parent[:top] && (top == len(parent) || parent[top] == '/') {
			break
		}
		p.above = p.above[:len(p.above)-1]
	}
	top := 0
	if len(p.above) > 0 {
		top = p.above[len(p.above)-1]
	}
	if top != len(parent) {
		return false
	}
	p.path, p.above = append(p.path[:0], path...), append(p.above, len(path))
	return true
}
