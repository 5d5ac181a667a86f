package replica

import (
	"maps"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Fault is what becomes of a request instead of what it asks for, or of its reply. The zero value
// is nothing.
type Fault struct {
	Err   proto.Error   // the answer
	Delay time.Duration // for the request to be done, or for its reply
	Drop  bool          // close the connection instead of an answer
}

// Faults decides what becomes of a client's request: before it is done, and again when it has
// been, of its reply. body is the request's record. It is called on several goroutines, and must
// not wait.
type Faults func(before bool, op proto.Op, session int64, body []byte) Fault

// SetFaults has f asked from now on; nil ends that.
func (s *Replica) SetFaults(f Faults) {
	if f == nil {
		s.shared.faults.Store(nil)
		return
	}
	s.shared.faults.Store(&f)
}

// struck asks for the fault that strikes a request or its reply.
func (r *request) struck(before bool) (f Fault) {
	if faults := r.conn.s.shared.faults.Load(); faults != nil {
		f = (*faults)(before, r.Type, r.conn.session, r.Body)
	}
	return f
}

// holdUp keeps the reader from going on, as a slow network would; false when the server ends.
func (s *Replica) holdUp(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done:
		return false
	}
}

// fail answers a request that a fault keeps from being done.
func (c *conn) fail(r *request) {
	defer c.answered(r)
	if r.fault.Drop {
		c.part()
		return
	}
	c.send(&proto.ReplyHeader{Xid: r.Cxid, Zxid: c.s.tree.LastZxid(), Err: r.fault.Err}, nil)
}

// injected applies a fault to a reply; false when the reply is not to be sent now.
func (s *Replica) injected(r *request, err *proto.Error, body *jute.Record) bool {
	f, c := r.struck(false), r.conn
	if f.Err != 0 {
		*err, *body = f.Err, nil
	}
	switch {
	case f.Drop:
		c.part()
		return false
	case f.Delay > 0:
		h := proto.ReplyHeader{Xid: r.Cxid, Zxid: s.tree.LastZxid(), Err: *err}
		late := *body
		if *err != 0 {
			late = nil
		}
		c.late = append(c.late, lateFrame{h, late, s.now.Add(f.Delay)})
		if len(c.late) == 1 {
			c.awaitLate(f.Delay)
		}
		return false
	}
	return true
}

// lateFrame is a frame that a fault holds back, or, with no time, one that must not overtake such
// a frame.
type lateFrame struct {
	header proto.ReplyHeader
	body   jute.Record
	at     time.Time
}

func (c *conn) awaitLate(d time.Duration) {
	time.AfterFunc(d, func() { c.s.box.put(event{run: c.sendLate}) })
}

// sendLate sends the frames whose time has come.
func (c *conn) sendLate() {
	late := c.late
	c.late = nil
	for i := range late {
		if wait := late[i].at.Sub(c.s.now); wait > 0 {
			c.late = late[i:]
			c.awaitLate(wait)
			return
		}
		c.send(&late[i].header, late[i].body)
	}
}

// ExpireSession ends a session now, as if its client had been silent; false when there is
// none such.
func (s *Replica) ExpireSession(id int64) (found bool) {
	s.do(func() {
		if t := s.local.get(id); t != nil {
			s.endLocal(t)
			found = true
		} else if t := s.sessions.byID[id]; s.role == leading && t != nil && !t.closing {
			s.expire(t)
			found = true
		}
	})
	return found
}

// DropConnections closes every client's connection; the sessions live on. It returns how
// many there were.
func (s *Replica) DropConnections() (n int) {
	s.do(func() {
		n = len(s.all)
		for c := range s.all {
			c.close()
		}
	})
	return n
}

// Refuse turns clients away that want a session, until it is called with false.
func (s *Replica) Refuse(on bool) { s.do(func() { s.refuse = on }) }

// Sessions are the ids of the sessions that are open, the member's own local ones included.
func (s *Replica) Sessions() (ids []int64) {
	s.do(func() {
		if s.local != nil {
			ids = slices.Collect(maps.Keys(s.local.byID))
		}
		for id := range s.tree.Sessions() {
			ids = append(ids, id)
		}
	})
	return ids
}
