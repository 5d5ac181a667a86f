package replica

import (
	"time"

	"github.com/zkctl/zkctl/internal/ztree"
)

// See calls f with the data tree. f must not change it or keep a *ztree.Node.
func (s *Replica) See(f func(*ztree.Tree)) { s.do(func() { f(s.tree) }) }

// Session is a session as one member sees it.
type Session struct {
	ID        int64
	Timeout   time.Duration
	Local     bool // known to this member only
	Connected bool // to this member
}

// OpenSessions lists the open sessions.
func (s *Replica) OpenSessions() (list []Session) {
	s.do(func() {
		if s.local != nil {
			for id, t := range s.local.byID {
				list = append(list, Session{id, t.timeout, true, s.conns[id] != nil})
			}
		}
		for id, timeout := range s.tree.Sessions() {
			list = append(list, Session{id, time.Duration(timeout) * time.Millisecond, false, s.conns[id] != nil})
		}
	})
	return list
}

// Watch is a watch of a client that is connected to the member.
type Watch struct {
	Session               int64
	Path                  string
	Children              bool // left by getChildren, rather than getData or exists; false for those of addWatch
	Persistent, Recursive bool // of addWatch
}

// Watches lists them.
func (s *Replica) Watches() (list []Watch) {
	s.do(func() {
		t := s.watches
		for key, n := range t.index {
			e := t.watches.get(n)
			w := Watch{Session: t.watchers.get(key.watcher).who.session, Path: t.places.get(key.place >> 1).path, Children: watchKind(key.place&1) == childWatches}
			for _, mode := range []watchModes{oneShot, persistent, recursive} {
				if e.modes&mode != 0 && (mode == oneShot || !w.Children) { // one of addWatch is in both tables
					w.Persistent, w.Recursive = mode != oneShot, mode == recursive
					list = append(list, w)
				}
			}
		}
	})
	return list
}
