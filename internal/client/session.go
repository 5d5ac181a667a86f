package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
)

// session is the state of a Conn. Only the goroutine of its run method touches it, and that
// blocks only in run's select.
type session struct {
	*Conn
	cfg    Config
	ring   *ring
	dialer *dialer
	events *dispatcher
	told   proto.KeeperState // the last state reported as an event

	// What the servers reported.
	state      State
	id         int64
	passwd     []byte
	negotiated time.Duration // 0 before the first connection
	zxid       int64         // the last one in a reply
	seenRW     bool          // the session was created by a server with a quorum
	since      string        // the release that introduced the newest operation answered, as in proto.Op.Since
	server     string
	heard      time.Time // before the last connection broke
	warned     bool      // that a server has no SASL

	// The connection; link is nil while there is none.
	link      *link
	born      time.Time // of link
	replies   int       // on link
	fruitless int       // consecutive connections that broke soon and without a reply
	hurry     bool      // reads are being sent again because the previous server was silent, and nothing has arrived since
	xid       int32
	pending   fifo    // sent, in order, awaiting replies
	authSent  []*call // auth packets awaiting replies; nil for those of a reconnect
	out       []byte  // frames for the writer
	queued    int64   // bytes ever put in out, on link
	written   int64   // how many of these link can have passed on when it broke
	spare     []byte
	lastSend  time.Time
	rwFound   chan Address
	stopRW    context.CancelFunc

	// Connecting.
	waiting fifo // calls that wait for a connection
	auths   []Auth
	dialed  chan outcome       // of the current attempt
	cancel  context.CancelFunc // of the current attempt; nil if there is none
	trying  Address            // of the current attempt
	round   []*AttemptError    // the failures of this round
	failed  *RoundError        // the last round, if it failed and nothing has connected since
	retryAt time.Time          // when the next round starts

	timer     *time.Timer
	closeCall *call
	closeBy   time.Time
	err       error // see Conn.Err
}

// outcome is the result of an attempt to connect.
type outcome struct {
	connected *connected
	err       error
}

const (
	roundPause = time.Second // after a failed round, give or take a quarter
	maxPing    = 10 * time.Second
	closeWait  = 2500 * time.Millisecond
	// handshakeWait is how long Close waits for a pending attempt to connect.
	handshakeWait = 500 * time.Millisecond
	// unsentCheck is how soon to check again whether a ping is due while the writer is busy.
	unsentCheck = 20 * time.Millisecond
)

func newSession(c *Conn, cfg Config, addrs []Address) *session {
	s := &session{
		Conn: c, cfg: cfg, ring: newRing(addrs), state: Connecting,
		dialer:  newDialer(&cfg),
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

// accept receives a call from its caller.
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

// send queues a request for the server.
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

// write queues a frame for the server.
func (s *session) write(frame []byte) {
	s.out = append(s.out, frame...)
	s.queued += int64(len(frame))
}

// bound sets when the reply is due. Sending it again does not extend that.
func (s *session) bound(k *call) {
	if k.due.IsZero() {
		k.due = time.Now().Add(s.cfg.SessionTimeout)
	}
}

func (s *session) unanswered(k *call) error {
	return &fault{fmt.Sprintf("timed out: no reply to %v within %v; raise -timeout to wait longer", k.op, s.cfg.SessionTimeout), errTimeout}
}

// oldest returns the call in flight that must be answered first, or nil.
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

// replyTimeout is how long a server may stay silent. Reads that have waited that long for one
// server wait for the next only for the rest of the session's timeout.
func (s *session) replyTimeout() time.Duration {
	if s.hurry && s.pending.len() > 0 {
		return s.negotiated / 3
	}
	return s.negotiated * 2 / 3
}

// pingAfter is how long the client may stay silent. It is at most a third of the requested
// timeout, so that a tick sees every call before it is due.
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
			s.lost(&fault{fmt.Sprintf("timed out: nothing arrived from the server for %v", idle.Round(time.Millisecond)), errTimeout})
			return
		case late: // bytes or ping replies arrive, but not the reply: real servers answer in order
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

// arm sets the timer for whatever is due next.
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
			ping = max(ping, unsentCheck) // nothing to do until the writer takes what is queued
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
		// The current attempt may have created a session by now; opened closes it.
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

// end makes the state final, after which run returns.
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

// drop closes the connection or cancels the attempt at one.
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
				got.connected.close()
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

// failLate ends the calls that arrived while the session ended. Later ones find Conn.ended
// closed.
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
	s.status.Store(&status{state: s.state, err: s.err, id: s.id, timeout: s.negotiated, server: s.server, heard: s.heard})
}

// report queues the event for a change of state, unless it was the last one reported.
func (s *session) report(state proto.KeeperState) {
	if state == s.told {
		return
	}
	s.told = state
	s.emit(Event{Type: proto.EventNone, State: state, Zxid: -1})
}

// pause is the time between two rounds.
func pause() time.Duration {
	return roundPause*3/4 + time.Duration(rand.Int64N(int64(roundPause/2)))
}

// hungUp reports whether the server closed the connection.
func hungUp(err error) bool {
	var h *hangup
	return errors.As(err, &h)
}
