package ztree

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Result is what a transaction did.
type Result struct {
	Err     proto.Error // 0, or why it had no effect (NodeExists and NoNode are normal in a fuzzy range)
	Path    string
	Stat    proto.Stat // of a created or changed znode, right after the change
	Deleted []Deleted  // ephemerals deleted with a session
	Multi   []Result

	Rights Rights // of a created, deleted or changed znode
}

// Deleted is a deleted znode.
type Deleted struct {
	Path   string
	Rights Rights
}

// Rights are the ACLs of a znode and its parent at the time of a change: a watch must not tell
// about a znode to anyone who may not read it (CVE-2024-23944). They must not be changed.
type Rights struct {
	ACL    *ACL
	Parent *ACL // nil if only data changed
}

// Apply applies a transaction. body is nil for a closeSession before 3.6. The tree copies what it
// keeps, so body may alias a buffer that is reused; the paths in the result alias it too.
//
// A transaction that the tree already has, as in the fuzzy range of a snapshot, may be applied
// again. One that no server would log yields an error: ErrMarshallingError for a body of the
// wrong type, ErrBadArguments for an invalid path.
func (t *Tree) Apply(h *proto.TxnHeader, body jute.Record) Result {
	t.settle()
	r := t.apply(h, body)
	t.last = max(t.last, h.Zxid)
	return r
}

func (t *Tree) apply(h *proto.TxnHeader, body jute.Record) Result {
	r := Result{Err: proto.ErrMarshallingError}
	t.rights = Rights{}
	switch h.Type {
	case proto.OpCreate, proto.OpCreate2:
		if b, ok := body.(*proto.CreateTxn); ok {
			owner := int64(0)
			if b.Ephemeral {
				owner = h.ClientID
			}
			r.Path = b.Path
			r.Stat, r.Err = t.create(h, b.Path, b.Data, b.ACL, owner, b.ParentCVersion)
		}
	case proto.OpCreateTTL:
		if b, ok := body.(*proto.CreateTTLTxn); ok {
			r.Path, r.Err = b.Path, proto.ErrBadArguments
			if b.TTL > 0 && b.TTL <= proto.MaxTTL {
				r.Stat, r.Err = t.create(h, b.Path, b.Data, b.ACL, proto.TTLOwner(b.TTL), b.ParentCVersion)
			}
		}
	case proto.OpCreateContainer:
		if b, ok := body.(*proto.CreateContainerTxn); ok {
			r.Path = b.Path
			r.Stat, r.Err = t.create(h, b.Path, b.Data, b.ACL, proto.ContainerOwner, b.ParentCVersion)
		}
	case proto.OpDelete, proto.OpDeleteContainer:
		if b, ok := body.(*proto.DeleteTxn); ok {
			r.Path, r.Err = b.Path, t.delete(b.Path, h.Zxid)
		}
	case proto.OpSetData, proto.OpReconfig:
		if b, ok := body.(*proto.SetDataTxn); ok {
			r.Path = b.Path
			r.Stat, r.Err = t.setData(h, b)
		}
	case proto.OpSetACL:
		if b, ok := body.(*proto.SetACLTxn); ok {
			r.Path = b.Path
			r.Stat, r.Err = t.setACL(b)
		}
	case proto.OpCheck:
		if b, ok := body.(*proto.CheckVersionTxn); ok {
			r.Path, r.Err = b.Path, 0
		}
	case proto.OpError:
		if b, ok := body.(*proto.ErrorTxn); ok {
			r.Err = b.Err
		}
	case proto.OpCreateSession:
		if b, ok := body.(*proto.CreateSessionTxn); ok {
			t.sessions[h.ClientID] = b.TimeOut
			r.Err = 0
		}
	case proto.OpCloseSession:
		switch b := body.(type) {
		case nil:
			r.Deleted, r.Err = t.closeSession(h, nil), 0
		case *proto.CloseSessionTxn:
			r.Deleted, r.Err = t.closeSession(h, b.Paths2Delete), 0
		}
	case proto.OpMulti:
		if b, ok := body.(*proto.MultiTxn); ok {
			r.Multi, r.Err = t.multi(h, b)
		}
	default:
		r.Err = 0 // DataTree.processTxn ignores unknown types
	}
	r.Rights = t.rights
	return r
}

func (t *Tree) create(h *proto.TxnHeader, path string, data []byte, acl []proto.ACL, owner int64, cversion int32) (proto.Stat, proto.Error) {
	parentPath, name, ok := Split(path)
	if !ok {
		return proto.Stat{}, proto.ErrBadArguments
	}
	parent := t.find(parentPath)
	if parent == nil {
		return proto.Stat{}, proto.ErrNoNode
	}
	key := t.acls.use(acl)
	if old := parent.child(name); old != nil {
		// Replay over a fuzzy snapshot. The list may have got another number since; and the znode
		// may be a later one of the same name, whose parent was saved before it.
		old.ACL = key
		if h.Type == proto.OpCreate {
			t.raiseCversion(parent, cversion, h.Zxid)
		}
		return proto.Stat{}, proto.ErrNodeExists
	}
	t.digest.change(parent)
	t.raiseCversion(parent, cversion, h.Zxid)
	n := newNode(parent, name, data, key, proto.StatPersisted{
		Czxid: h.Zxid, Mzxid: h.Zxid, Pzxid: h.Zxid, Ctime: h.Time, Mtime: h.Time, EphemeralOwner: owner,
	})
	t.attach(n)
	if strings.HasPrefix(parentPath, proto.QuotaPath) {
		limited := parentPath[len(proto.QuotaPath):]
		switch name {
		case proto.LimitsNode:
			t.quotas.add(limited)
		case proto.StatsNode:
			t.recount(limited)
		}
	}
	t.charge(path, int64(len(data)), 1)
	t.rights = Rights{t.ACLList(key), t.ACLList(parent.ACL)}
	return n.stat(), 0
}

// raiseCversion sets the cversion of a created znode's parent to that of the transaction, or to
// the next one if the log is too old to have it. It never lowers it: in a replay the parent may
// be ahead.
func (t *Tree) raiseCversion(parent *Node, cversion int32, zxid int64) {
	if cversion == -1 {
		cversion = parent.cversion
		if cversion == math.MaxInt32 {
			return
		}
		cversion++
	}
	if cversion > parent.cversion {
		t.digest.change(parent)
		parent.cversion = cversion
		parent.pzxid = zxid
	}
}

func (t *Tree) delete(path string, zxid int64) proto.Error {
	parentPath, name, ok := Split(path)
	if !ok {
		return proto.ErrBadArguments
	}
	parent := t.find(parentPath)
	if parent == nil {
		return proto.ErrNoNode
	}
	// Even if the znode is already deleted, as in the fuzzy range of a snapshot.
	if zxid > parent.pzxid {
		t.digest.change(parent)
		parent.pzxid = zxid
	}
	n := parent.child(name)
	if n == nil {
		return proto.ErrNoNode
	}
	t.rights = Rights{t.ACLList(n.ACL), t.ACLList(parent.ACL)}
	t.detach(n)
	if name == proto.LimitsNode && strings.HasPrefix(parentPath, proto.QuotaPath) {
		t.quotas.remove(parentPath[len(proto.QuotaPath):])
	}
	t.charge(path, -int64(n.size()), -1)
	return 0
}

func (t *Tree) setData(h *proto.TxnHeader, b *proto.SetDataTxn) (proto.Stat, proto.Error) {
	n := t.find(b.Path)
	if n == nil {
		return proto.Stat{}, proto.ErrNoNode
	}
	t.digest.change(n)
	grown := int64(len(b.Data) - n.size())
	t.fill(n, b.Data)
	n.mtime, n.mzxid, n.version = h.Time, h.Zxid, b.Version
	t.charge(b.Path, grown, 0)
	t.rights = Rights{ACL: t.ACLList(n.ACL)}
	return n.stat(), 0
}

func (t *Tree) setACL(b *proto.SetACLTxn) (proto.Stat, proto.Error) {
	n := t.find(b.Path)
	if n == nil {
		return proto.Stat{}, proto.ErrNoNode
	}
	t.digest.change(n)
	// In this order, as in ZooKeeper: a list without another user gets a new number.
	t.acls.release(n.ACL)
	n.ACL = t.acls.use(b.ACL)
	n.aversion = b.Version
	return n.stat(), 0
}

// closeSession deletes the znodes named in the transaction (3.6), and then the session's other
// ones. It returns both.
func (t *Tree) closeSession(h *proto.TxnHeader, named []string) (deleted []Deleted) {
	delete(t.sessions, h.ClientID)
	remove := func(paths []string) {
		for _, path := range paths {
			if t.delete(path, h.Zxid) == 0 {
				deleted = append(deleted, Deleted{path, t.rights})
			}
		}
	}
	remove(named)
	remove(t.Ephemerals(h.ClientID))
	return deleted
}

// multi applies the parts, all with the same zxid. If one is an error, none takes effect.
func (t *Tree) multi(h *proto.TxnHeader, b *proto.MultiTxn) (parts []Result, code proto.Error) {
	failed := slices.ContainsFunc(b.Txns, func(p proto.Txn) bool { return p.Type == proto.OpError })
	met := false // the error itself
	parts = make([]Result, 0, len(b.Txns))
	for i := range b.Txns {
		p := &b.Txns[i]
		var r Result
		if !p.Type.PartOfTxn() {
			return parts, cmp.Or(code, proto.ErrMarshallingError)
		}
		met = met || p.Type == proto.OpError
		switch {
		case failed && p.Type != proto.OpError:
			if met {
				r.Err = proto.ErrRuntimeInconsistency
			}
		default:
			body, err := p.Decode()
			if err != nil {
				return parts, cmp.Or(code, proto.ErrMarshallingError)
			}
			sub := *h
			sub.Type = p.Type
			r = t.apply(&sub, body)
		}
		parts = append(parts, r)
		code = cmp.Or(code, r.Err)
	}
	return parts, code
}
