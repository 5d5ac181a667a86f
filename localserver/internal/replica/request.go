package replica

import (
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// request is a client's request, or a transaction that the member itself wants; then it has no
// connection.
type request struct {
	zab.Request
	conn     *conn
	received time.Time
	size     int64
	large    int64 // the size of a large request, otherwise 0
	zxid     int64 // of its transaction, if this member made it

	sasl    *saslStep   // of a SASL token
	fault   Fault       // injected before it runs
	refused proto.Error // why it is refused, if this member knows

	sent       bool // it waits for its transaction
	held       bool // it will be submitted when the client reads again
	weight     int  // of a read: estimated bytes of its reply; 0 until computed
	discounted bool // it no longer counts as in progress
}

// request takes a request from its connection's reader. Writes are submitted at once, several of
// them if the client does not wait; reads wait for the connection's earlier writes.
func (s *Replica) request(r *request) {
	c := r.conn
	if c.gone || c.leaving {
		c.answered(r)
		return
	}
	c.stats.received++
	s.stats.received++
	s.metrics.bytesReceived.Add(4 + r.size)
	if r.fault.Err != 0 || r.fault.Drop {
		s.touch(c.session, c.timeout)
		c.queue = append(c.queue, r)
		c.reads++
		c.advance()
		return
	}
	switch r.Type {
	case proto.OpAuth:
		s.authenticate(c, r)
		c.answered(r)
		return
	case proto.OpSASL:
		s.stepSASL(c, r)
		c.answered(r)
		return
	}
	if !s.auth.admits(c.auth) {
		s.log.Errorf("Client authentication scheme(s) %v does not match with any of the expected authentication scheme %v, closing session.", schemesOf(c.auth), s.auth.enforced)
		c.answered(r)
		c.send(&proto.ReplyHeader{Xid: r.Cxid, Err: proto.ErrSessionClosedSASLAuth}, nil)
		c.part()
		return
	}
	r.Session, r.Auth = c.session, c.auth[:len(c.auth):len(c.auth)]
	if !s.touch(c.session, c.timeout) {
		s.log.Debugf("Dropping request: no session 0x%x exists", uint64(c.session))
		c.answered(r)
		return
	}
	if !r.Type.Requested() {
		// At once, before earlier requests are answered (UnimplementedRequestProcessor).
		s.log.Warnf("Received packet at server of unknown type %d", int32(r.Type))
		c.answered(r)
		c.send(&proto.ReplyHeader{Xid: r.Cxid, Zxid: -1, Err: proto.ErrUnimplemented}, nil)
		c.part()
		return
	}
	s.upgrade(r)
	c.queue = append(c.queue, r)
	if s.role != readOnly && (s.replicated(r) || r.Type == proto.OpSync && s.role == following) {
		// Reads that wait for memory must not see later writes.
		if r.held = c.held > 0 || c.stalled.Load() || c.due() > writeAhead; r.held {
			c.held++
		} else {
			s.dispatch(r)
		}
	} else {
		c.reads++
	}
	c.advance()
}

// dispatch submits a write, or a learner's sync.
func (s *Replica) dispatch(r *request) {
	r.sent = true
	if s.role == leading {
		s.propose(r)
		r.zxid = s.zxid
		return
	}
	if r.Type == proto.OpSync {
		s.syncs = append(s.syncs, r)
	}
	s.learner.Forward(&r.Request)
}

// advance answers the requests at the head of the queue, up to the next that waits for a
// transaction, for as long as it is the connection's turn and the client takes the answers.
func (c *conn) advance() {
	for len(c.queue) > 0 && !c.gone && !c.queue[0].sent {
		if c.mustWait(c.queue[0]) {
			if c.stall(); c.mustWait(c.queue[0]) { // the client has still not read
				return
			}
		}
		if c.queue[0].held {
			break
		}
		c.s.answer(c.pop())
	}
	c.goOn()
	if len(c.queue) == 0 {
		c.queue = c.first[:0]
	}
}

// catchUp answers the reads that precede a write about to be applied, so that they see the state
// before it, whether or not the client reads the answers.
func (c *conn) catchUp() {
	for len(c.queue) > 0 && !c.gone && !c.queue[0].sent && !c.queue[0].held {
		before := len(c.out)
		c.s.answer(c.pop())
		c.pushed(len(c.out) - before)
	}
}

func (c *conn) pop() *request {
	r := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	if !r.sent {
		c.reads--
	}
	if c.weighed > 0 {
		c.weighed--
		c.dueBytes -= r.weight
	}
	return r
}

// due estimates the bytes of the replies to the reads in the queue.
func (c *conn) due() int {
	if c.reads == 0 || c.reads*(smallReply+int(c.s.tree.Bytes())) <= writeAhead {
		return 0
	}
	for ; c.weighed < len(c.queue); c.weighed++ {
		if r := c.queue[c.weighed]; !r.sent && !r.held {
			c.dueBytes += c.s.weigh(r)
		}
	}
	return c.dueBytes
}

// stall blocks the reader. Requests that wait for a client to read do not count as outstanding:
// they would throttle other clients.
func (c *conn) stall() {
	c.stalled.Store(true)
	for i := len(c.queue) - 1; i >= 0 && !c.queue[i].discounted; i-- {
		c.s.discount(c.queue[i])
	}
}

// goOn ends a stall and submits the writes that were held back, as far as the reads before them
// allow.
func (c *conn) goOn() {
	if c.gone || c.mustWait(nil) {
		return
	}
	if c.stalled.Load() {
		c.stalled.Store(false)
		c.readOn()
	}
	due := 0
	for i := 0; c.held > 0 && i < len(c.queue); i++ {
		switch r := c.queue[i]; {
		case r.sent:
		case !r.held:
			due += c.s.weigh(r)
		case due > writeAhead:
			return
		default:
			r.held = false
			c.held--
			c.s.dispatch(r)
		}
	}
}

// answer answers a request that needs no transaction.
func (s *Replica) answer(r *request) {
	c := r.conn
	if r.fault.Err != 0 || r.fault.Drop {
		c.fail(r)
		return
	}
	defer c.answered(r)
	defer c.took()
	var body jute.Record
	err := proto.Error(0)
	switch {
	case s.role == readOnly && (s.replicated(r) || r.Type == proto.OpSync):
		err = proto.ErrNotReadOnly
	case s.role == leading:
		err = s.checkSession(r.Session, ownClients)
	}
	switch {
	case err != 0:
	case r.Type == proto.OpCreateSession: // which no client sends; a local one is not created again
		c.confirm(true)
		return
	case r.Type == proto.OpCloseSession:
		s.local.remove(r.Session)
		s.log.Infof("Processed session termination for sessionid: 0x%x", uint64(r.Session))
		s.reply(r, 0, nil)
		c.part()
		return
	default:
		if body, err = s.read(r); err == proto.ErrMarshallingError {
			s.logUnreadable(r, -2, "unknown")
		}
	}
	if err == proto.ErrSessionMoved {
		// The client has moved to another member; this connection is obsolete.
		c.part()
		return
	}
	s.reply(r, err, body)
}

// reply answers a client and accounts for it.
func (s *Replica) reply(r *request, err proto.Error, body jute.Record) {
	c := r.conn
	if s.shared.faults.Load() != nil && !s.injected(r, &err, &body) {
		return
	}
	if err != 0 && r.Type != proto.OpMultiRead {
		body = nil
	}
	zxid := s.tree.LastZxid()
	now := time.Now()
	s.stats.answered(r, zxid, now, now.Sub(r.received), &c.stats)
	h := proto.ReplyHeader{Xid: r.Cxid, Zxid: zxid, Err: err}
	if r.Type == proto.OpPing && err == 0 {
		h.Xid = proto.XidPing // whatever xid the client sent
	}
	c.send(&h, body)
}

// Differs(identities-bounded): Apache keeps any number of identities per connection and checks all
// of them against every ACL. "auth" in an ACL expands to all of them, too, and can make a
// transaction that no server can load again.
const (
	maxIdentities    = 256      // of one connection
	maxIdentityBytes = 64 << 10 // in all of them
)

func tooManyIdentities(ids []proto.ID) bool {
	bytes := 0
	for _, id := range ids {
		bytes += len(id.Scheme) + len(id.ID)
	}
	return len(ids) > maxIdentities || bytes > maxIdentityBytes
}

// authenticate adds an identity to the connection, or ends it.
func (s *Replica) authenticate(c *conn, r *request) {
	var p proto.AuthPacket
	if err := jute.Unmarshal(r.Body, &p); err != nil {
		s.log.Warnf("An auth packet from %s cannot be read: %v", c.remote, err)
		c.close()
		return
	}
	s.log.Infof("got auth packet %s", c.remote)
	ids, ok := s.auth.authenticate(c.auth, p.Scheme, p.Auth, c.address, c.subject)
	if tooManyIdentities(ids) {
		s.log.Warnf("Session 0x%x: more than %d identities on one connection, or more than %d bytes of them",
			uint64(c.session), maxIdentities, maxIdentityBytes)
		ok = false
	}
	if ok {
		c.auth = ids
		s.log.Infof("Session 0x%x: auth success for scheme %s and address %s", uint64(c.session), p.Scheme, c.remote)
		c.send(&proto.ReplyHeader{Xid: r.Cxid}, nil)
		return
	}
	if s.auth.known(p.Scheme) {
		s.log.Warnf("Authentication failed for scheme: %s", p.Scheme)
	} else {
		s.log.Warnf("No authentication provider for scheme: %s has %s", p.Scheme, s.auth.names())
	}
	c.send(&proto.ReplyHeader{Xid: r.Cxid, Err: proto.ErrAuthFailed}, nil)
	c.part()
}
