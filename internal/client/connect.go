package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl"
)

// connectTimeout limits the attempt at one address. (ClientCnxn.connectTimeout)
func (s *session) connectTimeout() time.Duration {
	timeout := s.cfg.SessionTimeout
	if s.negotiated > 0 {
		timeout = min(timeout, s.negotiated)
	}
	return timeout / time.Duration(len(s.ring.addrs))
}

// attempt tries the next address of the round on its own goroutine.
func (s *session) attempt() {
	a, ok := s.ring.take()
	if !ok {
		s.roundFailed()
		return
	}
	hello := &proto.ConnectRequest{LastZxidSeen: s.zxid, TimeOut: int32(s.cfg.SessionTimeout.Milliseconds()),
		Passwd: s.passwd, ReadOnly: s.cfg.ReadOnly}
	if s.seenRW {
		hello.SessionID = s.id // other servers do not know an id assigned by a read-only server
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.connectTimeout())
	s.cancel, s.dialed, s.trying = cancel, make(chan outcome, 1), a
	s.cfg.Log("connecting to %v", a)
	go func(d *dialer, result chan<- outcome) {
		c, err := d.attempt(ctx, a, hello)
		result <- outcome{c, err}
	}(s.dialer, s.dialed)
}

// attempted handles the outcome of an attempt.
func (s *session) attempted(got outcome) {
	if got.err != nil {
		s.cfg.Log("%v", got.err)
		if s.closeCall != nil {
			if s.id != 0 {
				s.closeErr = errNotClosed
			}
			s.end(Closed, ErrClosed)
			return
		}
		if sasl.Refused(got.err) {
			s.end(AuthFailed, got.err)
			return
		}
		if a, ok := got.err.(*AttemptError); ok {
			s.round = append(s.round, a)
		}
		s.attempt()
		return
	}
	s.opened(got.connected)
}

// roundFailed fails the calls that waited for the round, and schedules the next one.
func (s *session) roundFailed() {
	s.failed = &RoundError{Attempts: s.round}
	s.round = nil
	s.err = s.failed
	s.publish()
	if !s.cfg.Wait {
		for _, k := range s.waiting.drain() {
			s.lose(k, proto.ErrConnectionLoss, s.failed)
		}
	}
	s.retryAt = time.Now().Add(pause())
	s.arm()
}

// opened starts using a new connection: identities first, then watches, then the calls that
// waited.
func (s *session) opened(c *connected) {
	r := &c.response
	if r.TimeOut <= 0 {
		c.close()
		err := fmt.Errorf("session 0x%x has expired: %v no longer knows it", uint64(s.id), c.address)
		s.cfg.Log("%v", err)
		s.end(Expired, err)
		return
	}
	old := s.id
	s.link, s.born, s.replies = newLink(c.conn, c.r, c.address, c.peer, s.dialer.maxLen), time.Now(), 0
	s.queued, s.written = 0, math.MaxInt64
	s.id, s.passwd = r.SessionID, append([]byte(nil), r.Passwd...)
	s.negotiated = time.Duration(r.TimeOut) * time.Millisecond
	s.round, s.failed, s.err = nil, nil, nil
	s.server = c.address.String()
	s.lastSend = s.born
	s.state = Connected
	event, mode := proto.StateSyncConnected, ""
	if r.ReadOnly {
		s.state, event, mode = ConnectedReadOnly, proto.StateConnectedReadOnly, ", read-only"
	}
	s.seenRW = s.seenRW || !r.ReadOnly
	verb := "opened"
	if old == s.id {
		verb = "resumed"
	}
	s.cfg.Log("connected to %s%s: session 0x%x %s, timeout %v", s.server, mode, uint64(s.id), verb, s.negotiated)
	switch {
	case s.cfg.SASL == nil:
	case c.proven:
		s.cfg.Log("authenticated as %s with %s", s.cfg.SASL.Identity(), s.cfg.SASL.Name())
	case !s.warned:
		s.warned = true
		s.cfg.Warn("%s has no SASL, so this session is not authenticated as %s", s.server, s.cfg.SASL.Identity())
	}
	s.publish()
	s.report(event)

	for _, a := range s.auths {
		s.sendAuthPacket(newCall(context.Background(), proto.OpAuth, &proto.AuthPacket{Scheme: a.Scheme, Auth: a.Data}))
		s.authSent = append(s.authSent, nil)
	}
	ops, reqs := s.watches.resets(s.zxid)
	for i, op := range ops {
		k := newCall(context.Background(), op, reqs[i])
		k.setXid(proto.XidSetWatches)
		s.enqueue(k)
	}
	for _, k := range s.waiting.drain() {
		switch {
		case k.ctx.Err() != nil: // nobody waits if the caller gave up
		case k.retried && !time.Now().Before(k.due):
			k.sent = true
			s.lose(k, proto.ErrConnectionLoss, s.unanswered(k))
		default:
			s.send(k)
		}
	}
	if s.closeCall != nil { // Close was called while this was being opened
		s.closeBy = time.Now().Add(min(closeWait, s.negotiated))
		s.send(s.closeCall)
	} else if s.state == ConnectedReadOnly {
		s.seekRW()
	}
	s.arm()
}

// lost records that the connection broke. Reads are sent again on the next one, once.
func (s *session) lost(cause error) {
	address := s.link.address
	s.fruitless++
	if s.replies > 0 || time.Since(s.born) > roundPause {
		s.fruitless = 0
	}
	preferred := s.ring.first != nil
	s.heard = time.Now().Add(-s.link.idle())
	s.drop()
	cause = fmt.Errorf("connection to %v: %w", address, cause)
	if s.closeCall != nil {
		s.closeErr = errNotClosed
		s.failPending(cause, false)
		s.end(Closed, ErrClosed)
		return
	}
	s.state, s.err, s.server = Connecting, cause, ""
	s.publish()
	s.cfg.Log("%v; reconnecting", cause)
	s.report(proto.StateDisconnected)
	if s.cfg.NoWatchReset {
		s.watches.clear()
	}
	s.failPending(cause, true)
	s.round = nil
	if s.fruitless > 1 && !preferred {
		// Do not hammer a server that accepts the session and immediately drops it.
		s.retryAt = time.Now().Add(pause())
		s.arm()
		return
	}
	s.ring.start()
	s.attempt()
	s.arm()
}

// failPending ends the calls in flight; with retry, reads wait for the next connection unless
// they have been sent twice.
func (s *session) failPending(cause error, retry bool) {
	hangup := hungUp(cause)
	var again []*call
	for i, k := range append(s.pending.drain(), s.authSent...) {
		switch {
		case k == nil || k.xid == proto.XidSetWatches || k == s.closeCall:
			continue
		case retry && !k.retried && (k.op.Reads() || k.op == proto.OpAuth) && k.ctx.Err() == nil && time.Now().Before(k.due):
			k.retried = true
			if s.cfg.Wait {
				k.expires = time.Now().Add(s.cfg.SessionTimeout)
			}
			again = append(again, k)
		default:
			k.sent, k.inPart = true, k.end > s.written
			s.lose(k, proto.ErrConnectionLoss, k.explain(cause, s.since, i == 0, hangup))
		}
	}
	s.authSent = nil
	s.hurry = len(again) > 0 && errors.Is(cause, errTimeout)
	for _, k := range again {
		s.waiting.push(k)
	}
}

// lose ends a call without a reply. It performs the client's part of a removal of watches, if
// that was asked for.
func (s *session) lose(k *call, code proto.Error, cause error) {
	if k.watch.local && k.watch.exists {
		s.removed(k.watch.path, s.watches.remove(k.watch.path, k.watch.kind), proto.StateDisconnected)
		k.finish()
		return
	}
	k.lose(code, cause)
}
