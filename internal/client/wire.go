package client

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Wire is a session on one connection to one server, whose frames the caller writes and reads itself. It is for what a [Conn]
// would cost too much, such as a load generator. TLS, SASL and identities are done with; pings, reconnects and watches are up to
// the caller, and so is the guard: nothing that changes znodes may be sent unless it allows that.
type Wire struct {
	net.Conn
	R        *bufio.Reader // all that is read of the connection is read through it
	ID       int64
	Passwd   []byte
	Timeout  time.Duration // negotiated
	ReadOnly bool
	Calls    int // requests that Call has sent
}

// OpenWire opens a session with the server at a, or resumes that of old, which has seen zxid, unless old is nil. A session that is
// over is proto.ErrSessionExpired. Without a deadline in ctx, it may take as long as the session's timeout.
func OpenWire(ctx context.Context, cfg Config, a Address, old *Wire, zxid int64) (*Wire, error) {
	cfg.MaxPacket = cmp.Or(cfg.MaxPacket, DefaultMaxPacket)
	timeout := cmp.Or(cfg.SessionTimeout, DefaultSessionTimeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	hello := &proto.ConnectRequest{TimeOut: int32(timeout.Milliseconds()), Passwd: make([]byte, 16), ReadOnly: cfg.ReadOnly}
	if old != nil {
		hello.SessionID, hello.Passwd, hello.LastZxidSeen = old.ID, old.Passwd, zxid
	}
	c, err := newDialer(&cfg).attempt(ctx, a, hello)
	if err != nil {
		return nil, err
	}
	if c.response.TimeOut <= 0 {
		c.close()
		return nil, fmt.Errorf("%w: %v no longer knows session 0x%x", proto.ErrSessionExpired, a, uint64(hello.SessionID))
	}
	w := &Wire{Conn: c.conn.Conn, R: c.r, ID: c.response.SessionID, Passwd: append([]byte(nil), c.response.Passwd...),
		Timeout: time.Duration(c.response.TimeOut) * time.Millisecond, ReadOnly: c.response.ReadOnly}
	stop := context.AfterFunc(ctx, func() { _ = w.SetDeadline(time.Unix(1, 0)) })
	err = w.identify(cfg.Auth, cfg.MaxPacket)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.close()
		return nil, &AttemptError{a, err}
	}
	return w, nil
}

// identify adds identities to the session.
func (w *Wire) identify(auths []Auth, maxLen int) error {
	for _, one := range auths {
		header := &proto.RequestHeader{Xid: proto.XidAuth, Type: proto.OpAuth}
		if err := writeRequest(w, header, &proto.AuthPacket{Scheme: one.Scheme, Auth: one.Data}); err != nil {
			return err
		}
		frame, err := readFrame(w.R, maxLen)
		switch {
		case err != nil:
			return err
		case len(frame) < replyHeaderSize || int32(binary.BigEndian.Uint32(frame)) != proto.XidAuth:
			return &ProtocolError{What: "the server did not answer an auth packet"}
		}
		if code := proto.Error(int32(binary.BigEndian.Uint32(frame[12:]))); code != proto.OK {
			return fmt.Errorf("the server refused an identity with the scheme %s: %w", one.Scheme, code)
		}
	}
	return nil
}

// Call sends a request and decodes its reply into res, unless that is nil. Nothing else may be in flight; events are dropped. An
// error of the server is a bare proto.Error.
func (w *Wire) Call(xid int32, op proto.Op, req, res jute.Record) error {
	records := []jute.Record{&proto.RequestHeader{Xid: xid, Type: op}}
	if req != nil {
		records = append(records, req)
	}
	w.Calls++
	if err := writeRequest(w, records...); err != nil {
		return err
	}
	for {
		frame, err := readFrame(w.R, DefaultMaxPacket)
		switch {
		case err != nil:
			return err
		case len(frame) < replyHeaderSize:
			return &ProtocolError{What: fmt.Sprintf("the server sent a packet of %d bytes, which is too short for a reply", len(frame))}
		case int32(binary.BigEndian.Uint32(frame)) != xid:
			continue
		}
		if code := proto.Error(int32(binary.BigEndian.Uint32(frame[12:]))); code != proto.OK {
			return code
		}
		if res == nil {
			return nil
		}
		return jute.Unmarshal(frame[replyHeaderSize:], res)
	}
}
