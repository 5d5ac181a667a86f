package ensembles

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// load is clients that write continuously, and know which znodes must exist and which must not.
type load struct {
	s       *subject
	writers []*writer
	acked   atomic.Int64
	losses  atomic.Int64
	stop    chan struct{}
	once    sync.Once
	wg      sync.WaitGroup
	servers atomic.Pointer[string]
	hold    sync.RWMutex // held by writers for each write
}

// writer is one client. It creates znodes one by one, and deletes those that it created a while
// ago.
type writer struct {
	l         *load
	name      string
	conn      *client.Conn
	ephemeral string
	session   int64
	last      int
	there     map[string]bool // by path: whether it exists; without unacknowledged ones
}

const (
	pause = 15 * time.Millisecond // between a writer's writes
	kept  = 60                    // znodes of a writer
)

// write starts n writers. They keep their sessions, whatever happens, or the test fails.
func (s *subject) write(n int) *load {
	s.t.Helper()
	l := &load{s: s, stop: make(chan struct{})}
	servers := s.ConnectString()
	l.servers.Store(&servers)
	for i := range n {
		w := &writer{l: l, name: fmt.Sprintf("/load-%d", i), ephemeral: fmt.Sprintf("/alive-%d", i), there: map[string]bool{}}
		w.conn = s.open(servers)
		for path, mode := range map[string]proto.CreateMode{w.name: proto.Persistent, w.ephemeral: proto.Ephemeral} {
			if _, _, err := w.conn.Create(s.t.Context(), path, nil, proto.OpenACL, mode, 0); err != nil {
				s.t.Fatalf("create %s: %v", path, err)
			}
			w.there[path] = true
		}
		w.session = w.conn.SessionID()
		l.writers = append(l.writers, w)
	}
	s.t.Cleanup(l.cease)
	for _, w := range l.writers {
		l.wg.Go(w.run)
	}
	return l
}

func (w *writer) run() {
	for {
		select {
		case <-w.l.stop:
			return
		case <-time.After(pause):
		}
		w.l.hold.RLock()
		w.step()
		w.l.hold.RUnlock()
	}
}

func (w *writer) step() {
	w.last++
	path := fmt.Sprintf("%s/%d", w.name, w.last)
	_, _, err := w.conn.Create(w.l.s.t.Context(), path, []byte(path), proto.OpenACL, proto.Persistent, 0)
	w.note("create", path, true, err)
	if w.last <= kept {
		return
	}
	path = fmt.Sprintf("%s/%d", w.name, w.last-kept)
	was, known := w.there[path]
	err = w.conn.Delete(w.l.s.t.Context(), path, -1)
	switch {
	case known && !was:
		w.l.s.t.Errorf("%s was deleted before it was made", path)
	case !known && errors.Is(err, proto.ErrNoNode):
		err = nil // its creation was never acknowledged
	}
	w.note("delete", path, false, err)
}

// note records a write's answer. A lost connection leaves the outcome open.
func (w *writer) note(op, path string, there bool, err error) {
	switch {
	case err == nil:
		w.there[path] = there
		w.l.acked.Add(1)
	case errors.Is(err, proto.ErrConnectionLoss):
		delete(w.there, path)
		w.l.losses.Add(1)
	case w.l.s.t.Context().Err() == nil:
		delete(w.there, path)
		w.l.s.t.Errorf("%s %s: %v", op, path, err)
	}
}

// progress waits until n more writes are acknowledged.
func (l *load) progress(n int64) {
	l.s.t.Helper()
	want := l.acked.Load() + n
	l.s.await(fmt.Sprintf("%d more writes are acknowledged", n), func() bool { return l.acked.Load() >= want || l.s.t.Failed() })
	if l.s.t.Failed() {
		l.s.t.FailNow()
	}
}

// end stops the writers.
func (l *load) end() {
	l.cease()
	l.s.t.Logf("%d writes were acknowledged, the fate of %d is unknown", l.acked.Load(), l.losses.Load())
}

func (l *load) cease() {
	l.once.Do(func() { close(l.stop) })
	l.wg.Wait()
}

// check compares a tree with what was acknowledged: nothing is lost, and the sessions are those
// that the writers started with.
func (l *load) check(tree map[string]znode) {
	l.s.t.Helper()
	for _, w := range l.writers {
		if id := w.conn.SessionID(); id != w.session {
			l.s.t.Errorf("the session of %s was 0x%x, now it is 0x%x", w.name, w.session, id)
		}
		for path, there := range w.there {
			z, found := tree[path]
			if found != there || found && path != w.name && path != w.ephemeral && z.data != path {
				l.s.t.Errorf("%s: acknowledged %t, is there %t, data %q", path, there, found, z.data)
			}
		}
	}
}
