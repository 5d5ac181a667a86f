package replica

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// connect opens a session or resumes one (ZooKeeperServer.processConnectRequest). It always leads
// to a call of c.established.
func (s *Replica) connect(c *conn, r *proto.ConnectRequest) {
	s.metrics.Add("connection_request_count", 1)
	switch {
	case c.gone:
		c.established(false)
		return
	case s.role == idle || s.refuse:
		s.log.Infof("Closing the connection of %s: ZooKeeperServer not running", c.remote)
		c.close()
		return
	case s.role == readOnly && !r.ReadOnly:
		s.log.Infof("Refusing session request for not-read-only client %s", c.remote)
		c.close()
		return
	case r.LastZxidSeen > s.tree.LastZxid():
		session := ""
		if s.emulated().RefusalNamesSession() {
			session = fmt.Sprintf("(0x%x)", uint64(r.SessionID))
		}
		s.log.Infof("Refusing session%s request for client %s as it has seen zxid 0x%x our last zxid is 0x%x client must try another server",
			session, c.remote, uint64(r.LastZxidSeen), uint64(s.tree.LastZxid()))
		c.close()
		return
	}
	c.timeout = min(max(time.Duration(r.TimeOut)*time.Millisecond, s.opt.MinSession), s.opt.MaxSession)
	if r.SessionID == 0 {
		s.openSession(c)
		return
	}
	s.metrics.Add("connection_revalidate_count", 1)
	s.log.Debugf("Client attempting to renew session 0x%x at %s", uint64(r.SessionID), c.remote)
	if old := s.conns[r.SessionID]; old != nil {
		old.close()
	}
	c.session = r.SessionID
	switch {
	case !bytes.Equal(r.Passwd, password(r.SessionID)):
		s.log.Warnf("Incorrect password from %s for session 0x%x", c.remote, uint64(r.SessionID))
		s.finishSession(c, false)
	case s.resumeLocal(r.SessionID, c.timeout):
		s.finishSession(c, true)
	case s.role == leading:
		s.finishSession(c, s.adopt(r.SessionID, c.timeout, ownClients))
	case s.role == readOnly:
		// Differs(read-only-sessions): Apache's read-only server disconnects clients with a global
		// session and, without localSessionsEnabled, answers a request for a new one with an error
		// that no client reads (ReadOnlyRequestProcessor), so nobody could read from it.
		s.finishSession(c, true)
	default:
		if old := s.resuming[c.session]; old != nil {
			old.close()
		}
		s.resuming[c.session] = c
		s.learner.Revalidate(c.session, int32(c.timeout.Milliseconds()))
	}
}

// openSession creates a session: a local one at once, a global one by a transaction.
func (s *Replica) openSession(c *conn) {
	id := s.sessions.nextID
	s.sessions.nextID++
	c.session = id
	if s.local != nil {
		s.local.add(id, c.timeout, s.moment())
	}
	if s.local != nil || s.role == readOnly {
		s.finishSession(c, true)
		return
	}
	s.opening[id] = c
	s.createSession(id, c.timeout)
}

// createSession submits the transaction that creates a session.
func (s *Replica) createSession(id int64, timeout time.Duration) {
	ms := int32(timeout.Milliseconds())
	body := binary.BigEndian.AppendUint32(nil, uint32(ms))
	r := &request{Request: zab.Request{Session: id, Type: proto.OpCreateSession, Body: body, Origin: ownClients}}
	if s.role == leading {
		s.propose(r)
		return
	}
	s.touched[id] = ms
	s.learner.Forward(&r.Request)
}

// adopt makes origin the owner of a live session.
func (s *Replica) adopt(id int64, timeout time.Duration, origin zab.Origin) bool {
	t := s.sessions.byID[id]
	if t == nil || t.closing {
		return false
	}
	s.sessions.touch(t, timeout, s.moment())
	t.owner, t.owned = origin, true
	return true
}

// finishSession tells the client that its session is set up, or has expired
// (ZooKeeperServer.finishSessionInit).
func (s *Replica) finishSession(c *conn, valid bool) {
	if c.gone {
		return
	}
	c.confirm(valid)
	if !valid {
		s.log.Infof("Invalid session 0x%x for client %s, probably expired", uint64(c.session), c.remote)
		c.part()
		return
	}
	// Differs(log-lines): Apache since 3.6 logs this at level DEBUG only.
	s.log.Infof("Established session 0x%x with negotiated timeout %d for client %s", uint64(c.session), c.timeout.Milliseconds(), c.remote)
	s.conns[c.session] = c
	c.established(true)
	c.established = nil
}

// confirm writes the answer to a connect request.
func (c *conn) confirm(valid bool) {
	response := proto.ConnectResponse{Passwd: make([]byte, 16)}
	if valid {
		response.TimeOut = int32(c.timeout.Milliseconds())
		response.SessionID = c.session
		response.Passwd = password(c.session)
		response.ReadOnly = c.s.role == readOnly
	}
	start := c.frameBegin(nil)
	e := jute.NewEncoder(c.out)
	response.Visit(e)
	c.out = e.Bytes()
	if c.oldest {
		c.out = c.out[:len(c.out)-1] // without the ReadOnly byte
	}
	c.s.stats.opened(c, c.s.tree.LastZxid(), c.frameEnd(start), valid)
}
