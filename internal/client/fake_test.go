package client

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// serve listens on a loopback port and hands each connection, numbered from 0, to f, after
// which it closes it.
func serve(t testing.TB, f func(n int, c *peer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				f(n, newPeer(conn))
			}()
		}
	}()
	return l.Addr().String()
}

// peer is the server's end of a connection.
type peer struct {
	net.Conn
	r *bufio.Reader
}

func newPeer(conn net.Conn) *peer { return &peer{Conn: conn, r: bufio.NewReader(conn)} }

// frame reads one frame, nil at the end of the stream.
func (p *peer) frame() []byte {
	var head [4]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return nil
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(p.r, b); err != nil {
		return nil
	}
	return b
}

func (p *peer) send(records ...jute.Record) {
	var body []byte
	for _, r := range records {
		body = append(body, jute.Marshal(r)...)
	}
	p.raw(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
}

func (p *peer) raw(b []byte) { _, _ = p.Write(b) }

// welcome answers the handshake with a session of the timeout.
func (p *peer) welcome(timeout time.Duration) (hello proto.ConnectRequest) {
	_ = jute.Unmarshal(p.frame(), &hello)
	id := hello.SessionID
	if id == 0 {
		id = 0x1234
	}
	p.send(&proto.ConnectResponse{TimeOut: int32(timeout.Milliseconds()), SessionID: id, Passwd: make([]byte, 16)})
	return hello
}

// request reads the next request that is neither a ping nor answered here.
func (p *peer) request() (h proto.RequestHeader, body []byte, ok bool) {
	for {
		b := p.frame()
		if b == nil {
			return h, nil, false
		}
		c := jute.NewDecoder(b)
		h.Visit(c)
		switch h.Type {
		case proto.OpPing:
			p.send(&proto.ReplyHeader{Xid: proto.XidPing})
			continue
		case proto.OpCloseSession:
			p.send(&proto.ReplyHeader{Xid: h.Xid})
			return h, nil, false
		}
		return h, c.Rest(), true
	}
}

// reply answers a request without error.
func (p *peer) reply(h proto.RequestHeader, res jute.Record) {
	if res == nil {
		p.send(&proto.ReplyHeader{Xid: h.Xid, Zxid: 1})
		return
	}
	p.send(&proto.ReplyHeader{Xid: h.Xid, Zxid: 1}, res)
}

// hold keeps the connection open until the client closes it.
func (p *peer) hold() { _, _ = io.Copy(io.Discard, p.r) }

// echo is a server whose only znode has the given data.
func echo(p *peer, data []byte) {
	p.welcome(30 * time.Second)
	for {
		h, _, ok := p.request()
		if !ok {
			return
		}
		switch h.Type {
		case proto.OpGetData:
			p.reply(h, &proto.GetDataResponse{Data: data})
		default:
			p.send(&proto.ReplyHeader{Xid: h.Xid, Err: proto.ErrUnimplemented})
		}
	}
}

// BenchmarkPipelinedGet is the client's own speed: the server in the same process does
// next to nothing.
func BenchmarkPipelinedGet(b *testing.B) {
	addr := serve(b, func(_ int, p *peer) {
		_ = p.SetDeadline(time.Time{})
		p.welcome(30 * time.Second)
		w := bufio.NewWriterSize(p, 64<<10)
		answer := jute.Marshal(&proto.GetDataResponse{Data: []byte("0123456789")})
		for {
			var head [12]byte
			if _, err := io.ReadFull(p.r, head[:]); err != nil {
				return
			}
			_, _ = p.r.Discard(int(binary.BigEndian.Uint32(head[:])) - 8)
			out := binary.BigEndian.AppendUint32(nil, uint32(16+len(answer)))
			out = append(out, head[4:8]...)
			out = append(append(out, make([]byte, 12)...), answer...)
			_, _ = w.Write(out)
			if p.r.Buffered() == 0 {
				_ = w.Flush()
			}
		}
	})
	c := open(b, Config{Servers: addr})
	ctx := testContext(b)
	b.ReportAllocs()
	b.SetParallelism(256)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := c.Get(ctx, "/znode", false); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// refused is an address on which nobody listens.
func refused(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// lossOf is the *LossError in err, which must be one.
func lossOf(t testing.TB, err error) *LossError {
	t.Helper()
	var loss *LossError
	if !errors.As(err, &loss) {
		t.Fatalf("error %v, want a *LossError", err)
	}
	return loss
}
