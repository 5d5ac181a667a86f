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
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// serve passes each connection to a loopback port, numbered from 0, to f.
func serve(t testing.TB, f func(n int, p *wiretest.Peer)) string {
	t.Helper()
	return wiretest.Serve(t, func(n int, p *wiretest.Peer) {
		_ = p.SetDeadline(time.Now().Add(20 * time.Second))
		f(n, p)
	})
}

// echo is a server whose only znode has the given data.
func echo(p *wiretest.Peer, data []byte) {
	p.Welcome(30 * time.Second)
	for {
		h, _, ok := p.Request()
		if !ok {
			return
		}
		switch h.Type {
		case proto.OpGetData:
			p.Reply(h, &proto.GetDataResponse{Data: data})
		default:
			p.Send(&proto.ReplyHeader{Xid: h.Xid, Err: proto.ErrUnimplemented})
		}
	}
}

// BenchmarkPipelinedGet is the client's own speed: the server in the same process does
// next to nothing.
func BenchmarkPipelinedGet(b *testing.B) {
	addr := serve(b, func(_ int, p *wiretest.Peer) {
		_ = p.SetDeadline(time.Time{})
		p.Welcome(30 * time.Second)
		w := bufio.NewWriterSize(p, 64<<10)
		answer := jute.Marshal(&proto.GetDataResponse{Data: []byte("0123456789")})
		for {
			var head [12]byte
			if _, err := io.ReadFull(p.R, head[:]); err != nil {
				return
			}
			_, _ = p.R.Discard(int(binary.BigEndian.Uint32(head[:])) - 8)
			out := binary.BigEndian.AppendUint32(nil, uint32(16+len(answer)))
			out = append(out, head[4:8]...)
			out = append(append(out, make([]byte, 12)...), answer...)
			_, _ = w.Write(out)
			if p.R.Buffered() == 0 {
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

// refused returns an address that nothing listens on.
func refused(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// lossOf returns the *LossError that err must wrap.
func lossOf(t testing.TB, err error) *LossError {
	t.Helper()
	var loss *LossError
	if !errors.As(err, &loss) {
		t.Fatalf("error %v, want a *LossError", err)
	}
	return loss
}
