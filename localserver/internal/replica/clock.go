package replica

import "time"

// moment is the time that sessions, TTLs and transactions go by; a test may move it ahead.
func (s *Replica) moment() time.Time { return s.now.Add(s.ahead) }

// realTime converts a moment to the system's time.
func (s *Replica) realTime(at time.Time, ok bool) (time.Time, bool) { return at.Add(-s.ahead), ok }

// Connected returns the sessions whose clients are connected to this member.
func (s *Replica) Connected() (ids []int64) {
	s.do(func() {
		for _, conns := range []map[int64]*conn{s.conns, s.opening, s.resuming} {
			for id := range conns {
				ids = append(ids, id)
			}
		}
	})
	return ids
}

// Advance moves the clock ahead. It ends the sessions that expire by then, except this member's
// local sessions that are connected and, on the leader, those in connected.
func (s *Replica) Advance(d time.Duration, connected []int64) {
	s.do(func() {
		s.ahead += d
		for id := range s.conns {
			if t := s.local.get(id); t != nil {
				s.local.touch(t, t.timeout, s.moment())
			}
		}
		s.expireLocal()
		if s.role != leading {
			return
		}
		for _, id := range connected {
			if t := s.sessions.byID[id]; t != nil && !t.closing {
				s.sessions.touch(t, t.timeout, s.moment())
			}
		}
		s.expireSessions()
	})
}

// Reap deletes the containers and TTL znodes that are due, and returns their number, or -1 if this
// member is not the leader.
func (s *Replica) Reap() (n int) {
	n = -1
	s.do(func() {
		if s.role == leading {
			n = s.reap()
		}
	})
	return n
}

// LastProposed returns the zxid of the leader's last transaction, applied or not; leads is false if
// this member is not the leader.
func (s *Replica) LastProposed() (zxid int64, leads bool) {
	s.do(func() { zxid, leads = s.zxid, s.role == leading })
	return zxid, leads
}
