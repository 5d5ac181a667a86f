package replica

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// prep makes the transaction of one request (PrepRequestProcessor): it checks the request against
// the tree and all earlier proposals, and records what will change.
type prep struct {
	s      *Replica
	r      *request
	header proto.TxnHeader
	mark   *mark  // set inside a multi
	config []byte // of a reconfig
}

// propose makes a transaction with the next zxid from a request and passes it to zab. A refused
// request gets one too, with the reason.
func (s *Replica) propose(r *request) {
	if r.Type == proto.OpSync {
		s.leader.SyncAfter(r.Origin)
		return
	}
	// Differs(unreadable-write): Apache 3.9 gives an unreadable one the previous zxid.
	s.zxid++
	p := &prep{s: s, r: r, header: proto.TxnHeader{ClientID: r.Session, Cxid: r.Cxid, Zxid: s.zxid, Time: time.Now().Add(s.ahead).UnixMilli(), Type: r.Type}}
	body, err := p.txn()
	if err != 0 {
		p.header.Type = proto.OpError
		body = &proto.ErrorTxn{Err: err}
		s.logRefusal(r, err, "")
	}
	proposal := &zab.Proposal{Txn: proto.TxnEntry{Header: p.header, Body: body}, Config: p.config}
	if !s.opt.NoDigest && p.header.Type != proto.OpError {
		proposal.Txn.Digest = &proto.TxnDigest{Version: proto.DigestVersion, TreeDigest: int64(p.treeDigest())}
	}
	proposal.Raw = jute.Marshal(&proposal.Txn)
	s.stats.proposed(len(proposal.Raw), s.opt.Ensemble != nil)
	s.leader.Propose(proposal)
}

// logRefusal logs a malformed request, as PrepRequestProcessor does. A missing znode or permission
// is usual and is not logged.
func (s *Replica) logRefusal(r *request, err proto.Error, aborting string) {
	switch {
	case err == proto.ErrMarshallingError:
		s.logUnreadable(r, s.zxid, strconv.Itoa(int(r.Type)))
	case err > proto.ErrAPIError:
		s.log.Infof("Got user-level KeeperException when processing %s%s Error:%v", r.describe(s.zxid, "-1"), aborting, err)
	}
}

// dumped is how many bytes of an unreadable request go to the log.
const dumped = 256

func (s *Replica) logUnreadable(r *request, zxid int64, txn string) {
	s.log.Errorf("Failed to process %s", r.describe(zxid, txn))
	more := ""
	if len(r.Body) > dumped {
		more = "…"
	}
	s.log.Errorf("Dumping request buffer for request type %v: 0x%x%s", r.Type, r.Body[:min(len(r.Body), dumped)], more)
}

// describe is Request.toString; without a transaction, zxid and txn are -2 and "unknown". A request
// starts with its path, if it has one.
func (r *request) describe(zxid int64, txn string) string {
	path := "n/a"
	if r.Type != proto.OpMulti && r.Type != proto.OpMultiRead && len(r.Body) >= 4 {
		if n := int32(binary.BigEndian.Uint32(r.Body)); n >= 0 && n < 4096 && int(n) <= len(r.Body)-4 {
			path = string(r.Body[4 : 4+n])
		}
	}
	return fmt.Sprintf("sessionid:0x%x type:%v cxid:0x%x zxid:0x%x txntype:%s reqpath:%s", uint64(r.Session), r.Type, uint32(r.Cxid), uint64(zxid), txn, path)
}

// nullPath reports whether the first field of a request is null rather than "". If ZooKeeper does
// not check it, it fails as on an unreadable record.
func nullPath(r *request) bool { return len(r.Body) >= 4 && binary.BigEndian.Uint32(r.Body) == 1<<32-1 }

// session is the check that starts every write.
func (p *prep) session() proto.Error { return p.s.checkSession(p.r.Session, p.r.Origin) }

// owner replaces session for what ends with the session.
func (p *prep) owner() proto.Error {
	if p.r.refused != 0 {
		return p.r.refused
	}
	return p.s.checkGlobal(p.r.Session, p.r.Origin)
}

func (p *prep) delete(_ proto.Op, q *proto.PathVersionRequest) (jute.Record, proto.Error) {
	if err := p.session(); err != 0 {
		return nil, err
	}
	if p.mark == nil && nullPath(p.r) {
		return nil, proto.ErrMarshallingError
	}
	up, err := parentForDelete(q.Path)
	if err != 0 {
		return nil, err
	}
	parent := p.look(up)
	if parent == nil {
		return nil, proto.ErrNoNode
	}
	if err := p.s.checkList(parent.acl, proto.PermDelete, p.r.Auth); err != 0 {
		return nil, err
	}
	n := p.look(q.Path)
	switch {
	case n == nil:
		return nil, proto.ErrNoNode
	case q.Version != -1 && q.Version != n.stat.Version:
		return nil, proto.ErrBadVersion
	case n.children > 0:
		return nil, proto.ErrNotEmpty
	}
	p.take(parent, n)
	return &proto.DeleteTxn{Path: q.Path}, 0
}

// take records the deletion of a znode.
func (p *prep) take(parent, n *change) {
	p.alter(parent, func(c *change) {
		c.children--
		c.stat.Pzxid = p.header.Zxid
	})
	p.remove(n)
}

// deleteContainer deletes a container or TTL znode that is due.
func (p *prep) deleteContainer(proto.Op, jute.Record) (jute.Record, proto.Error) {
	if p.r.Session != 0 {
		// Differs(delete-container): Apache 3.8 misreads a client's request and answers this; 3.9
		// deletes the znode, whatever its ACL, if it is empty and not ephemeral.
		return nil, proto.ErrBadArguments
	}
	path := string(p.r.Body)
	up, err := parentForDelete(path)
	if err != 0 {
		return nil, err
	}
	n, parent := p.look(path), p.look(up)
	switch {
	case n == nil:
		return nil, proto.ErrNoNode
	case n.children > 0:
		return nil, proto.ErrNotEmpty
	case proto.EphemeralTypeOf(n.stat.EphemeralOwner) == proto.EphemeralNormal:
		return nil, proto.ErrBadVersion
	case parent == nil:
		return nil, proto.ErrNoNode
	}
	p.take(parent, n)
	return &proto.DeleteTxn{Path: path}, 0
}

// parentForDelete returns the parent of a path that may be deleted.
func parentForDelete(path string) (string, proto.Error) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || strings.IndexByte(path, 0) >= 0 || proto.IsSpecialPath(path) {
		return "", proto.ErrBadArguments
	}
	return path[:i], 0
}

func (p *prep) setData(_ proto.Op, q *proto.SetDataRequest) (jute.Record, proto.Error) {
	n, err := p.target(q.Path, proto.PermWrite)
	if err != 0 {
		return nil, err
	}
	if err := p.s.quota.check(p.s.tree, q.Path, int64(len(q.Data))-int64(len(n.data)), 0); err != 0 {
		return nil, err
	}
	if q.Version != -1 && q.Version != n.stat.Version {
		return nil, proto.ErrBadVersion
	}
	version := n.stat.Version + 1
	p.alter(n, func(c *change) {
		c.fill(q.Data)
		c.stat.Version, c.stat.Mtime, c.stat.Mzxid = version, p.header.Time, p.header.Zxid
	})
	return &proto.SetDataTxn{Path: q.Path, Data: q.Data, Version: version}, 0
}

// target returns the znode of a write that neither creates nor deletes it, if the client has the
// permission.
func (p *prep) target(path string, perm proto.Perms) (*change, proto.Error) {
	if err := p.session(); err != 0 {
		return nil, err
	}
	if !validPath(path) {
		return nil, proto.ErrBadArguments
	}
	n := p.look(path)
	if n == nil {
		return nil, proto.ErrNoNode
	}
	return n, p.s.checkList(n.acl, perm, p.r.Auth)
}

func (p *prep) setACL(_ proto.Op, q *proto.SetACLRequest) (jute.Record, proto.Error) {
	if err := p.session(); err != 0 {
		return nil, err
	}
	if !validPath(q.Path) {
		return nil, proto.ErrBadArguments
	}
	list, err := p.s.auth.fixupACL(javaACL(q.ACL), p.r.Auth)
	if err != 0 {
		return nil, err
	}
	n, err := p.target(q.Path, proto.PermAdmin)
	if err != 0 {
		return nil, err
	}
	if q.Version != -1 && q.Version != n.stat.Aversion {
		return nil, proto.ErrBadVersion
	}
	version := n.stat.Aversion + 1
	p.alter(n, func(c *change) { c.stat.Aversion, c.acl = version, &ztree.ACL{List: list} })
	return &proto.SetACLTxn{Path: q.Path, ACL: list, Version: version}, 0
}

func (p *prep) check(_ proto.Op, q *proto.PathVersionRequest) (jute.Record, proto.Error) {
	n, err := p.target(q.Path, proto.PermRead)
	if err != 0 {
		return nil, err
	}
	if q.Version != -1 && q.Version != n.stat.Version {
		return nil, proto.ErrBadVersion
	}
	return &proto.CheckVersionTxn{Path: q.Path, Version: n.stat.Version + 1}, 0
}

func (p *prep) createSession(proto.Op, jute.Record) (jute.Record, proto.Error) {
	r := p.r
	if len(r.Body) < 4 {
		return nil, proto.ErrMarshallingError
	}
	timeout := int32(binary.BigEndian.Uint32(r.Body))
	// A client's request may contain any timeout; the session must not end at once.
	t := p.s.sessions.add(r.Session, max(p.s.opt.MinSession, time.Duration(timeout)*time.Millisecond), p.s.moment())
	t.owner, t.owned = r.Origin, true
	return &proto.CreateSessionTxn{TimeOut: timeout}, 0
}

// closeSession names the ephemerals that are deleted with the session: those in the tree, and those
// that have been proposed.
func (p *prep) closeSession(proto.Op, jute.Record) (jute.Record, proto.Error) {
	all := &p.s.changes
	made := map[string]int64{} // czxid by path
	for _, path := range p.s.tree.Ephemerals(p.r.Session) {
		if c := all.byPath[path]; c == nil {
			made[path] = p.s.tree.Get(path).Stat().Czxid
		}
	}
	for c := range all.owned[p.r.Session] {
		if all.byPath[c.path] == c { // the latest change of it
			made[c.path] = c.stat.Czxid
		}
	}
	paths := slices.Sorted(maps.Keys(made))
	slices.SortStableFunc(paths, func(a, b string) int { return cmp.Compare(made[a], made[b]) })
	hashOrder(paths)
	for _, path := range paths {
		n, parent := p.look(path), p.look(parentPath(path))
		if n != nil && parent != nil {
			p.take(parent, n)
		}
	}
	if t := p.s.sessions.byID[p.r.Session]; t != nil {
		t.closing = true
	}
	return &proto.CloseSessionTxn{Paths2Delete: paths}, 0
}

// multi makes the transactions of all parts or, if one of them is refused, errors in place of all.
func (p *prep) multi(_ proto.Op, q *proto.MultiRequest) (jute.Record, proto.Error) {
	keep := p.s.emulated().MultiKeepsCreate2()
	for i := range q.Ops {
		if err := asMade(&q.Ops[i], keep); err != 0 {
			return nil, err
		}
	}
	p.mark = p.s.changes.mark()
	txn := &proto.MultiTxn{Txns: make([]proto.Txn, 0, len(q.Ops))}
	failed := false
	for _, op := range q.Ops {
		if failed {
			txn.Txns = append(txn.Txns, errorPart(proto.ErrRuntimeInconsistency))
			continue
		}
		body, err := p.part(op)
		if err != 0 {
			failed = true
			p.s.changes.rewind(p.mark)
			if err == proto.ErrMarshallingError {
				return nil, err // an exception that is not a part's
			}
			p.s.logRefusal(p.r, err, " aborting remaining multi ops.")
			txn.Txns = append(txn.Txns, errorPart(err))
			continue
		}
		txn.Txns = append(txn.Txns, proto.Txn{Type: op.Type, Data: jute.Marshal(body)})
	}
	return txn, 0
}

// asMade gives a part of a multi the type that its flags say, as do the classes of ZooKeeper's
// client, with which the server reads a multi (org.apache.zookeeper.Op). keep preserves a type that
// the flags do not determine. Reads are never part of one.
func asMade(op *proto.MultiOp, keep bool) proto.Error {
	switch q := op.Request.(type) {
	case *proto.CreateTTLRequest:
		if q.Flags.IsTTL() {
			return 0
		}
		op.Request = &proto.CreateRequest{Path: q.Path, Data: q.Data, ACL: q.ACL, Flags: q.Flags}
		op.Type = proto.OpCreate
		if q.Flags == proto.Container {
			op.Type = proto.OpCreateContainer
		}
	case *proto.CreateRequest:
		switch {
		case q.Flags.IsTTL(), keep && !q.Flags.Valid():
			return proto.ErrMarshallingError
		case q.Flags == proto.Container:
			op.Type = proto.OpCreateContainer
		case !keep:
			op.Type = proto.OpCreate
		}
	case *proto.PathWatchRequest:
		return proto.ErrMarshallingError
	}
	return 0
}

func errorPart(err proto.Error) proto.Txn {
	return proto.Txn{Type: proto.OpError, Data: jute.Marshal(&proto.ErrorTxn{Err: err})}
}
