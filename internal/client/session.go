package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
)

// session is the state of a Conn. Its run method's goroutine alone touches it, and never
// blocks but in that method's select.
type session struct {
	*Conn
	cfg    Config
	ring   *ring
	dialer *dialer
	events *dispatcher
	told   proto.KeeperState // the last state reported as an event

	// What the servers said.
	state      State
	id         int64
	passwd     []byte
	negotiated time.Duration // 0 before the first connection
	zxid       int64         // the last that a reply carried
	seenRW     bool          // the session was made by a server with a quorum
	since      string        // the release that the newest operation answered came with, as proto.Op.Since has it
	server     string

	// The connection; link is nil while there is none.
	link      *link
	born      time.Time // of link
	replies   int       // on link
	fruitless int       // connections in a row that broke soon and without a reply
	hurry     bool      // reads are sent again because the server before was silent, and nothing has come since
	xid       int32
	pending   fifo    // sent, in order, awaiting replies
	authSent  []*call // auth packets awaiting replies; nil for those of a reconnect
	out       []byte  // frames for the writer
	queued    int64   // bytes that were ever in out, on link
	written   int64   // of these, what link can have passed on when it broke
	spare     []byte
	lastSend  time.Time
	rwFound   chan Address
	stopRW    context.CancelFunc

	// Connecting.
	waiting fifo // calls that wait for a connection
	auths   []Auth
	dialed  chan outcome       // of the attempt under way
	cancel  context.CancelFunc // of the attempt under way; nil when there is none
	trying  Address            // of the attempt under way
	round   []*AttemptError    // the failures of this round
	failed  *RoundError        // the last round, when it failed and nothing has connected since
	retryAt time.Time          // when the next round begins

	timer     *time.Timer
	closeCall *call
	closeBy   time.Time
	err       error // see Conn.Err
}

// outcome is what an attempt to connect came to.
type outcome struct {
	connected *connected
	err       error
}

const (
	roundPause = time.Second // after a round that failed, give or take a quarter
	maxPing    = 10 * time.Second
	closeWait  = 2500 * time.Millisecond
	// handshakeWait is how long Close waits for the outcome of an attempt to connect.
	handshakeWait = 500 * time.Millisecond
	// unsentCheck is how soon to look again whether a ping is due while the writer is busy.
	unsentCheck = 20 * time.Millisecond
)

func newSession(c *Conn, cfg Config, addrs []Address) *session {
	s := &session{
		Conn: c, cfg: cfg, ring: newRing(addrs), state: Connecting,
		dialer:  &dialer{dial: cfg.Dial, tls: cfg.TLS, maxLen: cfg.MaxPacket},
		events:  newDispatcher(cfg.OnEvent),
		passwd:  make([]byte, 16),
		rwFound: make(chan Address, 1),
		timer:   time.NewTimer(0),
	}
	s.setAuths(append([]Auth(nil), cfg.Auth...))
	return s
}

func (s *session) run() {
	s.ring.start()
	s.attempt()
	for s.state.Alive() {
		s.step()
	}
	s.drop()
	s.failAll(s.state.code(), s.err)
	close(s.ended)
	s.failLate()
	s.events.close()
	s.timer.Stop()
}

func (s *session) step() {
	var in <-chan inbound
	var writes chan<- []byte
	if s.link != nil {
		in = s.link.in
		if len(s.out) > 0 {
			writes = s.link.writes
		}
	}
	closing := s.closing
	if s.closeCall != nil {
		closing = nil
	}
	select {
	case k := <-s.calls:
		s.accept(k)
		for n := len(s.calls); n > 0; n-- {
			s.accept(<-s.calls)
		}
	case writes <- s.out:
		s.out, s.spare = s.spare[:0], s.out
		if cap(s.out) > 1<<20 {
			s.out = nil
		}
		s.lastSend = time.Now()
	case got := <-in:
		s.receive(got)
	case got := <-s.dialed:
		s.cancel()
		s.cancel, s.dialed = nil, nil
		s.attempted(got)
	case a := <-s.rwFound:
		if s.state == ConnectedReadOnly {
			s.ring.prefer(a)
			s.lost(fmt.Errorf("left the read-only server for %v, which has a quorum", a))
		}
	case <-s.timer.C:
		s.tick(time.Now())
	case <-closing:
		s.startClose()
	}
}

// accept takes a call from its caller.
func (s *session) accept(k *call) {
	switch {
	case s.closeCall != nil || !s.state.Alive():
		s.lose(k, Closed.code(), ErrClosed)
		return
	case s.link != nil:
		s.send(k)
		return
	case s.failed != nil && !s.cfg.Wait:
		s.lose(k, proto.ErrConnectionLoss, s.failed)
		return
	}
	if s.cfg.Wait {
		k.expires = time.Now().Add(s.cfg.SessionTimeout)
	}
	s.waiting.push(k)
	if s.cfg.Wait && s.waiting.len() == 1 {
		s.arm()
	}
}

// send puts a request behind those that go to the server.
func (s *session) send(k *call) {
	switch k.op {
	case opAwait:
		k.finish()
		return
	case proto.OpAuth:
		s.sendAuth(k)
		return
	}
	if s.xid == 1<<31-1 {
		s.xid = 0
	}
	s.xid++
	k.setXid(s.xid)
	s.enqueue(k)
}

func (s *session) enqueue(k *call) {
	s.bound(k)
	s.write(k.frame)
	k.end = s.queued
	s.pending.push(k)
}

// write puts a frame behind those that go to the server.
func (s *session) write(frame []byte) {
	s.out = append(s.out, frame...)
	s.queued += int64(len(frame))
}

// bound sets when the reply must be there. Sending it again gives it no more time.
func (s *session) bound(k *call) {
	if k.due.IsZero() {
		k.due = time.Now().Add(s.cfg.SessionTimeout)
	}
}

func (s *session) unanswered(k *call) error {
	return &fault{fmt.Sprintf("timed out: no reply to %v within %v; a longer -timeout waits longer", k.op, s.cfg.SessionTimeout), errTimeout}
}

// oldest is the call in flight that must be answered first, or nil.
func (s *session) oldest() *call {
	var k *call
	if s.pending.len() > 0 {
		k = s.pending.first()
	}
	for _, a := range s.authSent {
		if a != nil && (k == nil || a.due.Before(k.due)) {
			return a
		}
	}
	return k
}

// replyTimeout is how long a server may stay silent. Reads that have waited that long for
// one server wait for the next no longer than the rest of the session's timeout.
func (s *session) replyTimeout() time.Duration {
	if s.hurry && s.pending.len() > 0 {
		return s.negotiated / 3
	}
	return s.negotiated * 2 / 3
}

// pingAfter is how long the client may stay silent. It is at most a third of what was asked
// for, so that no call is due before a tick has seen it.
func (s *session) pingAfter() time.Duration {
	return min(s.negotiated/3, s.cfg.SessionTimeout/3, maxPing)
}

// tick does what is due and sets the timer for the next.
func (s *session) tick(now time.Time) {
	switch {
	case s.closeCall != nil && !now.Before(s.closeBy):
		if s.id != 0 {
			s.closeErr = errNotClosed
		}
		s.end(Closed, ErrClosed)
		return
	case s.link != nil:
		idle, k := s.link.idle(), s.oldest()
		late := k != nil && !now.Before(k.due)
		switch {
		case idle >= s.replyTimeout(), late && idle >= s.replyTimeout()*9/10:
			s.lost(&fault{fmt.Sprintf("timed out: nothing came from the server for %v", idle.Round(time.Millisecond)), errTimeout})
			return
		case late: // bytes come, or answers to pings, and not the reply: real servers answer in order
			s.lost(s.unanswered(k))
			return
		}
		if now.Sub(s.lastSend) >= s.pingAfter() && len(s.out) == 0 {
			s.ping()
		}
	case s.cancel == nil && !now.Before(s.retryAt):
		s.ring.start()
		s.attempt()
	}
	for s.cfg.Wait && s.waiting.len() > 0 && !now.Before(s.waiting.first().expires) {
		s.lose(s.waiting.pop(), proto.ErrConnectionLoss, s.whyWaited())
	}
	s.arm()
}

// whyWaited is the cause for a call that has waited long enough.
func (s *session) whyWaited() error {
	text := fmt.Sprintf("no connection within %v", s.cfg.SessionTimeout)
	if s.err != nil {
		return fmt.Errorf("%s: %w", text, s.err)
	}
	if s.cancel != nil {
		text += fmt.Sprintf(": %v has not answered yet", s.trying)
	}
	return &fault{text, errTimeout}
}

// arm sets the timer for the next thing that is due.
func (s *session) arm() {
	next := time.Duration(1<<63 - 1)
	due := func(d time.Duration) { next = max(0, min(next, d)) }
	if s.link != nil {
		due(s.replyTimeout() - s.link.idle())
		if k := s.oldest(); k != nil {
			due(time.Until(k.due))
		}
		ping := s.pingAfter() - time.Since(s.lastSend)
		if len(s.out) > 0 {
			ping = max(ping, unsentCheck) // nothing to do until the writer takes what there is
		}
		due(ping)
	} else if s.cancel == nil {
		due(time.Until(s.retryAt))
	}
	if s.closeCall != nil {
		due(time.Until(s.closeBy))
	}
	if s.cfg.Wait && s.waiting.len() > 0 {
		due(time.Until(s.waiting.first().expires))
	}
	s.timer.Reset(next)
}

// startClose asks the server to close the session.
func (s *session) startClose() {
	s.closeCall = newCall(context.Background(), proto.OpCloseSession, nil)
	if s.link == nil && s.cancel != nil {
		// The attempt under way may have made a session by now; opened closes it.
		s.closeBy = time.Now().Add(handshakeWait)
		s.arm()
		return
	}
	if s.link == nil {
		if s.id != 0 {
			s.closeErr = errNotClosed
		}
		s.end(Closed, ErrClosed)
		return
	}
	s.closeBy = time.Now().Add(min(closeWait, s.negotiated))
	s.send(s.closeCall)
	s.arm()
}

// end makes the state final; run then leaves its loop.
func (s *session) end(state State, err error) {
	s.state, s.err, s.server = state, err, ""
	s.publish()
	switch state {
	case Expired:
		s.report(proto.StateExpired)
	case AuthFailed:
		s.report(proto.StateAuthFailed)
	}
}

// drop closes the connection or the attempt at one.
func (s *session) drop() {
	if s.stopRW != nil {
		s.stopRW()
		s.stopRW = nil
	}
	if s.link != nil {
		s.link.close()
		s.link = nil
	}
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
		go func(dialed <-chan outcome) {
			if got := <-dialed; got.connected != nil {
				got.connected.link.close()
			}
		}(s.dialed)
	}
	s.out, s.spare = nil, nil
}

// failAll ends every call that the session holds.
func (s *session) failAll(code proto.Error, cause error) {
	for _, k := range s.pending.drain() {
		k.sent = true
		if k != s.closeCall {
			s.lose(k, code, cause)
		}
	}
	for _, k := range s.authSent {
		if k != nil {
			k.sent = true
			s.lose(k, code, cause)
		}
	}
	s.authSent = nil
	for _, k := range s.waiting.drain() {
		s.lose(k, code, cause)
	}
}

// failLate ends the calls that were handed over while the session ended. Those that come
// later still find Conn.ended closed.
func (s *session) failLate() {
	for {
		select {
		case k := <-s.calls:
			s.lose(k, s.state.code(), s.err)
		default:
			return
		}
	}
}

func (s *session) publish() {
	s.status.Store(&status{state: s.state, err: s.err, id: s.id, timeout: s.negotiated, server: s.server})
}

// report queues the event of a change of state, unless it was the last one reported.
func (s *session) report(state proto.KeeperState) {
	if state == s.told {
		return
	}
	s.told = state
	s.events.push(Event{Type: proto.EventNone, State: state, Zxid: -1})
}

// pause is the time between two rounds.
func pause() time.Duration {
	return roundPause*3/4 + time.Duration(rand.Int64N(int64(roundPause/2)))
}

// hungUp tells whether the server closed the connection.
func hungUp(err error) bool {
	var h *hangup
	return errors.As(err, &h)
}
