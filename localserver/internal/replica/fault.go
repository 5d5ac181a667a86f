package replica

import (
	"maps"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Fault is what becomes of a reply.
type Fault struct {
	Err   proto.Error   // answer with this instead; the operation has been done all the same
	Delay time.Duration // answer that much later
	Drop  bool          // close the connection instead of an answer
}

// SetFault has f asked before each reply to a client, on the loop: it must not wait. op is
// ZooKeeper's name of the operation (proto.Op.String). nil ends it.
func (s *Replica) SetFault(f func(op string, session int64) Fault) {
	s.do(func() { s.fault = f })
}

// injected applies a fault to a reply; false when the reply is not to be sent now.
func (s *Replica) injected(r *request, err *proto.Error, body *jute.Record) bool {
	f := s.fault(r.Type.String(), r.Session)
	c := r.conn
	if f.Err != 0 {
		*err, *body = f.Err, nil
	}
	switch {
	case f.Drop:
		c.close()
		return false
	case f.Delay > 0:
		h := proto.ReplyHeader{Xid: r.Cxid, Zxid: s.tree.LastZxid(), Err: *err}
		late := *body
		if *err != 0 {
			late = nil
		}
		time.AfterFunc(f.Delay, func() { s.box.put(event{run: func() { c.send(&h, late) }}) })
		return false
	}
	return true
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
