package load

import (
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// gets asks for one znode, forever.
type gets struct{ resumed *int }

func (g gets) Open(_ *client.Wire, resumed bool) error {
	if resumed {
		*g.resumed++
	}
	return nil
}

func (gets) Next(b *Batch) { b.Read(Ends, proto.OpGetData, []byte("/a"), false) }

func addresses(t *testing.T, addr string) []client.Address {
	t.Helper()
	list, _, err := client.ParseServers(addr)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestLostConnection: what is in flight when a connection breaks is unknown, and the load goes on in the same session.
func TestLostConnection(t *testing.T) {
	var resumed int
	addr := wiretest.Serve(t, func(n int, p *wiretest.Peer) {
		hello := p.Welcome(10 * time.Second)
		if n > 0 && hello.SessionID != 0x1234 {
			t.Errorf("connection %d resumes session 0x%x", n, hello.SessionID)
		}
		for i := 0; n > 0 || i < 10; i++ {
			h, _, ok := p.Request()
			if !ok {
				return
			}
			p.Reply(h, &proto.GetDataResponse{})
		}
		_, _, _ = p.Request() // and no answer
	})
	r, err := Measure(t.Context(), Config{Servers: addresses(t, addr), Clients: 1, InFlight: 4, Count: 100, Kinds: 1,
		New: func(int) Source { return gets{&resumed} }})
	if err != nil {
		t.Fatal(err)
	}
	f := r.Figures[0][0]
	if f.Unknown < 1 || f.Unknown > 4 || f.Latencies.TotalCount()+f.Unknown != 100 || r.Outages != 1 || resumed != 1 {
		t.Errorf("%d answered, %d unknown, %d outages, %d resumed", f.Latencies.TotalCount(), f.Unknown, r.Outages, resumed)
	}
}

// TestErrorsByCode: the server's refusals are counted by their codes, and are no latencies.
func TestErrorsByCode(t *testing.T) {
	addr := wiretest.Serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(10 * time.Second)
		for i := 0; ; i++ {
			h, _, ok := p.Request()
			switch {
			case !ok:
				return
			case i%4 == 0:
				p.Fail(h, proto.ErrNoNode)
			default:
				p.Reply(h, &proto.GetDataResponse{Data: make([]byte, 100_000)}) // longer than the buffer
			}
		}
	})
	r, err := Measure(t.Context(), Config{Servers: addresses(t, addr), Clients: 2, InFlight: 8, Count: 40, Kinds: 1, Bytes: 10,
		New: func(int) Source { return gets{} }})
	if err != nil {
		t.Fatal(err)
	}
	f := r.Figures[0][0]
	if f.Errors[proto.ErrNoNode] != 20 || f.Latencies.TotalCount() != 60 || f.Done() != 80 || r.Requests != 80+2+2 {
		t.Errorf("errors %v, %d answered, %d requests", f.Errors, f.Latencies.TotalCount(), r.Requests)
	}
}

// TestForeignReply: a server that does not speak the protocol ends the load with a reason.
func TestForeignReply(t *testing.T) {
	addr := wiretest.Serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(10 * time.Second)
		h, _, _ := p.Request()
		h.Xid += 7
		p.Reply(h)
		p.Hold()
	})
	_, err := Measure(t.Context(), Config{Servers: addresses(t, addr), Clients: 1, InFlight: 1, For: time.Minute, Kinds: 1,
		New: func(int) Source { return gets{new(int)} }})
	if err == nil || !strings.Contains(err.Error(), "a reply with xid 7 instead of 0") {
		t.Error(err)
	}
}

// TestRun: the load of one kind of requests fails if any of them does.
func TestRun(t *testing.T) {
	addr := wiretest.Serve(t, func(_ int, p *wiretest.Peer) {
		p.Welcome(10 * time.Second)
		for {
			h, body, ok := p.Request()
			var q proto.PathRequest
			switch {
			case !ok:
				return
			case jute.Unmarshal(body, &q) == nil && q.Path == "/none":
				p.Fail(h, proto.ErrNoNode)
			default:
				p.Reply(h)
			}
		}
	})
	ask := func(path string) (Result, error) {
		return Run(t.Context(), Options{Addr: addr, Clients: 2, Window: 3, Count: 20, Request: func(_, n int) (proto.Op, jute.Record) {
			return proto.OpSync, &proto.PathRequest{Path: path}
		}})
	}
	if r, err := ask("/a"); err != nil || r.Ops != 40 || r.Worst <= 0 || r.P50 > r.P99 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := ask("/none"); err == nil {
		t.Error("failed requests are no error")
	}
}

func TestInsideMulti(t *testing.T) {
	for _, c := range []struct {
		name string
		body proto.MultiResponse
		want proto.Error
	}{
		{"done", proto.MultiResponse{Results: []proto.MultiResult{{Type: proto.OpSetData, Stat: &proto.Stat{}}}}, proto.OK},
		{"failed", proto.MultiResponse{Results: []proto.MultiResult{{Type: proto.OpError, Err: proto.OK}, {Type: proto.OpError, Err: proto.ErrNoNode},
			{Type: proto.OpError, Err: proto.ErrRuntimeInconsistency}}}, proto.ErrNoNode},
		{"rolled back", proto.MultiResponse{Results: []proto.MultiResult{{Type: proto.OpError, Err: proto.ErrRuntimeInconsistency}}}, proto.ErrRuntimeInconsistency},
	} {
		if got := insideMulti(jute.Marshal(&c.body)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for n := range 30 {
		insideMulti(make([]byte, n)) // does not panic
	}
}
