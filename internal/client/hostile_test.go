package client

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/await/awaittest"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// TestHostileHandshake: whatever answers instead of a ZooKeeper server, a request fails within the
// timeout, and its error says in one sentence what was found.
func TestHostileHandshake(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	says := func(text string) string {
		return serve(t, func(_ int, p *wiretest.Peer) { p.Frame(); _, _ = p.Write([]byte(text)); p.Hold() })
	}
	hangsUp := func(b ...byte) string {
		return serve(t, func(_ int, p *wiretest.Peer) { p.Frame(); _, _ = p.Write(b) })
	}
	gone := refused(t)
	for _, test := range []struct {
		name, servers string
		tls           *tls.Config
		want          []string
	}{
		{"refused", refused(t), nil, []string{"connect 127.0.0.1:", ": connection refused"}},
		{"unknown host", "no-such-host.invalid:2181", nil, []string{"connect no-such-host.invalid:2181: ", "host"}},
		{"silent", serve(t, func(_ int, p *wiretest.Peer) { p.Hold() }), nil, []string{"timed out: the server accepted the connection but did not answer the session handshake within"}},
		{"hangs up at once", serve(t, func(int, *wiretest.Peer) {}), nil, []string{"closed the connection during the session handshake", "no quorum", "require TLS"}},
		{"hangs up after the request", hangsUp(), nil, []string{"closed the connection during the session handshake", "no quorum", "require TLS"}},
		{"hangs up in the length", hangsUp(0, 0), nil, []string{"closed the connection in the middle of the session handshake, after 2 bytes"}},
		{"hangs up in the answer", hangsUp(0, 0, 0, 37, 1, 2, 3), nil, []string{"in the middle of the session handshake, after 7 of 41 bytes"}},
		{"web server", web.Listener.Addr().String(), nil, []string{`speaks HTTP ("HTTP/1.0 404 Not Found"), not ZooKeeper's protocol`, "admin"}},
		{"TLS server, plain client", secure.Listener.Addr().String(), nil, []string{"TLS"}},
		{"TLS alert", says("\x15\x03\x01\x00\x02\x02\x46"), nil, []string{"the port speaks TLS", "-tls, or zookeeper.client.secure"}},
		{"SSH server", says("SSH-2.0-OpenSSH_9.2\r\n"), nil, []string{`speaks SSH ("SSH-2.0-OpenSSH_9.2")`}},
		{"four-letter word's answer", says("This ZooKeeper instance is not currently serving requests\n"), nil, []string{`with the text "This ZooKeeper instance is not currently serving requests"`}},
		{"negative length", says("\xff\xff\xff\xf0"), nil, []string{"impossible length of -16"}},
		{"enormous length", says("\x7f\xff\xff\xff"), nil, []string{"announced 2147483647 bytes"}},
		{"truncated answer", says("\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x75\x30"), nil, []string{"the answer to the session handshake, 8 bytes long, cannot be read"}},
		{"no local sessions", says("\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x2b\xff\xff\xff\x89"), nil, []string{"cut off from the quorum", "localSessionsEnabled=true"}},
		{"plain server, TLS client", serve(t, func(_ int, p *wiretest.Peer) { _, _ = p.Write([]byte("\x00\x00\x00\x25\x00\x00")); p.Hold() }), &tls.Config{}, []string{"does not speak TLS on this port"}},
		{"silent server, TLS client", serve(t, func(_ int, p *wiretest.Peer) { p.Hold() }), &tls.Config{}, []string{"did not answer the TLS handshake within"}},
		{"TLS server hangs up", serve(t, func(_ int, p *wiretest.Peer) { b := make([]byte, 10); _, _ = p.Read(b) }), &tls.Config{}, []string{"closed the connection during the TLS handshake"}},
		{"certificate of a stranger", secure.Listener.Addr().String(), &tls.Config{}, []string{"certificate was rejected", "unknown authority"}},
		{"three servers that refuse", gone + "," + gone + "," + gone, nil, []string{"connect " + gone + ", " + gone + ", " + gone + ": connection refused"}},
		{"two servers", refused(t) + "," + web.Listener.Addr().String(), nil, []string{"connection refused", "; connect 127.0.0.1:", "HTTP"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			timeout := time.Second
			c := open(t, Config{Servers: test.servers, SessionTimeout: timeout, TLS: test.tls})
			start := awaittest.Start()
			_, _, err := c.Get(testContext(t), "/", false)
			loss := lossOf(t, err)
			if loss.Sent || !errors.Is(err, proto.ErrConnectionLoss) {
				t.Errorf("loss: %+v", loss)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of more than one line: %q", err)
			}
			if took, late := start.Late(timeout + time.Second); late {
				t.Errorf("it took %v", took)
			}
			if c.State() != Connecting || c.Err() == nil {
				t.Errorf("state %v, %v", c.State(), c.Err())
			}
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// TestHostileReplies: a server that goes wrong after the handshake.
func TestHostileReplies(t *testing.T) {
	header := func(h proto.RequestHeader, length uint32) []byte {
		b := binary.BigEndian.AppendUint32(nil, length)
		b = binary.BigEndian.AppendUint32(b, uint32(h.Xid))
		return append(b, make([]byte, 12)...)
	}
	for _, test := range []struct {
		name  string
		reply func(p *wiretest.Peer, h proto.RequestHeader)
		want  []string
		sent  bool
	}{
		{"hangs up", func(p *wiretest.Peer, _ proto.RequestHeader) {}, []string{"KeeperErrorCode = ConnectionLoss: connection to 127.0.0.1:", "the server closed the connection; the delete may or may not have happened"}, true},
		{"hangs up in the length", func(p *wiretest.Peer, _ proto.RequestHeader) { _, _ = p.Write([]byte{0, 0, 0}) }, []string{"in the middle of a packet, after 3 bytes"}, true},
		{"hangs up in a reply", func(p *wiretest.Peer, h proto.RequestHeader) { _, _ = p.Write(header(h, 84)) }, []string{"in the middle of a packet, after 20 of 88 bytes"}, true},
		{"wrong xid", func(p *wiretest.Peer, h proto.RequestHeader) { p.Send(&proto.ReplyHeader{Xid: h.Xid + 7}); p.Hold() }, []string{"sent a reply with xid 8 instead of 1, to delete"}, true},
		{"negative length", func(p *wiretest.Peer, _ proto.RequestHeader) {
			_, _ = p.Write([]byte{0xff, 0xff, 0xff, 0xff})
			p.Hold()
		}, []string{"packet with an impossible length of -1"}, true},
		{"enormous length", func(p *wiretest.Peer, _ proto.RequestHeader) { _, _ = p.Write([]byte{0x7f, 0, 0, 0}); p.Hold() }, []string{"packet of 2130706432 bytes, but the limit is 67108864", "-jute-maxbuffer"}, true},
		{"short packet", func(p *wiretest.Peer, _ proto.RequestHeader) {
			_, _ = p.Write([]byte{0, 0, 0, 4, 0, 0, 0, 1})
			p.Hold()
		}, []string{"packet of 4 bytes, which is too short for a reply"}, true},
		{"event that cannot be read", func(p *wiretest.Peer, h proto.RequestHeader) { h.Xid = -1; _, _ = p.Write(header(h, 16)); p.Hold() }, []string{"an event that cannot be read"}, true},
		{"answer to an auth packet that was not sent", func(p *wiretest.Peer, h proto.RequestHeader) { p.Send(&proto.ReplyHeader{Xid: -4}); p.Hold() }, []string{"auth packet that was not sent"}, true},
		{"silence", func(p *wiretest.Peer, _ proto.RequestHeader) {
			for p.Frame() != nil { // pings too
			}
		}, []string{"timed out: nothing arrived from the server for"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			addr := serve(t, func(n int, p *wiretest.Peer) {
				p.Welcome(time.Second)
				for {
					h, _, ok := p.Request()
					if !ok {
						return
					}
					if n == 0 {
						test.reply(p, h)
						return
					}
					p.Reply(h, nil)
				}
			})
			c := open(t, Config{Servers: addr, SessionTimeout: time.Second})
			start := awaittest.Start()
			err := c.Delete(testContext(t), "/x", -1)
			if loss := lossOf(t, err); loss.Sent != test.sent || loss.Code != proto.ErrConnectionLoss {
				t.Errorf("loss: %+v", loss)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if took, late := start.Late(2 * time.Second); late {
				t.Errorf("it took %v", took)
			}
			// The session continues on the next connection.
			if err := c.Delete(testContext(t), "/y", -1); err != nil {
				t.Errorf("after it: %v", err)
			}
		})
	}
}

func TestTruncatedRecord(t *testing.T) {
	addr := serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(30 * time.Second)
		for first := true; ; first = false {
			h, _, ok := p.Request()
			if !ok {
				return
			}
			if first {
				p.Send(&proto.ReplyHeader{Xid: h.Xid}, &proto.PathResponse{Path: "only half"})
			} else {
				p.Reply(h, &proto.GetDataResponse{Data: []byte("x")})
			}
		}
	})
	c := open(t, Config{Servers: addr})
	_, _, err := c.Get(testContext(t), "/", false)
	var foreign *ProtocolError
	if !errors.As(err, &foreign) || !strings.Contains(err.Error(), "the reply to getData, 13 bytes long, cannot be read: at byte 13: record is cut off") {
		t.Errorf("error %v", err)
	}
	if data, _, err := c.Get(testContext(t), "/", false); err != nil || string(data) != "x" {
		t.Errorf("the next request: %q, %v", data, err)
	}
}

// TestReadIsRetried: a read that was in flight is sent again on the next connection, but
// only once; a write never.
func TestReadIsRetried(t *testing.T) {
	for breaks, wantErr := range map[int]bool{1: false, 2: true} {
		addr := serve(t, func(n int, p *wiretest.Peer) {
			if n < breaks {
				p.Welcome(30 * time.Second)
				p.Request()
				return
			}
			echo(p, []byte("x"))
		})
		c := open(t, Config{Servers: addr})
		data, _, err := c.Get(testContext(t), "/", false)
		if (err != nil) != wantErr || err == nil && string(data) != "x" {
			t.Errorf("%d breaks: %q, %v", breaks, data, err)
		}
		if err != nil {
			loss := lossOf(t, err)
			if !loss.Sent || strings.Contains(err.Error(), "may or may not") {
				t.Errorf("loss of a read: %v", err)
			}
		}
	}
}

// TestSilenceEndsWithinTheTimeout: a read that finds one server silent after another ends
// within the session's timeout.
func TestSilenceEndsWithinTheTimeout(t *testing.T) {
	timeout := 3 * time.Second
	addr := serve(t, func(_ int, p *wiretest.Peer) { p.Welcome(timeout); p.Hold() })
	c := open(t, Config{Servers: addr, SessionTimeout: timeout})
	start := awaittest.Start()
	_, _, err := c.Get(testContext(t), "/", false)
	if took, late := start.Late(timeout + timeout/6); late || took < timeout*2/3 {
		t.Errorf("it took %v", took)
	}
	if lossOf(t, err); !strings.Contains(err.Error(), "nothing arrived from the server") {
		t.Error(err)
	}
}

func TestUnknownOperation(t *testing.T) {
	ctx := testContext(t)
	// ZooKeeper answers and then closes the connection (ZOOKEEPER-1495).
	answers := open(t, Config{Servers: serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(30 * time.Second)
		h, _, _ := p.Request()
		p.Send(&proto.ReplyHeader{Xid: h.Xid, Err: proto.ErrUnimplemented})
	})})
	_, err := answers.Ephemerals(ctx, "/")
	if !errors.Is(err, proto.ErrUnimplemented) || !strings.Contains(err.Error(), "getEphemerals; it needs ZooKeeper 3.6 or later") {
		t.Errorf("answered: %v", err)
	}
	hangsUp := open(t, Config{Servers: serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(30 * time.Second)
		p.Request()
	})})
	_, err = hangsUp.Ephemerals(ctx, "/")
	if !errors.Is(err, proto.ErrConnectionLoss) || !strings.Contains(err.Error(), "closed the connection on getEphemerals; servers before ZooKeeper 3.6") {
		t.Errorf("hung up: %v", err)
	}
	// A server that has answered such an operation has another reason.
	knows := open(t, Config{Servers: serve(t, func(n int, p *wiretest.Peer) {
		p.Welcome(30 * time.Second)
		h, _, _ := p.Request()
		if n == 0 {
			p.Reply(h, &proto.GetEphemeralsResponse{})
			p.Request()
		}
	})})
	if _, err = knows.Ephemerals(ctx, "/"); err != nil {
		t.Fatal(err)
	}
	_, err = knows.Ephemerals(ctx, "/")
	if !errors.Is(err, proto.ErrConnectionLoss) || !strings.Contains(err.Error(), "closed the connection") || strings.Contains(err.Error(), "do not know") {
		t.Errorf("hung up, though it knows the operation: %v", err)
	}
}

func TestCreateOnAnOldServer(t *testing.T) {
	addr := serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(30 * time.Second)
		for {
			h, _, ok := p.Request()
			switch {
			case !ok:
				return
			case h.Type == proto.OpCreate:
				p.Reply(h, &proto.PathResponse{Path: "/x"})
			default:
				p.Send(&proto.ReplyHeader{Xid: h.Xid, Err: proto.ErrUnimplemented})
				return
			}
		}
	})
	c := open(t, Config{Servers: addr})
	if path, _, err := c.Create(testContext(t), "/x", nil, proto.OpenACL, proto.Persistent, 0); err != nil || path != "/x" {
		t.Errorf("create: %q, %v", path, err)
	}
}

func TestWalkOnAnOldServer(t *testing.T) {
	tree := map[string][]string{"/": {"a", "b"}, "/a": {"x", "y"}}
	for _, answers := range []bool{true, false} {
		addr := serve(t, func(_ int, p *wiretest.Peer) {
			p.Welcome(30 * time.Second)
			for {
				h, body, ok := p.Request()
				switch {
				case !ok:
					return
				case h.Type == proto.OpGetChildren:
					children := tree[string(body[4:len(body)-1])]
					p.Reply(h, &proto.GetChildrenResponse{Children: append([]string(nil), children...)})
				default:
					if answers {
						p.Send(&proto.ReplyHeader{Xid: h.Xid, Err: proto.ErrUnimplemented})
					}
					return
				}
			}
		})
		c := open(t, Config{Servers: addr})
		var got []string
		err := c.Walk(testContext(t), "/", WalkOptions{}, func(z *Walked) error {
			got = append(got, z.Path)
			return z.Err
		})
		if want := "/ /a /a/x /a/y /b"; err != nil || strings.Join(got, " ") != want {
			t.Errorf("answers %v: %q, %v", answers, got, err)
		}
	}
}

// TestTooLargeRequest uses a real server, whose limit is 1 MiB: it hangs up before it has read the
// request.
func TestTooLargeRequest(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	c := open(t, Config{Servers: servers})
	for _, size := range []int{1 << 20, 3 << 20} {
		_, _, err := c.Create(ctx, "/toolarge", make([]byte, size), proto.OpenACL, proto.Persistent, 0)
		if loss := lossOf(t, err); !loss.Sent || !loss.InPart {
			t.Errorf("loss: %+v", loss)
		}
		for _, want := range []string{fmt.Sprintf("the create2 request was %d", size/1000), "jute.maxbuffer", "1048575", "; the create2 did not happen"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not say %q", err, want)
			}
		}
		if _, err := c.Exists(ctx, "/toolarge", false); !errors.Is(err, proto.ErrNoNode) {
			t.Errorf("the session afterwards: %v", err)
		}
	}
}

// A server that hangs up after reading a request may have executed it, however long it was.
func TestHangupAfterRequest(t *testing.T) {
	for _, size := range []int{10, 3 << 20} {
		addr := serve(t, func(_ int, p *wiretest.Peer) {
			p.Welcome(10 * time.Second)
			p.Request()
		})
		c := open(t, Config{Servers: addr})
		_, _, err := c.Create(testContext(t), "/a", make([]byte, size), proto.OpenACL, proto.Persistent, 0)
		if loss := lossOf(t, err); loss.InPart || !strings.Contains(err.Error(), "; the create2 may or may not have happened") {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// A request that the connection did not accept completely has certainly not happened.
func TestHangupWithinRequest(t *testing.T) {
	addr := serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(10 * time.Second)
		_, _ = io.ReadFull(p.R, make([]byte, 4))
		_ = p.Conn.Conn.(*net.TCPConn).CloseWrite() // no reset
	})
	c := open(t, Config{Servers: addr, MaxPacket: 64 << 20})
	_, _, err := c.Create(testContext(t), "/a", make([]byte, 32<<20), proto.OpenACL, proto.Persistent, 0)
	if loss := lossOf(t, err); !loss.InPart || !strings.Contains(err.Error(), "; the create2 did not happen") {
		t.Error(err)
	}
}

func TestTooLargeReply(t *testing.T) {
	servers := home(t)
	ctx := testContext(t)
	c := open(t, Config{Servers: servers, MaxPacket: 50000})
	if _, _, err := c.Create(ctx, "/largereply", make([]byte, 60000), proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.Get(ctx, "/largereply", false)
	if err == nil || !strings.Contains(err.Error(), "the limit is 50000") || !strings.Contains(err.Error(), "-jute-maxbuffer") {
		t.Errorf("error %v", err)
	}
}

func TestCancelledCalls(t *testing.T) {
	release := make(chan struct{})
	addr := serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(30 * time.Second)
		for {
			h, _, ok := p.Request()
			if !ok {
				return
			}
			<-release
			p.Reply(h, &proto.GetDataResponse{Data: []byte{byte(h.Xid)}})
		}
	})
	c := open(t, Config{Servers: addr})
	if err := c.WaitConnected(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if _, _, err := c.Get(ctx, "/", false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		cancel()
	}
	close(release)
	// The late replies do not disturb the stream.
	if data, _, err := c.Get(testContext(t), "/", false); err != nil || data[0] != 6 {
		t.Errorf("after it: %v, %v", data, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := c.Get(ctx, "/", false); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestWait: requests wait for a server that starts late, but not forever.
func TestWait(t *testing.T) {
	addr := refused(t)
	c := open(t, Config{Servers: addr, SessionTimeout: 500 * time.Millisecond, Wait: true})
	start := awaittest.Start()
	err := c.WaitConnected(testContext(t))
	if took, late := start.Late(3 * time.Second); err == nil || !strings.Contains(err.Error(), "no connection within 500ms: connect") || late || took < 400*time.Millisecond {
		t.Errorf("error %v after %v", err, took)
	}
	_ = c.Close()
	silent := serve(t, func(_ int, p *wiretest.Peer) { p.Hold() })
	c = open(t, Config{Servers: silent + "," + silent, SessionTimeout: 300 * time.Millisecond, Wait: true})
	if err := c.WaitConnected(testContext(t)); err == nil || !strings.Contains(err.Error(), silent) {
		t.Errorf("error %v does not name the silent server", err)
	}
	_ = c.Close()
	c = open(t, Config{Servers: addr, SessionTimeout: 20 * time.Second, Wait: true})
	await.That(t, 20*time.Second, "a whole round has failed", func() bool { return c.Err() != nil })
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			p := wiretest.NewPeer(conn)
			p.Welcome(20 * time.Second)
			p.Request()
		}
	}()
	if err := c.WaitConnected(testContext(t)); err != nil {
		t.Error(err)
	}
}
