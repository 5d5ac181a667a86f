package member

import (
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver/zab"
)

// request is one request of a client, or a transaction that the member wants itself: then it
// has no connection.
type request struct {
	zab.Request
	conn     *conn
	received time.Time
	size     int64
	sent     bool // it waits for the transaction that it asked for
}

// request takes a request from its connection's reader. Writes set out at once, several of
// them if the client does not wait; reads wait for the connection's writes before them.
func (s *Server) request(r *request) {
	c := r.conn
	if c.gone || c.leaving {
		c.answered(r)
		return
	}
	c.stats.received++
	s.stats.received++
	s.metrics.Add("bytes_received_count", 4+r.size)
	if r.Type == proto.OpAuth {
		s.authenticate(c, r)
		c.answered(r)
		return
	}
	r.Session, r.Auth = c.session, c.auth[:len(c.auth):len(c.auth)]
	if s.role != readOnly && !s.touch(c.session, c.timeout) {
		s.log.Debugf("Dropping request: no session 0x%x exists", uint64(c.session))
		c.answered(r)
		return
	}
	c.queue = append(c.queue, r)
	switch {
	case s.role == readOnly:
	case writes(r.Type):
		r.sent = true
		if s.role == leading {
			s.propose(r)
		} else {
			s.learner.Forward(&r.Request)
		}
	case r.Type == proto.OpSync && s.role == following:
		r.sent = true
		s.syncs = append(s.syncs, r)
		s.learner.Forward(&r.Request)
	}
	c.advance()
}

// writes tells whether an operation goes through the leader (Request.isQuorum).
func writes(op proto.Op) bool {
	switch op {
	case proto.OpCreate, proto.OpCreate2, proto.OpCreateTTL, proto.OpCreateContainer, proto.OpDelete,
		proto.OpDeleteContainer, proto.OpSetData, proto.OpSetACL, proto.OpMulti, proto.OpReconfig,
		proto.OpCheck, proto.OpCloseSession:
		return true
	}
	return false
}

// advance answers the requests at the head of the queue, up to the next that waits for a
// transaction, and as long as the client takes the answers.
func (c *conn) advance() {
	for len(c.queue) > 0 && !c.gone {
		r := c.queue[0]
		if r.sent || c.full() {
			return
		}
		c.queue[0] = nil
		c.queue = c.queue[1:]
		c.s.answer(r)
	}
	if len(c.queue) == 0 {
		c.queue = nil
	}
}

// answer answers a request that needs no transaction.
func (s *Server) answer(r *request) {
	c := r.conn
	defer c.answered(r)
	var body jute.Record
	err := proto.Error(0)
	switch {
	case s.role == readOnly && (writes(r.Type) || r.Type == proto.OpSync):
		err = proto.ErrNotReadOnly
	case s.role == leading && r.Type != proto.OpSASL:
		err = s.sessions.check(r.Session, ownClients)
	}
	if err == 0 {
		body, err = s.read(r)
	}
	if err == proto.ErrSessionMoved {
		// The client has gone to another member; this connection is of the past.
		c.part()
		return
	}
	s.reply(r, err, body)
	if err == proto.ErrUnimplemented {
		c.part()
	}
}

// reply answers a client and accounts for it.
func (s *Server) reply(r *request, err proto.Error, body jute.Record) {
	c := r.conn
	if s.fault != nil && !s.injected(r, &err, &body) {
		return
	}
	if err != 0 {
		body = nil
	}
	zxid := s.tree.LastZxid()
	s.stats.answered(r, zxid, time.Since(r.received), &c.stats)
	c.send(&proto.ReplyHeader{Xid: r.Cxid, Zxid: zxid, Err: err}, body)
}

// authenticate adds an identity to the connection, or ends it.
func (s *Server) authenticate(c *conn, r *request) {
	var p proto.AuthPacket
	if err := jute.Unmarshal(r.Body, &p); err != nil {
		s.log.Warnf("An auth packet from %s cannot be read: %v", c.remote, err)
		c.close()
		return
	}
	s.log.Infof("got auth packet %s", c.remote)
	ids, ok := s.auth.authenticate(c.auth, p.Scheme, p.Auth, c.address, c.subject)
	if ok {
		c.auth = ids
		s.log.Infof("Session 0x%x: auth success for scheme %s and address %s", uint64(c.session), p.Scheme, c.remote)
		c.send(&proto.ReplyHeader{Xid: r.Cxid}, nil)
		return
	}
	s.log.Warnf("Authentication failed for scheme: %s", p.Scheme)
	c.send(&proto.ReplyHeader{Xid: r.Cxid, Err: proto.ErrAuthFailed}, nil)
	c.part()
}
