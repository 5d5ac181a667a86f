package wiretest

import (
	"io"
	"net"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/port/porttest"
	"github.com/zkctl/zkctl/internal/proto"
)

// Peer is the server's end of a connection. What fails shows as the end of the connection.
type Peer struct{ Conn }

// NewPeer answers a client on a connection from which nothing has been read.
func NewPeer(nc net.Conn) *Peer { return &Peer{NewConn(nc)} }

// Serve hands each connection to a loopback port, numbered from 0, to answer, and closes it when that returns.
func Serve(t porttest.TB, answer func(n int, p *Peer)) (addr string) {
	t.Helper()
	return porttest.ServeEach(t, func(n int, c net.Conn) { answer(n, NewPeer(c)) })
}

// Send writes a frame of records.
func (p *Peer) Send(records ...jute.Record) { _ = p.Conn.Send(records...) }

// Frame reads the body of a frame, nil at the end of the connection.
func (p *Peer) Frame() []byte {
	body, err := p.Next()
	if err != nil {
		return nil
	}
	return body
}

// Welcome reads a client's request to connect and answers with a session of the timeout, or the one that it asked for.
func (p *Peer) Welcome(timeout time.Duration) (hello proto.ConnectRequest) {
	_ = jute.Unmarshal(p.Frame(), &hello)
	id := hello.SessionID
	if id == 0 {
		id = 0x1234
	}
	p.Send(&proto.ConnectResponse{TimeOut: int32(timeout.Milliseconds()), SessionID: id, Passwd: make([]byte, 16)})
	return hello
}

// Request reads the next request, past pings, which it answers. The end of the session, which it answers too, and of
// the connection are not ok.
func (p *Peer) Request() (h proto.RequestHeader, body []byte, ok bool) {
	for {
		b := p.Frame()
		if b == nil {
			return h, nil, false
		}
		d := jute.NewDecoder(b)
		h.Visit(d)
		switch h.Type {
		case proto.OpPing:
			p.Send(&proto.ReplyHeader{Xid: proto.XidPing})
		case proto.OpCloseSession:
			p.Reply(h)
			return h, nil, false
		default:
			return h, d.Rest(), true
		}
	}
}

// Reply answers a request without an error.
func (p *Peer) Reply(h proto.RequestHeader, records ...jute.Record) {
	p.Send(append([]jute.Record{&proto.ReplyHeader{Xid: h.Xid, Zxid: 1}}, records...)...)
}

// Fail answers a request with an error.
func (p *Peer) Fail(h proto.RequestHeader, code proto.Error) {
	p.Send(&proto.ReplyHeader{Xid: h.Xid, Zxid: 1, Err: code})
}

// Hold keeps the connection open until the client closes it.
func (p *Peer) Hold() { _, _ = io.Copy(io.Discard, p.R) }
