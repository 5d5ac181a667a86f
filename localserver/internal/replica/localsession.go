package replica

import (
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// With localSessionsEnabled, a new session is local: only the member that its client is connected
// to knows it and expires it, and it appears in no transaction. It ends with the member's role and
// cannot move to another member. If its client creates an ephemeral znode, the session first
// becomes global, provided that localSessionsUpgradingEnabled is set (LocalSessionTracker,
// UpgradeableSessionTracker).

// newLocalSessions returns nil without local sessions, which only members of an ensemble have.
func (s *Replica) newLocalSessions() *sessions {
	if !s.opt.LocalSessions || s.opt.Ensemble == nil {
		return nil
	}
	return newSessions(s.opt.Tick, s.opt.ID)
}

// replicated reports whether a request needs a transaction.
func (s *Replica) replicated(r *request) bool {
	switch r.Type {
	case proto.OpCreateSession:
		return s.local == nil
	case proto.OpCloseSession:
		return s.local.get(r.Session) == nil
	}
	return r.Type.Writes()
}

// upgrade makes a local session global if its client wants an ephemeral znode, or sets why the
// request is refused (QuorumZooKeeperServer.checkUpgradeSession).
func (s *Replica) upgrade(r *request) {
	t := s.local.get(r.Session)
	if t == nil || s.role == readOnly || !wantsEphemeral(r) {
		return
	}
	if !s.opt.UpgradeSessions {
		r.refused = proto.ErrEphemeralOnLocal
		return
	}
	s.log.Infof("Upgrading session 0x%x", uint64(t.id))
	s.local.remove(t.id)
	s.createSession(t.id, t.timeout)
}

func wantsEphemeral(r *request) bool {
	switch r.Type {
	case proto.OpCreate, proto.OpCreate2:
		var q proto.CreateRequest
		return jute.Unmarshal(r.Body, &q) == nil && q.Flags.IsEphemeral()
	case proto.OpMulti:
		var q proto.MultiRequest
		if jute.Unmarshal(r.Body, &q) != nil {
			return false
		}
		for i := range q.Ops {
			if c, ok := q.Ops[i].Request.(*proto.CreateRequest); ok && c.Flags.IsEphemeral() {
				return true
			}
		}
	}
	return false
}

// checkSession is the check for every write and, on the leader, for its own clients' reads
// (LeaderSessionTracker.checkSession).
func (s *Replica) checkSession(id int64, origin zab.Origin) proto.Error {
	if s.local.get(id) != nil {
		return 0
	}
	err := s.checkGlobal(id, origin)
	if err == proto.ErrSessionExpired && s.sessions.get(id) == nil && s.local != nil && uint8(id>>56) != uint8(s.opt.ID) {
		return 0 // another member's local session
	}
	return err
}

// checkGlobal is the check for creating something that ends with the session.
func (s *Replica) checkGlobal(id int64, origin zab.Origin) proto.Error {
	err := s.sessions.check(id, origin)
	if err == proto.ErrUnknownSession && s.opt.Ensemble != nil {
		return proto.ErrSessionExpired
	}
	return err
}

// expireLocal ends the local sessions that have expired.
func (s *Replica) expireLocal() {
	for _, t := range s.local.expired(s.moment()) {
		s.endLocal(t)
	}
}

// endLocal ends a session as if it had expired.
func (s *Replica) endLocal(t *session) {
	s.logExpiry(t)
	s.local.remove(t.id)
	if c := s.conns[t.id]; c != nil {
		c.close()
	}
}

func (s *Replica) logExpiry(t *session) {
	s.log.Infof("Expiring session 0x%x, timeout of %dms exceeded", uint64(t.id), t.timeout.Milliseconds())
	s.stats.expired++
}

// resumeLocal attaches a client's new connection to its local session; it returns false if there is
// none here.
func (s *Replica) resumeLocal(id int64, timeout time.Duration) bool {
	t := s.local.get(id)
	if t == nil {
		return false
	}
	s.local.touch(t, timeout, s.moment())
	return true
}
