package client

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// FuzzServer runs a server that sends arbitrary bytes from the handshake on. Whatever they are, a
// session neither panics nor hangs.
func FuzzServer(f *testing.F) {
	frame := wiretest.Marshal
	hello := frame(&proto.ConnectResponse{TimeOut: 30000, SessionID: 1, Passwd: make([]byte, 16)})
	with := func(frames ...[]byte) []byte {
		all := append([]byte(nil), hello...)
		for _, b := range frames {
			all = append(all, b...)
		}
		return all
	}
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add([]byte{0x15, 3, 3, 0, 2, 2, 40})
	f.Add(frame(&proto.ConnectResponse{Passwd: make([]byte, 16)}))
	f.Add(with(frame(&proto.ReplyHeader{Xid: 1, Zxid: 5}, &proto.GetDataResponse{Data: []byte("x")})))
	f.Add(with(frame(&proto.ReplyHeader{Xid: 1, Zxid: 5}, &proto.GetDataResponse{Data: []byte("x")}), frame(&proto.ReplyHeader{Xid: 2},
		&proto.MultiResponse{Results: []proto.MultiResult{{Type: proto.OpGetChildren, Children: []string{"a"}}}})))
	f.Add(with(frame(&proto.ReplyHeader{Xid: -1, Zxid: -1}, &proto.WatcherEvent{Type: proto.EventNodeDeleted, State: 3, Path: "/"})))
	f.Add(with(frame(&proto.ReplyHeader{Xid: -2}), frame(&proto.ReplyHeader{Xid: -4, Err: proto.ErrAuthFailed})))
	f.Add(with(frame(&proto.ReplyHeader{Xid: 3})))
	f.Add(with([]byte{0xff, 0xff, 0xff, 0xff}))
	f.Fuzz(func(t *testing.T, stream []byte) {
		first := true
		dial := func(context.Context, string, string) (net.Conn, error) {
			if !first {
				return nil, net.ErrClosed
			}
			first = false
			client, server := net.Pipe()
			go func() {
				b := make([]byte, 1<<10)
				_, _ = server.Read(b) // the ConnectRequest
				go func() {
					for {
						if _, err := server.Read(b); err != nil {
							return
						}
					}
				}()
				_, _ = server.Write(stream)
				_ = server.Close()
			}()
			return client, nil
		}
		c, err := Open(Config{Servers: "fuzz", SessionTimeout: 5 * time.Second, MaxPacket: 1 << 20, Dial: dial,
			Auth: []Auth{{"digest", nil}}, OnEvent: func(Event) {}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, _, _ = c.Get(ctx, "/", true)
		_ = c.Walk(ctx, "/", WalkOptions{}, func(*Walked) error { return nil })
		if ctx.Err() != nil {
			t.Error("the session hangs")
		}
		_ = c.Close()
	})
}
