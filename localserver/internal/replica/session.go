package replica

import (
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// session is a client's session, tracked by the leader or, if it is local, by the member that its
// client is connected to.
type session struct {
	id      int64
	timeout time.Duration
	owner   zab.Origin // where the client is connected; valid if owned
	owned   bool
	closing bool // a closeSession has been proposed, or is about to be
	bucket  int64
}

// sessions is the session table (SessionTrackerImpl) with buckets of one tick (ExpiryQueue): a
// session is in the bucket in which its timeout ends.
type sessions struct {
	tick    time.Duration
	began   time.Time // buckets count from here, on the monotonic clock
	byID    map[int64]*session
	buckets map[int64]map[*session]struct{}
	first   int64 // no earlier bucket has a session
	nextID  int64
}

// serverID becomes the highest byte of each session id.
func newSessions(tick time.Duration, serverID int64) *sessions {
	now := time.Now()
	// The lower 40 bits of the time in milliseconds, followed by 16 zero bits
	// (SessionTrackerImpl.initializeNextSessionId).
	next := int64(uint64(now.UnixMilli())<<24>>8) | serverID<<56
	if next == proto.ContainerOwner {
		next++
	}
	return &sessions{tick: tick, began: now, byID: map[int64]*session{}, buckets: map[int64]map[*session]struct{}{}, nextID: next}
}

// bucketOf returns the bucket of a moment: its tick plus one.
func (t *sessions) bucketOf(at time.Time) int64 { return int64(at.Sub(t.began)/t.tick) + 1 }

// get finds a session; it returns nil if there is none, or no table.
func (t *sessions) get(id int64) *session {
	if t == nil {
		return nil
	}
	return t.byID[id]
}

// add starts to track a session, or touches it.
func (t *sessions) add(id int64, timeout time.Duration, now time.Time) *session {
	s := t.byID[id]
	if s == nil {
		s = &session{id: id, timeout: timeout, bucket: -1}
		t.byID[id] = s
	}
	t.touch(s, timeout, now)
	return s
}

// touch moves a session to the bucket of now+timeout (ExpiryQueue.update).
func (t *sessions) touch(s *session, timeout time.Duration, now time.Time) {
	s.timeout = timeout
	bucket := t.bucketOf(now.Add(timeout))
	if bucket == s.bucket {
		return
	}
	t.leave(s)
	s.bucket = bucket
	set := t.buckets[bucket]
	if set == nil {
		set = map[*session]struct{}{}
		t.buckets[bucket] = set
		if len(t.buckets) == 1 || bucket < t.first {
			t.first = bucket
		}
	}
	set[s] = struct{}{}
}

func (t *sessions) leave(s *session) {
	set := t.buckets[s.bucket]
	delete(set, s)
	if set != nil && len(set) == 0 {
		delete(t.buckets, s.bucket)
	}
	s.bucket = -1
}

func (t *sessions) remove(id int64) {
	if s := t.get(id); s != nil {
		t.leave(s)
		delete(t.byID, id)
	}
}

// next returns when the first bucket with sessions is due.
func (t *sessions) next() (time.Time, bool) {
	if t == nil || len(t.buckets) == 0 {
		return time.Time{}, false
	}
	for t.buckets[t.first] == nil {
		t.first++
	}
	return t.began.Add(time.Duration(t.first) * t.tick), true
}

// expired removes and returns the sessions whose bucket is due.
func (t *sessions) expired(now time.Time) (list []*session) {
	for {
		at, ok := t.next()
		if !ok || at.After(now) {
			return list
		}
		for s := range t.buckets[t.first] {
			list = append(list, s)
		}
		for _, s := range list {
			if s.bucket == t.first {
				t.leave(s)
			}
		}
	}
}

// check checks that a session is alive and connected at owner (SessionTrackerImpl.checkSession).
func (t *sessions) check(id int64, owner zab.Origin) proto.Error {
	s := t.byID[id]
	switch {
	case s == nil:
		return proto.ErrUnknownSession
	case s.closing:
		return proto.ErrSessionExpired
	case !s.owned:
		s.owner, s.owned = owner, true
	case s.owner != owner:
		return proto.ErrSessionMoved
	}
	return 0
}

// touch records that a client's session is alive; it returns false if it has ended or is closing.
func (s *Replica) touch(id int64, timeout time.Duration) bool {
	switch {
	case s.resumeLocal(id, timeout), s.role == readOnly:
		return true
	case s.role == following:
		s.touched[id] = int32(timeout.Milliseconds()) // the leader decides when it expires
		return true
	}
	t := s.sessions.byID[id]
	if t == nil || t.closing {
		return false
	}
	s.sessions.touch(t, timeout, s.moment())
	return true
}

// expireSessions closes each expired session with a transaction.
func (s *Replica) expireSessions() {
	for _, t := range s.sessions.expired(s.moment()) {
		if t.closing {
			continue
		}
		s.expire(t)
	}
}

// expire proposes the end of a session.
func (s *Replica) expire(t *session) {
	s.logExpiry(t)
	t.closing = true
	s.propose(&request{Request: zab.Request{Session: t.id, Type: proto.OpCloseSession}})
}

// javaRandom is java.util.Random: session passwords are its output, so that any member can check
// them, even after a restart and even one of Apache's.
type javaRandom uint64

func newJavaRandom(seed int64) javaRandom {
	return javaRandom((uint64(seed) ^ 0x5deece66d) & (1<<48 - 1))
}

func (r *javaRandom) int32() int32 {
	*r = (*r*0x5deece66d + 0xb) & (1<<48 - 1)
	return int32(*r >> 16)
}

// passwordSecret is ZooKeeperServer.superSecret.
const passwordSecret = 0xB3415C00

// password is the password of a session.
func password(id int64) []byte {
	r := newJavaRandom(id ^ passwordSecret)
	p := make([]byte, 0, 16)
	for len(p) < 16 {
		n := r.int32()
		p = append(p, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	}
	return p
}
