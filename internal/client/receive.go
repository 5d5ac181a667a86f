package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// replyHeaderSize is the length of a ReplyHeader.
const replyHeaderSize = 16

// receive handles frames, and finally the error, from the connection's reader.
func (s *session) receive(in inbound) {
	for _, frame := range in.frames {
		if err := s.frame(frame); err != nil {
			s.lost(err)
			return
		}
		if !s.state.Alive() {
			return
		}
	}
	if in.err != nil {
		s.written = in.written
		s.lost(in.err)
	}
}

// frame handles a frame from the server: a reply, an event, or the answer to a ping or an auth
// packet.
func (s *session) frame(b []byte) error {
	if len(b) < replyHeaderSize {
		return &ProtocolError{What: fmt.Sprintf("the server sent a packet of %d bytes, which is too short for a reply", len(b))}
	}
	xid := int32(binary.BigEndian.Uint32(b))
	zxid := int64(binary.BigEndian.Uint64(b[4:]))
	code := proto.Error(binary.BigEndian.Uint32(b[12:]))
	body := b[replyHeaderSize:]
	switch xid {
	case proto.XidPing:
		return nil
	case proto.XidAuth:
		return s.authReplied(code)
	case proto.XidWatcherEvent:
		return s.fired(body, zxid)
	}
	if s.pending.len() == 0 {
		return &ProtocolError{What: fmt.Sprintf("the server sent a reply with xid %d, but no request is waiting for one", xid)}
	}
	k := s.pending.first()
	if k.xid != xid {
		return &ProtocolError{What: fmt.Sprintf("the server sent a reply with xid %d instead of %d, to %v", xid, k.xid, k.op)}
	}
	s.pending.pop()
	if zxid > 0 {
		s.zxid = zxid
		s.Conn.zxid.Store(zxid)
	}
	switch {
	case k == s.closeCall:
		s.end(Closed, ErrClosed)
		return nil
	case xid == proto.XidSetWatches:
		if code != proto.OK {
			s.cfg.Log("the server did not set the watches again: %v", code)
		}
		k.release()
		return nil
	}
	s.replies++
	s.hurry = false
	if k.watch.exists {
		s.removed(k.watch.path, s.watches.replied(k.watch, code), s.told)
	}
	if code != proto.ErrUnimplemented {
		s.since = max(s.since, k.op.Since())
	}
	k.reply, k.zxid, k.code = body, zxid, code
	k.finish()
	if code == proto.ErrUnimplemented && zxid <= 0 {
		return errUnknownOp
	}
	return nil
}

// errUnknownOp ends a connection whose server did not know an operation: it hangs up after that
// answer (ZOOKEEPER-1495), and anything sent meanwhile would be lost. A server that knows the
// operation, but refuses it, answers with a zxid.
var errUnknownOp = errors.New("the server does not know the operation and hangs up")

// errTooManyEvents ends a connection whose events arrive faster than they are handled.
var errTooManyEvents = errors.New("watch events arrive faster than they are handled; too many are waiting")

// fired handles the event of a watch.
func (s *session) fired(body []byte, zxid int64) error {
	var e proto.WatcherEvent
	if err := jute.Unmarshal(body, &e); err != nil {
		return &ProtocolError{What: "the server sent an event that cannot be read", Err: err}
	}
	if zxid <= 0 {
		zxid = -1
	}
	if s.events.full(len(e.Path)) {
		// As after any lost connection, the watches that have not fired will be set again.
		return errTooManyEvents
	}
	if s.watches.fired(e.Type, e.Path) {
		s.emit(Event{Type: e.Type, State: e.State, Path: s.Conn.shown(e.Path), Zxid: zxid})
	}
	return nil
}

// removed reports watches that were removed on request.
func (s *session) removed(path string, types []proto.EventType, state proto.KeeperState) {
	for _, t := range types {
		s.emit(Event{Type: t, State: state, Path: s.Conn.shown(path), Zxid: -1})
	}
}

// emit passes on an event.
func (s *session) emit(e Event) {
	if s.cfg.Watched != nil {
		s.cfg.Watched(e)
	}
	s.events.push(e)
}

// sendAuth adds an identity for the rest of the session and sends it.
func (s *session) sendAuth(k *call) {
	if !k.retried {
		var a proto.AuthPacket
		// The packet is our own encoding.
		_ = jute.Unmarshal(k.frame[headerSize:], &a)
		s.addAuth(Auth{a.Scheme, append([]byte(nil), a.Auth...)})
	}
	s.bound(k)
	s.sendAuthPacket(k)
	s.authSent = append(s.authSent, k)
}

func (s *session) addAuth(a Auth) {
	for _, known := range s.auths {
		if known.Scheme == a.Scheme && string(known.Data) == string(a.Data) {
			return
		}
	}
	s.setAuths(append(s.auths, a))
}

func (s *session) setAuths(auths []Auth) {
	s.auths = auths
	s.identity.Store(&auths)
}

func (s *session) sendAuthPacket(k *call) {
	k.setXid(proto.XidAuth)
	s.write(k.frame)
}

// authReplied handles the answer to the oldest auth packet. A refusal ends the session.
func (s *session) authReplied(code proto.Error) error {
	if len(s.authSent) == 0 {
		return &ProtocolError{What: "the server answered an auth packet that was not sent"}
	}
	k := s.authSent[0]
	if code == proto.ErrAuthFailed {
		s.cfg.Log("the server refused the authentication")
		s.end(AuthFailed, errors.New("the server refused an identity: it does not know the scheme, or the credentials are wrong"))
		return nil
	}
	s.authSent = s.authSent[1:]
	if k != nil {
		k.code = code
		k.finish()
	}
	return nil
}

func (s *session) ping() {
	var frame [headerSize]byte
	binary.BigEndian.PutUint32(frame[:], headerSize-4)
	xid := proto.XidPing
	binary.BigEndian.PutUint32(frame[4:], uint32(xid))
	binary.BigEndian.PutUint32(frame[8:], uint32(proto.OpPing))
	s.write(frame[:])
}

// seekRW looks for a server with a quorum while the session's server has none.
func (s *session) seekRW() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stopRW = cancel
	select { // an address found for an earlier connection
	case <-s.rwFound:
	default:
	}
	go seekRW(ctx, s.dialer, s.ring.addrs, s.rwFound)
}
