package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await/awaittest"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// TestTimeoutBoundsARequest: a server that keeps sending but never completes a reply does not hold
// a request longer than the timeout; nor does one that grants a session timeout of weeks.
func TestTimeoutBoundsARequest(t *testing.T) {
	drip := func(p *wiretest.Peer, bytes func() []byte) {
		for {
			if _, err := p.Write(bytes()); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond) // the server's pace; nothing is awaited
		}
	}
	pong := func() []byte { return append([]byte{0, 0, 0, 16, 0xff, 0xff, 0xff, 0xfe}, make([]byte, 12)...) }
	event := func() []byte {
		return append([]byte{0, 0, 0, 30, 0xff, 0xff, 0xff, 0xff}, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x63\x00\x00\x00\x03\x00\x00\x00\x02/x"...)
	}
	const timeout = 900 * time.Millisecond
	for _, test := range []struct {
		name    string
		granted time.Duration
		reply   func(p *wiretest.Peer, h proto.RequestHeader)
	}{
		{"bytes drip", timeout, func(p *wiretest.Peer, h proto.RequestHeader) {
			_, _ = p.Write(binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0}, uint32(h.Xid)))
			drip(p, func() []byte { return []byte{0} })
		}},
		{"bytes of a length drip", timeout, func(p *wiretest.Peer, _ proto.RequestHeader) {
			_, _ = p.Write([]byte{0})
			drip(p, func() []byte { return nil })
		}},
		{"pings never end", timeout, func(p *wiretest.Peer, _ proto.RequestHeader) { drip(p, pong) }},
		{"events never end", timeout, func(p *wiretest.Peer, _ proto.RequestHeader) { drip(p, event) }},
		{"silence in a session of weeks", 1<<31*time.Millisecond - 1, func(p *wiretest.Peer, _ proto.RequestHeader) { p.Hold() }},
	} {
		for _, write := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, write %v", test.name, write), func(t *testing.T) {
				t.Parallel()
				addr := serve(t, func(_ int, p *wiretest.Peer) {
					p.Welcome(test.granted)
					if h, _, ok := p.Request(); ok {
						test.reply(p, h)
					}
				})
				c := open(t, Config{Servers: addr, SessionTimeout: timeout})
				ctx := testContext(t)
				if err := c.WaitConnected(ctx); err != nil {
					t.Fatal(err)
				}
				start := awaittest.Start()
				var err error
				if write {
					err = c.Delete(ctx, "/x", -1)
				} else {
					_, _, err = c.Get(ctx, "/x", false)
				}
				took, late := start.Late(2 * timeout)
				if loss := lossOf(t, err); !loss.Sent || !strings.Contains(err.Error(), "timed out: no") || strings.Contains(err.Error(), "may or may not") != write {
					t.Errorf("loss %+v: %v", loss, err)
				}
				if late || took < timeout*2/3-100*time.Millisecond {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

// TestTimeoutBoundsAuthentication is the same for an identity.
func TestTimeoutBoundsAuthentication(t *testing.T) {
	const timeout = 900 * time.Millisecond
	addr := serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(timeout)
		for { // read requests, answer pings, and nothing else
			if _, _, ok := p.Request(); !ok {
				return
			}
		}
	})
	c := open(t, Config{Servers: addr, SessionTimeout: timeout})
	start := awaittest.Start()
	err := c.AddAuth(testContext(t), "digest", []byte("u:p"))
	if took, late := start.Late(2 * timeout); late {
		t.Errorf("it took %v", took)
	}
	if lossOf(t, err); !strings.Contains(err.Error(), "no reply to auth") {
		t.Error(err)
	}
}

// TestFloodOfEvents: a server that sends events faster than they are handled cannot make the client
// keep them all.
func TestFloodOfEvents(t *testing.T) {
	const enough = 600 << 20 // bytes of paths, unless the client hangs up before
	path := "/" + strings.Repeat("x", 1000)
	sent := make(chan int, 100)
	addr := serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(30 * time.Second)
		body := append(make([]byte, 16), 0, 0, 0, 99, 0, 0, 0, 3)
		binary.BigEndian.PutUint32(body, ^uint32(0))
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(path))), path...)
		frame := wiretest.Frame(body)
		burst := []byte(strings.Repeat(string(frame), 1000))
		n := 0
		for ; n < enough; n += len(burst) {
			if _, err := p.Write(burst); err != nil {
				break
			}
		}
		sent <- n
		p.Hold()
	})
	block := make(chan struct{})
	var once sync.Once
	handled := make(chan struct{}, 1)
	c := open(t, Config{Servers: addr, OnEvent: func(e Event) {
		if e.Path != "" {
			<-block
			select {
			case handled <- struct{}{}:
			default:
			}
		}
	}})
	defer once.Do(func() { close(block) })
	n := <-sent
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 100<<20 {
		t.Errorf("%d MiB are held of %d MiB sent", m.HeapAlloc>>20, n>>20)
	}
	if n >= enough {
		t.Errorf("the client took all")
	}
	once.Do(func() { close(block) }) // accepted events are handled
	select {
	case <-handled:
	case <-testContext(t).Done():
		t.Error("no event is handled")
	}
	if err := c.Err(); err != nil && !errors.Is(err, errTooManyEvents) {
		t.Error(err)
	}
}

// TestUnaskedFramesAreShort: a long frame that does not answer a request is refused before it is
// read.
func TestUnaskedFramesAreShort(t *testing.T) {
	for _, xid := range []int32{proto.XidWatcherEvent, proto.XidPing, proto.XidAuth} {
		addr := serve(t, func(_ int, p *wiretest.Peer) {
			p.Welcome(30 * time.Second)
			p.Request()
			_, _ = p.Write(binary.BigEndian.AppendUint32([]byte{0, 0x40, 0, 0}, uint32(xid))) // 4 MiB
			p.Hold()
		})
		c := open(t, Config{Servers: addr})
		if err := c.Delete(testContext(t), "/x", -1); err == nil || !strings.Contains(err.Error(), "an unsolicited packet of 4194304 bytes") {
			t.Errorf("xid %d: %v", xid, err)
		}
	}
}

// TestMultiHasNoMoreResults: no more results of a reply are decoded than there were requests.
func TestMultiHasNoMoreResults(t *testing.T) {
	addr := serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(30 * time.Second)
		h, _, _ := p.Request()
		res := &proto.MultiResponse{Results: make([]proto.MultiResult, 1000)}
		for i := range res.Results {
			res.Results[i].Type = proto.OpDelete
		}
		p.Reply(h, res)
		p.Hold()
	})
	c := open(t, Config{Servers: addr})
	results, err := c.Multi(testContext(t), []proto.MultiOp{{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: "/x"}}})
	var foreign *ProtocolError
	if !errors.As(err, &foreign) || len(results) > 1 {
		t.Errorf("%d results, %v", len(results), err)
	}
}
