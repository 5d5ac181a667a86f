package torture

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// attack is what hostile clients do to a server. It returns its connections when it is done; they
// are closed once the server has been measured.
type attack struct {
	name string
	run  func(a *attacker)
}

// attacker collects the connections of an attack.
type attacker struct {
	t    *testing.T
	addr string
	rng  *rand.Rand
	many int // number of connections, if there should be many

	mu    sync.Mutex
	conns []net.Conn
}

func (a *attacker) dial() net.Conn {
	nc, err := net.DialTimeout("tcp", a.addr, patience)
	if err != nil {
		a.t.Errorf("dial: %v", err)
		return closedConn()
	}
	a.keep(nc)
	_ = nc.SetDeadline(time.Now().Add(patience))
	return nc
}

func (a *attacker) keep(nc net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns = append(a.conns, nc)
}

func closedConn() net.Conn {
	c, _ := net.Pipe()
	c.Close()
	return c
}

// session opens one that is gone a second after it was last heard of: on a busy machine, even while it is at work.
func (a *attacker) session() *wiretest.Client { return a.sessionFor(time.Second) }

// watcher watches everything below /hostile, and then stays silent for a minute.
func (a *attacker) watcher() {
	w := a.sessionFor(time.Minute)
	if err := w.Call(proto.OpAddWatch, &proto.AddWatchRequest{Path: "/hostile", Mode: proto.WatchPersistentRecursive}, nil); err != nil {
		a.t.Error(err)
	}
}

func (a *attacker) sessionFor(timeout time.Duration) *wiretest.Client {
	w, err := wiretest.Dial(a.addr, timeout, nil)
	if err != nil {
		a.t.Errorf("open a session: %v", err)
		return &wiretest.Client{Conn: wiretest.NewConn(closedConn())}
	}
	a.keep(w.Conn)
	return w
}

func (a *attacker) close() {
	for _, nc := range a.conns {
		nc.Close()
	}
	a.conns = nil
}

// each runs f for n connections, several at a time.
func (a *attacker) each(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 32 {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// gone waits until the server closes a connection.
func (a *attacker) gone(nc net.Conn, what string) {
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, nc); err != nil {
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			a.t.Errorf("%s: the server keeps the connection", what)
		}
	}
}

func lengthOf(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

const bigSize = 500_000

var attacks = []attack{
	{"random bytes", func(a *attacker) {
		seeds := make([]uint64, 100)
		for i := range seeds {
			seeds[i] = a.rng.Uint64()
		}
		a.each(len(seeds), func(i int) {
			rng := rand.New(rand.NewPCG(seeds[i], 0))
			junk := make([]byte, 1+rng.IntN(5000))
			for i := range junk {
				junk[i] = byte(rng.Uint32())
			}
			if i%2 == 0 { // in the middle of a frame, once there is a session
				w := a.session()
				_, _ = w.Write(append(lengthOf(int32(len(junk))), junk...))
				_, _ = w.Write(junk)
				return
			}
			_, _ = a.dial().Write(junk)
		})
	}},
	{"lengths that cannot be", func(a *attacker) {
		for _, n := range []int32{-1, -1 << 31, 1<<31 - 1, 0x100000, 0} {
			nc := a.dial()
			_, _ = nc.Write(append(lengthOf(n), make([]byte, 50)...))
			a.gone(nc, fmt.Sprint("length ", n))
			if n == 0 {
				continue
			}
			w := a.session()
			_, _ = w.Write(append(lengthOf(n), make([]byte, 50)...))
			a.gone(w.Conn, fmt.Sprint("length ", n, " of a request"))
		}
	}},
	{"lengths announced and nothing sent", func(a *attacker) {
		a.each(a.many, func(int) { _, _ = a.dial().Write(lengthOf(0xfffff)) })
	}},
	{"TLS and HTTP on a plain port", func(a *attacker) {
		nc := a.dial()
		if err := tls.Client(nc, &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil {
			a.t.Error("TLS on a plain port succeeds")
		}
		nc = a.dial()
		_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		a.gone(nc, "HTTP")
	}},
	{"idle connections", func(a *attacker) { a.each(a.many, func(int) { a.dial() }) }},
	{"connect requests that never end", func(a *attacker) {
		half := wiretest.Marshal(&proto.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)})
		a.each(a.many/4, func(i int) { _, _ = a.dial().Write(half[:1+i%(len(half)-1)]) })
	}},
	{"a byte now and then", func(a *attacker) {
		request := wiretest.Marshal(&proto.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)})
		a.each(64, func(i int) {
			nc := a.dial()
			for _, b := range request[:8+i%16] {
				_, _ = nc.Write([]byte{b})
				time.Sleep(2 * time.Millisecond)
			}
		})
	}},
	{"sessions opened and abandoned", func(a *attacker) {
		a.each(a.many, func(i int) {
			if w := a.session(); i%2 == 0 {
				w.Close()
			}
		})
	}},
	{"replies that nobody reads", func(a *attacker) {
		for range 6 {
			w := a.sessionFor(time.Minute)
			for range 10_000 {
				w.Queue(proto.OpGetData, &proto.PathWatchRequest{Path: "/big"})
			}
			_ = w.SetDeadline(time.Now().Add(time.Second))
			_, _ = w.Write(w.Out) // it blocks once the server stops reading
			_, _ = w.Write(w.Out)
		}
	}},
	{"writes behind replies that nobody reads", func(a *attacker) {
		for i := range 6 {
			w := a.sessionFor(time.Minute)
			for n := range 2_000 {
				w.Queue(proto.OpGetData, &proto.PathWatchRequest{Path: "/big"})
				w.Queue(proto.OpCreate, wiretest.Create(fmt.Sprintf("/hostile/w%d-%d", i, n), nil, proto.Ephemeral))
			}
			_ = w.SetDeadline(time.Now().Add(time.Second))
			_, _ = w.Write(w.Out)
		}
	}},
	{"a session closed behind replies that nobody reads", func(a *attacker) {
		for range 6 {
			w := a.session()
			for range 10 {
				w.Queue(proto.OpGetData, &proto.PathWatchRequest{Path: "/big"})
			}
			w.Queue(proto.OpCloseSession, nil)
			_ = w.Flush()
		}
	}},
	{"events that nobody reads", func(a *attacker) {
		for range 12 {
			a.watcher()
		}
		w := a.sessionFor(time.Minute)
		long := strings.Repeat("n", 2000)
		for n := range 20_000 { // 80 MB for each of them
			path := fmt.Sprintf("/hostile/%s%d", long, n)
			w.Queue(proto.OpCreate, wiretest.Create(path, nil, proto.Persistent))
			w.Queue(proto.OpDelete, &proto.PathVersionRequest{Path: path, Version: -1})
			if n%50 == 49 {
				_ = w.Flush()
				for range 100 {
					if _, err := w.Receive(); err != nil {
						a.t.Errorf("write: %v", err)
						return
					}
				}
			}
		}
	}},
	{"one event for many who do not read", func(a *attacker) {
		for range a.many / 4 {
			a.watcher()
		}
		w := a.sessionFor(time.Minute)
		path := "/hostile/" + strings.Repeat("n", 900_000)
		for range 3 {
			if err := w.Call(proto.OpCreate, wiretest.Create(path, nil, proto.Persistent), nil); err != nil {
				a.t.Error(err)
			}
			if err := w.Call(proto.OpDelete, &proto.PathVersionRequest{Path: path, Version: -1}, nil); err != nil {
				a.t.Error(err)
			}
		}
	}},
	{"long lists that nobody reads", func(a *attacker) {
		w := a.sessionFor(time.Minute)
		name := strings.Repeat("n", 250)
		for n := range 20_000 { // 5 MB
			w.Queue(proto.OpCreate, wiretest.Create(fmt.Sprintf("/list/%s%d", name, n), nil, proto.Persistent))
			if n%1000 == 999 {
				_ = w.Flush()
				for range 1000 {
					if _, err := w.Receive(); err != nil {
						a.t.Error(err)
						return
					}
				}
			}
		}
		for range a.many / 4 {
			w := a.sessionFor(time.Minute)
			for range 10 {
				w.Queue(proto.OpGetChildren, &proto.PathWatchRequest{Path: "/list"})
			}
			_ = w.Flush()
		}
	}},
	{"identities that nobody reads the answers to", func(a *attacker) {
		a.each(20, func(int) {
			w := a.sessionFor(time.Minute)
			for range 50_000 {
				w.Queue(proto.OpAuth, &proto.AuthPacket{Scheme: "ip"})
			}
			_ = w.SetDeadline(time.Now().Add(2 * time.Second))
			_, _ = w.Write(w.Out)
		})
	}},
	{"writes whose answers nobody reads", func(a *attacker) {
		a.each(6, func(int) {
			w := a.sessionFor(time.Minute)
			for range 200_000 {
				w.Queue(proto.OpSetData, &proto.SetDataRequest{Path: "/hostile", Version: -1})
			}
			_ = w.SetDeadline(time.Now().Add(2 * time.Second))
			_, _ = w.Write(w.Out)
		})
	}},
	{"watches that fire as they are set", func(a *attacker) {
		paths := make([]string, 100_000)
		for i := range paths {
			paths[i] = "/big"
		}
		for range 4 {
			w := a.sessionFor(time.Minute)
			for range 10 {
				w.Queue(proto.OpSetWatches, &proto.SetWatches{DataWatches: paths, ExistWatches: nil, ChildWatches: nil})
			}
			_ = w.SetDeadline(time.Now().Add(time.Second))
			_, _ = w.Write(w.Out)
		}
	}},
	{"a hundred thousand watches", func(a *attacker) {
		w := a.sessionFor(time.Minute)
		for n := range 100_000 {
			w.Queue(proto.OpExists, &proto.PathWatchRequest{Path: fmt.Sprintf("/hostile/watched/%d", n), Watch: true})
			if n%1000 == 999 {
				_ = w.Flush()
				for range 1000 {
					if _, err := w.Receive(); err != nil {
						a.t.Error(err)
						return
					}
				}
			}
		}
	}},
	{"a huge multi", func(a *attacker) {
		multi := &proto.MultiRequest{}
		for n := range 15_000 {
			multi.Ops = append(multi.Ops, proto.MultiOp{Type: proto.OpCreate, Request: wiretest.Create(fmt.Sprintf("/hostile/m%d", n), nil, proto.Ephemeral)})
		}
		w := a.sessionFor(time.Minute)
		if err := errors.Join(w.Call(proto.OpMulti, multi, nil), w.Call(proto.OpCloseSession, nil, nil)); err != nil {
			a.t.Error(err)
		}
	}},
	{"a multiRead of much", func(a *attacker) {
		multi := &proto.MultiRequest{}
		for range 40_000 {
			multi.Ops = append(multi.Ops, proto.MultiOp{Type: proto.OpGetData, Request: &proto.PathWatchRequest{Path: "/big"}})
		}
		for range 2 {
			w := a.session()
			w.Queue(proto.OpMultiRead, multi)
			_ = w.Flush()
			a.gone(w.Conn, "a multiRead of 20 GB")
		}
	}},
	{"deep paths", func(a *attacker) {
		w := a.sessionFor(time.Minute)
		path := "/hostile"
		for range 20 {
			multi := &proto.MultiRequest{}
			for range 50 {
				path += "/d"
				multi.Ops = append(multi.Ops, proto.MultiOp{Type: proto.OpCreate, Request: wiretest.Create(path, nil, proto.Persistent)})
			}
			if err := w.Call(proto.OpMulti, multi, nil); err != nil {
				a.t.Error(err)
				return
			}
		}
		for _, p := range []string{path, path + strings.Repeat("/d", 400_000), strings.Repeat("/", 900_000), "/" + strings.Repeat("x", 900_000)} {
			err := w.Call(proto.OpExists, &proto.PathWatchRequest{Path: p, Watch: true}, nil)
			if code := proto.Error(0); err != nil && !errors.As(err, &code) {
				a.t.Errorf("exists of %d bytes: %v", len(p), err)
				return
			}
		}
	}},
	{"identities without end", func(a *attacker) {
		w := a.session()
		for n := range 5000 {
			w.Queue(proto.OpAuth, &proto.AuthPacket{Scheme: "digest", Auth: fmt.Appendf(nil, "user%d:x", n)})
		}
		_ = w.Flush()
		a.gone(w.Conn, "5000 identities")
	}},
}

// TestHostile attacks a server while a well-behaved client is at work: it must be served, the
// server's memory must stay bounded, and nothing of the attack may remain afterwards.
func TestHostile(t *testing.T) {
	rng := random(t)
	c := startChild(t, childOptions{Properties: map[string]string{"tickTime": "250", "preAllocSize": "64", "maxSessionTimeout": "60000"}})
	w, err := wiretest.Dial(c.addr, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, path := range []string{"/big", "/good", "/hostile", "/list"} {
		data := []byte("x")
		if path == "/big" {
			data = make([]byte, bigSize)
		}
		if err := w.Call(proto.OpCreate, wiretest.Create(path, data, proto.Persistent), nil); err != nil {
			t.Fatal(err)
		}
	}
	many := 1000 / raceFactor
	if *long > 0 {
		many = 10_000 // as many as ports and open files permit
	}
	base := c.goroutines()
	for _, one := range attacks {
		t.Run(one.name, func(t *testing.T) {
			a := &attacker{t: t, addr: c.addr, rng: rng, many: many}
			defer a.close()
			over, measured := make(chan struct{}), make(chan []time.Duration)
			go func() { measured <- behave(t, w, over) }()
			before := c.rss()
			began := time.Now()
			c.resetPeak()
			one.run(a)
			took := time.Since(began)
			close(over)
			latencies := <-measured
			rss := c.peak()
			a.close()
			if len(latencies) == 0 {
				t.Fatal("the client that behaves was not served")
			}
			slices.Sort(latencies)
			p99 := latencies[len(latencies)*99/100]
			t.Logf("%v; %d operations beside it, p99 %v, worst %v; the server's memory %d MiB, before it %d", took.Round(time.Millisecond), len(latencies),
				p99.Round(time.Microsecond), latencies[len(latencies)-1].Round(time.Microsecond), rss>>20, before>>20)
			if p99 > 5*time.Second {
				t.Errorf("p99 of a client that behaves is %v", p99)
			}
			room := int64(many) * 16 << 10 // for the connections
			if limit := (200<<20 + room) * raceFactor; rss > limit {
				t.Errorf("the server's memory is %d MiB", rss>>20)
			}
			n := 0
			if await.Within(patience, func() bool {
				n, rss = c.goroutines(), c.rss()
				return n <= base && rss <= (120<<20+room)*raceFactor
			}) {
				return
			}
			c.ask("stacks")
			t.Errorf("%d goroutines stay, %d were there before; the server's memory stays at %d MiB", n, base, rss>>20)
		})
	}
	if log := c.log.String(); strings.Contains(log, "panic") {
		t.Error("the server panicked")
	}
}

// behave alternates reads and writes until over, and returns how long each took.
func behave(t *testing.T, w *wiretest.Client, over <-chan struct{}) (took []time.Duration) {
	for n := 0; ; n++ {
		select {
		case <-over:
			if n > 20 {
				return took
			}
		default:
		}
		began := time.Now()
		var err error
		if n%2 == 0 {
			err = w.Call(proto.OpSetData, &proto.SetDataRequest{Path: "/good", Data: []byte("y"), Version: -1}, nil)
		} else {
			err = w.Call(proto.OpGetData, &proto.PathWatchRequest{Path: "/good"}, new(proto.GetDataResponse))
		}
		if err != nil {
			t.Errorf("the client that behaves: %v", err)
			return took
		}
		took = append(took, time.Since(began))
	}
}

// TestSessionless checks that connections without a session are closed.
func TestSessionless(t *testing.T) {
	t.Parallel()
	c := startChild(t, childOptions{})
	half := wiretest.Marshal(&proto.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)})
	var wg sync.WaitGroup
	for _, sent := range [][]byte{nil, {0}, half[:20]} {
		wg.Go(func() {
			nc, err := net.DialTimeout("tcp", c.addr, patience)
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			_, _ = nc.Write(sent)
			_ = nc.SetReadDeadline(time.Now().Add(patience))
			n, err := nc.Read(make([]byte, 1))
			if late := net.Error(nil); n > 0 || errors.As(err, &late) && late.Timeout() {
				t.Errorf("after %d bytes the server answers or keeps the connection: %v", len(sent), err)
			}
		})
	}
	wg.Wait()
}

// TestLimits compares the limits of connections and requests with Apache ZooKeeper's.
func TestLimits(t *testing.T) {
	t.Run("maxClientCnxns", func(t *testing.T) {
		c := startChild(t, childOptions{Properties: map[string]string{"maxClientCnxns": "3"}})
		testFull(t, c, 3, "Error accepting new connection: Too many connections from /127.0.0.1 - max is 3")
	})
	t.Run("maxCnxns", func(t *testing.T) {
		c := startChild(t, childOptions{Properties: map[string]string{"maxCnxns": "2"}})
		testFull(t, c, 2, "Error accepting new connection: Too many connections max allowed is 2")
		if want := "Too many connections 2 - max is 2"; !strings.Contains(c.log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	})
	t.Run("globalOutstandingLimit", func(t *testing.T) {
		c := startChild(t, childOptions{Properties: map[string]string{"globalOutstandingLimit": "10"}})
		var wg sync.WaitGroup
		for i := range 4 { // a client that sends more than the limit is still served, in order
			wg.Go(func() {
				w, err := wiretest.Dial(c.addr, time.Minute, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer w.Close()
				first := w.Xid + 1
				for n := range 1000 {
					w.Queue(proto.OpCreate, wiretest.Create(fmt.Sprintf("/c%d-%d", i, n), nil, proto.Persistent))
				}
				if err := w.Flush(); err != nil {
					t.Error(err)
				}
				for n := range int32(1000) {
					if p, err := w.Receive(); err != nil || p.Err != 0 || p.Xid != first+n {
						t.Errorf("reply %d: %+v, %v", n, p.ReplyHeader, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// testFull opens the largest number of connections, and one more; closing one makes room.
func testFull(t *testing.T, c *child, max int, message string) {
	var open []*wiretest.Client
	for range max {
		w, err := wiretest.Dial(c.addr, time.Minute, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		open = append(open, w)
	}
	if w, err := wiretest.Dial(c.addr, time.Minute, nil); err == nil {
		w.Close()
		t.Errorf("connection %d is accepted", max+1)
	}
	await.That(t, patience, message, func() bool { return strings.Contains(c.log.String(), message) })
	open[0].Close()
	await.That(t, patience, "a connection that leaves makes room", func() bool {
		w, err := wiretest.Dial(c.addr, time.Minute, nil)
		if err == nil {
			w.Close()
		}
		return err == nil
	})
}

// TestSlowReader reads, writes and reads a lot without receiving the replies for a while. All must
// arrive, in order, and reads must not see later writes.
func TestSlowReader(t *testing.T) {
	c := startChild(t, childOptions{})
	w, err := wiretest.Dial(c.addr, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Call(proto.OpCreate, wiretest.Create("/big", make([]byte, 400_000), proto.Persistent), nil); err != nil {
		t.Fatal(err)
	}
	const n = 50
	sent := make(chan error, 1)
	go func() {
		for range n {
			w.Queue(proto.OpSetData, &proto.SetDataRequest{Path: "/big", Data: make([]byte, 400_000), Version: -1})
			w.Queue(proto.OpGetData, &proto.PathWatchRequest{Path: "/big"})
			w.Queue(proto.OpGetData, &proto.PathWatchRequest{Path: "/big"})
			if err := w.Flush(); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i := range 3 * n {
		p, err := w.Receive()
		if err != nil || p.Err != 0 || p.Xid != int32(2+i) {
			t.Fatalf("reply %d of %d: %+v, %v", i, 3*n, p.ReplyHeader, err)
		}
		if i%3 == 0 {
			continue
		}
		var got proto.GetDataResponse
		if err := jute.Unmarshal(p.Body, &got); err != nil {
			t.Fatal(err)
		}
		if want := int32(1 + i/3); got.Stat.Version != want {
			t.Fatalf("read %d sees version %d, want %d", i, got.Stat.Version, want)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
