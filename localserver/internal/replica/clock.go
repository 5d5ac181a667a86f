package replica

import "time"

// moment is what sessions, times to live and transactions take for the time: a test may move it.
func (s *Replica) moment() time.Time { return s.now.Add(s.ahead) }

// realTime is when the clock will show a moment.
func (s *Replica) realTime(at time.Time, ok bool) (time.Time, bool) { return at.Add(-s.ahead), ok }

// Connected are the sessions whose clients are connected to this member.
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

// Advance moves the clock ahead. It ends the sessions that are over then, unless they are this
// member's local ones and connected, or, on the leader, among connected.
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

// Reap deletes the containers and the znodes with a time to live that are ripe, and returns how
// many there are, or -1 if this member does not lead.
func (s *Replica) Reap() (n int) {
	n = -1
	s.do(func() {
		if s.role == leading {
			n = s.reap()
		}
	})
	return n
}

// LastProposed is the zxid of the last transaction of a leader, applied or not; false if this
// member does not lead.
func (s *Replica) LastProposed() (zxid int64, leads bool) {
	s.do(func() { zxid, leads = s.zxid, s.role == leading })
	return zxid, leads
}
