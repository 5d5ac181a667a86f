package replica

import (
	"maps"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Fault is what happens to a request, or to its reply, instead of the usual. The zero value changes
// nothing.
type Fault struct {
	Err   proto.Error   // the answer
	Delay time.Duration // before the request runs, or before its reply is sent
	Drop  bool          // close the connection instead of answering
}

// Faults chooses the fault for a client's request: once before it runs, and again, for its reply,
// afterwards. body is the request's record. It is called on several goroutines and must not block.
type Faults func(before bool, op proto.Op, session int64, body []byte) Fault

// SetFaults consults f from now on; nil stops that.
func (s *Replica) SetFaults(f Faults) {
	if f == nil {
		s.shared.faults.Store(nil)
		return
	}
	s.shared.faults.Store(&f)
}

// struck returns the fault for a request or its reply.
func (r *request) struck(before bool) (f Fault) {
	if faults := r.conn.s.shared.faults.Load(); faults != nil {
		f = (*faults)(before, r.Type, r.conn.session, r.Body)
	}
	return f
}

// holdUp blocks the reader, as a slow network would; it returns false if the server is closed.
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

// fail answers a request that a fault keeps from running.
func (c *conn) fail(r *request) {
	defer c.answered(r)
	if r.fault.Drop {
		c.part()
		return
	}
	c.send(&proto.ReplyHeader{Xid: r.Cxid, Zxid: c.s.tree.LastZxid(), Err: r.fault.Err}, nil)
}

// injected applies a fault to a reply; it returns false if the reply must not be sent now.
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

// lateFrame is a frame delayed by a fault or, if it has no time, one that must not overtake such a
// frame.
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

// ExpireSession ends a session now, as if its client had been silent. found is false if the session
// does not exist.
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

// DropConnections closes every client's connection and returns their number. The sessions stay
// open.
func (s *Replica) DropConnections() (n int) {
	s.do(func() {
		n = len(s.all)
		for c := range s.all {
			c.close()
		}
	})
	return n
}

// Refuse rejects clients that want a session until it is called with false.
func (s *Replica) Refuse(on bool) { s.do(func() { s.refuse = on }) }

// Sessions returns the ids of all open sessions, including the member's local ones.
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
