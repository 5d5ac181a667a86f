package replica

import (
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// commit applies a transaction that a quorum has logged, fires watches, and answers the client that
// requested it if it is connected here.
func (s *Replica) commit(p *zab.Proposal) {
	h := &p.Txn.Header
	if h.Zxid <= s.tree.LastZxid() {
		return // it was part of the state that the role started with
	}
	if c := s.conns[h.ClientID]; c != nil {
		c.catchUp()
	}
	result := s.tree.Apply(h, p.Txn.Body)
	if s.role == leading && s.opt.Ensemble != nil {
		s.metrics.Add("commit_count", 1)
	}
	s.changes.applied(h.Zxid)
	s.compareDigest(p)
	if !s.opt.NoDigest {
		s.stats.applied(h.Zxid, s.tree)
	}
	s.fire(h, p.Txn.Body, &result)
	switch h.Type {
	case proto.OpCreateSession:
		if b, ok := p.Txn.Body.(*proto.CreateSessionTxn); ok && s.role == leading {
			s.sessions.add(h.ClientID, max(s.opt.MinSession, time.Duration(b.TimeOut)*time.Millisecond), s.moment())
		}
		if c := s.opening[h.ClientID]; c != nil {
			delete(s.opening, h.ClientID)
			s.finishSession(c, true)
			return
		}
		// Otherwise a client sent it as a request, or a local session has become global.
		s.local.remove(h.ClientID)
	case proto.OpCloseSession:
		s.sessions.remove(h.ClientID)
		s.log.Infof("Processed session termination for sessionid: 0x%x", uint64(h.ClientID))
	}
	c := s.conns[h.ClientID]
	if c == nil {
		return
	}
	asked := len(c.queue) > 0 && c.queue[0].asked(h)
	if asked {
		r := c.pop()
		s.replyWrite(r, p, &result)
		c.answered(r)
	}
	switch {
	case c.gone:
	case h.Type == proto.OpCloseSession && asked:
		c.part()
	case h.Type == proto.OpCloseSession:
		c.close()
	default:
		c.advance()
	}
}

// asked reports whether a transaction is the one that the request waits for. If this member made
// it, the zxid decides: an earlier connection of the session may have used the same xid.
func (r *request) asked(h *proto.TxnHeader) bool {
	return r.sent && r.Cxid == h.Cxid && (r.zxid == 0 || r.zxid == h.Zxid) &&
		(h.Type != proto.OpCreateSession || r.Type == proto.OpCreateSession)
}

// maxFuzzy bounds the transactions after its zxid that a leader's snapshot, made while the tree
// changed, may contain. They are sent again after the snapshot; until the last of them, the tree
// matches no digest. Its znodes do not reveal their number: a deletion leaves no trace.
const maxFuzzy = 1 << 16

// compareDigest checks the tree against the leader's digest.
func (s *Replica) compareDigest(p *zab.Proposal) {
	d := p.Txn.Digest
	switch {
	case d == nil || d.Version != proto.DigestVersion || s.opt.NoDigest:
		return
	case s.tree.Digest() == d.TreeDigest || s.tree.AltDigest() == d.TreeDigest:
		s.fuzzy = 0
		return
	case s.fuzzy > 0:
		s.fuzzy--
		return
	}
	if s.stats.digestMismatches++; s.stats.digestMismatches == 1 {
		s.log.Errorf("First digest mismatch on txn: type %v, zxid 0x%x: the transaction says %d, the tree has %d",
			p.Txn.Header.Type, uint64(p.Zxid()), d.TreeDigest, s.tree.Digest())
	}
}

// fire fires the watches of what a transaction changed, in the order of DataTree.processTxn.
func (s *Replica) fire(h *proto.TxnHeader, body jute.Record, result *ztree.Result) {
	if s.watches.count() == 0 {
		return
	}
	switch h.Type {
	case proto.OpMulti:
		multi, ok := body.(*proto.MultiTxn)
		if !ok || result.Err != 0 { // then no part had an effect
			return
		}
		for i := range result.Multi {
			sub := *h
			sub.Type = multi.Txns[i].Type
			s.fire(&sub, nil, &result.Multi[i])
		}
	case proto.OpCloseSession:
		for i := range result.Deleted {
			s.watches.deleted(result.Deleted[i].Path, s.teller(h.Zxid, &result.Deleted[i].Rights))
		}
	}
	if result.Err != 0 {
		return
	}
	switch h.Type.Event() {
	case proto.EventNodeCreated:
		s.watches.created(result.Path, s.teller(h.Zxid, &result.Rights))
	case proto.EventNodeDeleted:
		s.watches.deleted(result.Path, s.teller(h.Zxid, &result.Rights))
	case proto.EventNodeDataChanged:
		s.watches.dataChanged(result.Path, s.teller(h.Zxid, &result.Rights))
	}
}

// teller returns tell restricted to clients that may read the znode. The others lose a one-shot
// watch without an event.
//
// Differs(events-need-read): Apache before 3.8.4 and 3.9.2 sends the event to everyone
// (ZOOKEEPER-4799, CVE-2024-23944; Debian's 3.8.0 has the fix). This is not emulated for any
// release.
func (s *Replica) teller(zxid int64, rights *ztree.Rights) emit[*conn] {
	return func(c *conn, path string, event proto.EventType) {
		list := rights.ACL
		if event == proto.EventNodeChildrenChanged {
			list = rights.Parent
		}
		if s.checkList(list, proto.PermRead, c.auth) == 0 {
			s.tell(c, path, event, zxid)
		}
	}
}

// noZxid is the zxid of an event that was not caused by a new transaction (WatchedEvent.NO_ZXID).
const noZxid = -1

// tell sends a watch's event.
func (s *Replica) tell(c *conn, path string, event proto.EventType, zxid int64) {
	before := len(c.out)
	s.tellAsked(c, path, event, zxid)
	c.pushed(len(c.out) - before)
}

// tellAsked is tell for an event caused by the client's own request; it waits until the client has
// read everything sent before.
func (s *Replica) tellAsked(c *conn, path string, event proto.EventType, zxid int64) {
	s.stats.told(s.watches.round, event)
	if !s.emulated().EventZxid() {
		zxid = noZxid
	}
	c.notify(zxid, &proto.WatcherEvent{Type: event, State: proto.StateSyncConnected, Path: path})
}

// parentPath returns the parent's path, "/" for the root's children.
func parentPath(path string) string {
	if up := parentOf(path); up != "" {
		return up
	}
	return "/"
}

// replyWrite answers a write with the result of its transaction.
func (s *Replica) replyWrite(r *request, p *zab.Proposal, result *ztree.Result) {
	err := result.Err
	switch {
	case err == proto.ErrSessionMoved: // or a part of a multi met it
		// The fault is the connection's, not the request's: the client has moved to another server.
		r.conn.part()
		return
	case p.Txn.Header.Type == proto.OpError:
		if r.refused != 0 {
			err = r.refused // the leader would only report that it does not know the session
		}
		s.reply(r, err, nil)
		return
	}
	if r.Type == proto.OpCreateSession {
		r.conn.confirm(true)
		return
	}
	var body jute.Record
	if o := operationOf(r.Type); o != nil && o.reply != nil {
		body = o.reply(p, result)
	}
	if r.Type == proto.OpMulti {
		err = 0 // its parts say what failed
	}
	s.reply(r, err, body)
}

func replyPath(_ *zab.Proposal, result *ztree.Result) jute.Record {
	return &proto.PathResponse{Path: result.Path}
}

func replyCreated(_ *zab.Proposal, result *ztree.Result) jute.Record {
	return &proto.Create2Response{Path: result.Path, Stat: result.Stat}
}

func replyStat(_ *zab.Proposal, result *ztree.Result) jute.Record {
	return &proto.StatResponse{Stat: result.Stat}
}

func replyConfig(p *zab.Proposal, result *ztree.Result) jute.Record {
	b, ok := p.Txn.Body.(*proto.SetDataTxn)
	if !ok {
		return nil
	}
	return &proto.GetDataResponse{Data: b.Data, Stat: result.Stat}
}

func replyMulti(p *zab.Proposal, result *ztree.Result) jute.Record {
	response := &proto.MultiResponse{}
	txn, ok := p.Txn.Body.(*proto.MultiTxn)
	if !ok {
		return response
	}
	failed := result.Err != 0
	for i := range result.Multi {
		part := &result.Multi[i]
		out := proto.MultiResult{Type: txn.Txns[i].Type}
		switch {
		case failed:
			out.Type, out.Err = proto.OpError, part.Err
		case out.Type == proto.OpCreate:
			out.Path = part.Path
		case out.Type.Creates():
			out.Type, out.Path, out.Stat = proto.OpCreate2, part.Path, &part.Stat
		case out.Type == proto.OpSetData:
			out.Stat = &part.Stat
		}
		response.Results = append(response.Results, out)
	}
	return response
}
