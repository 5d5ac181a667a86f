package replica

import (
	"sync"
	"time"

	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// event is one thing for the loop to do: a request, a committed transaction or a function.
type event struct {
	request *request
	commit  *zab.Proposal
	run     func()
}

// mailbox carries events from other goroutines to the loop. Sending never blocks.
type mailbox struct {
	mu     sync.Mutex
	queue  []event
	closed bool
	ready  chan struct{} // holds a token if the queue is not empty
}

func (m *mailbox) put(e ...event) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.queue = append(m.queue, e...)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
	return true
}

// take swaps the queue with an empty one.
func (m *mailbox) take(spare []event) []event {
	m.mu.Lock()
	batch := m.queue
	m.queue = spare[:0]
	m.mu.Unlock()
	return batch
}

// do runs f on the loop and waits for it. It returns false, without running f, if the member is
// closed.
func (s *Replica) do(f func()) bool {
	done := make(chan struct{})
	if !s.box.put(event{run: func() { f(); close(done) }}) {
		return false
	}
	<-done
	return true
}

// loop owns the member's state until stop.
func (s *Replica) loop() {
	defer close(s.done)
	timer := time.NewTimer(time.Hour)
	var batch []event
	for !s.stopping {
		// An unfinished snapshot is written piece by piece whenever the loop is idle.
		if !s.busy() && len(s.later) == 0 {
			timer.Reset(s.nextTimer())
			select {
			case <-s.box.ready:
			case <-timer.C:
			}
		} else {
			select {
			case <-s.box.ready:
			default:
			}
		}
		s.now = time.Now()
		s.clock = s.now
		s.round++
		batch = s.box.take(batch)
		for i := range batch {
			switch e := &batch[i]; {
			case e.request != nil:
				s.request(e.request)
			case e.commit != nil:
				s.commit(e.commit)
			default:
				e.run()
			}
		}
		clear(batch)
		s.timers()
		s.takeTurns()
		if len(s.savings) > 0 {
			s.saveStep()
		}
		s.flushAll()
	}
	s.box.mu.Lock()
	s.box.closed = true
	rest := s.box.queue
	s.box.queue = nil
	s.box.mu.Unlock()
	for _, e := range rest {
		if e.run != nil {
			e.run() // its caller is waiting
		}
	}
	s.abort()
}

// nextTimer is how long the loop may sleep.
func (s *Replica) nextTimer() time.Duration {
	next := time.Now().Add(time.Hour)
	due := func(at time.Time, ok bool) {
		if ok && at.Before(next) {
			next = at
		}
	}
	due(s.readersAt())
	due(s.realTime(s.local.next()))
	due(s.relieveAt, len(s.awaiting) > 0)
	if s.role == leading {
		due(s.reapAt, true)
		due(s.realTime(s.sessions.next()))
	}
	return max(0, time.Until(next))
}

// readersAt returns when read-only clients will be served if the election takes that long
// (QuorumPeer).
//
// Differs(read-only-while-looking): Apache may begin even while it synchronises with a leader.
func (s *Replica) readersAt() (at time.Time, waits bool) {
	waits = s.opt.ReadOnlyMode && s.role == idle && !s.looking.IsZero() && !s.refuse
	return s.looking.Add(max(2*time.Second, s.opt.Tick)), waits
}

// timers does what is due.
func (s *Replica) timers() {
	if at, waits := s.readersAt(); waits && !s.now.Before(at) {
		s.log.Infof("Read-only server started")
		s.role = readOnly
	}
	s.expireLocal()
	if len(s.awaiting) > 0 && !s.now.Before(s.relieveAt) {
		s.makeRoom()
	}
	if s.role != leading {
		return
	}
	s.expireSessions()
	if !s.now.Before(s.reapAt) {
		s.reapAt = s.now.Add(s.opt.ReapEvery)
		s.reap()
	}
}
