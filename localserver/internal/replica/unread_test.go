package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/zklog"
)

// raw is a session whose client reads only when the test does.
type raw struct {
	*wiretest.Client
	t testing.TB
}

// dialRaw opens a session, or resumes old unless it is nil.
func dialRaw(t testing.TB, addr string, old *raw) *raw {
	t.Helper()
	var resumed *wiretest.Client
	if old != nil {
		resumed = old.Client
	}
	c, err := wiretest.Dialer{Wait: time.Minute}.Dial(addr, time.Minute, resumed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &raw{c, t}
}

// request sends a request, and reads nothing.
func (c *raw) request(op proto.Op, body jute.Record) {
	c.t.Helper()
	c.Queue(op, body)
	if err := c.Flush(); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads a reply or an event.
func (c *raw) reply(body jute.Record) proto.ReplyHeader {
	c.t.Helper()
	p, err := c.Receive()
	if err == nil && body != nil && p.Err == 0 {
		err = jute.Unmarshal(p.Body, body)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return p.ReplyHeader
}

func (c *raw) call(op proto.Op, q, body jute.Record) {
	c.t.Helper()
	if err := c.Call(op, q, body); err != nil {
		c.t.Fatalf("%v: %v", op, err)
	}
}

// Clients that read none of their events are disconnected before these take too much memory; their
// sessions survive, and SetWatches tells them what they missed.
func TestUnreadEvents(t *testing.T) {
	var log sharedio.Buffer
	s := serveAlone(t, Options{MaxClientCnxns: -1, Log: zklog.New(&log, "", zklog.Warn)})
	w := dialRaw(t, s.addr, nil)
	w.call(proto.OpCreate, wiretest.Create("/seen", nil, proto.Persistent), nil)
	const many = 12
	var deaf []*raw
	for range many {
		c := dialRaw(t, s.addr, nil)
		c.call(proto.OpGetData, &proto.PathWatchRequest{Path: "/seen", Watch: true}, nil)
		c.call(proto.OpAddWatch, &proto.AddWatchRequest{Path: "/", Mode: proto.WatchPersistentRecursive}, nil)
		deaf = append(deaf, c)
	}
	const cut = "it does not read; "
	var most int64
	path := "/" + strings.Repeat("n", 50_000)
	for n := 0; strings.Count(log.String(), cut) < many; n++ {
		w.call(proto.OpCreate, wiretest.Create(path, nil, proto.Persistent), nil)
		w.call(proto.OpDelete, &proto.PathVersionRequest{Path: path, Version: -1}, nil)
		s.do(func() { most = max(most, s.held()) })
		if n > 2000 {
			t.Fatalf("%d of %d clients that do not read are cut off after %d bytes for each", strings.Count(log.String(), cut), many, n*2*len(path))
		}
	}
	if limit := int64(outTotal + many*smallReply + 2*len(path)); most > limit {
		t.Errorf("%d bytes waited for the clients, more than %d", most, limit)
	}
	await.That(t, time.Minute, "nothing waits for anybody", func() (done bool) {
		s.do(func() { done = s.held() == 0 })
		return done
	})
	w.call(proto.OpSetData, &proto.SetDataRequest{Path: "/seen", Version: -1}, nil)
	for _, c := range deaf {
		again := dialRaw(t, s.addr, c)
		again.request(proto.OpSetWatches, &proto.SetWatches{RelativeZxid: 2, DataWatches: []string{"/seen"}})
		var e proto.WatcherEvent
		if h := again.reply(&e); h.Xid != proto.XidWatcherEvent || e.Type != proto.EventNodeDataChanged || e.Path != "/seen" {
			t.Fatalf("it is told %+v %+v", h, e)
		}
	}
}

// A client that reads late gets all its events, in order, as long as memory suffices.
func TestLateReader(t *testing.T) {
	s := serveAlone(t, Options{})
	w, late := dialRaw(t, s.addr, nil), dialRaw(t, s.addr, nil)
	late.call(proto.OpAddWatch, &proto.AddWatchRequest{Path: "/", Mode: proto.WatchPersistentRecursive}, nil)
	name := strings.Repeat("n", 50_000)
	const n = unaskedLimit / 2 / 50_000
	for i := range n {
		w.call(proto.OpCreate, wiretest.Create(fmt.Sprintf("/%s%d", name, i), nil, proto.Persistent), nil)
	}
	for i := range n {
		var e proto.WatcherEvent
		if late.reply(&e); e.Path != fmt.Sprintf("/%s%d", name, i) {
			t.Fatalf("event %d is about …%s", i, e.Path[max(0, len(e.Path)-10):])
		}
	}
}

// Large replies wait while others do not read theirs; clients that read still get them.
func TestUnreadReplies(t *testing.T) {
	var log sharedio.Buffer
	s := serveAlone(t, Options{MaxClientCnxns: -1, Log: zklog.New(&log, "", zklog.Warn)})
	data := make([]byte, 1_000_000)
	w := dialRaw(t, s.addr, nil)
	w.call(proto.OpCreate, wiretest.Create("/big", data, proto.Persistent), nil)
	const many = 100
	ask := func(c *raw) { c.request(proto.OpGetData, &proto.PathWatchRequest{Path: "/big"}) }
	for range many {
		c := dialRaw(t, s.addr, nil)
		for range 20 {
			ask(c)
		}
	}
	reads := make(chan int)
	go func() {
		n := 0
		for range 50 {
			var got proto.GetDataResponse
			ask(w)
			w.reply(&got)
			n += len(got.Data)
		}
		reads <- n
	}()
	var most int64
	for done := false; !done; {
		s.do(func() { most = max(most, s.held()) })
		select {
		case n := <-reads:
			done = true
			if n != 50*len(data) {
				t.Errorf("who reads got %d bytes", n)
			}
		case <-time.After(time.Millisecond):
		}
	}
	if limit := int64(outTotal/2 + 2*len(data) + many*2*smallReply); most > limit {
		t.Errorf("%d bytes waited for the clients, more than %d", most, limit)
	}
	if strings.Count(log.String(), "it does not read; ") == 0 {
		t.Error("nobody had to make room")
	}
}

// Unread small answers make the server stop reading.
func TestUnreadAnswers(t *testing.T) {
	s := serveAlone(t, Options{})
	c := dialRaw(t, s.addr, nil)
	c.call(proto.OpCreate, wiretest.Create("/a", nil, proto.Persistent), nil)
	for what, request := range map[string][]byte{
		"auth":    wiretest.Marshal(&proto.RequestHeader{Xid: proto.XidAuth, Type: proto.OpAuth}, &proto.AuthPacket{Scheme: "ip"}),
		"setData": wiretest.Marshal(&proto.RequestHeader{Xid: 1, Type: proto.OpSetData}, &proto.SetDataRequest{Path: "/a", Version: -1}),
	} {
		c := dialRaw(t, s.addr, nil)
		batch := []byte(strings.Repeat(string(request), 1000))
		go func() {
			for err := error(nil); err == nil; { // until it is closed
				_, err = c.Write(batch)
			}
		}()
		await.That(t, time.Minute, "the server does not read on", func() (stalled bool) {
			s.do(func() {
				if held := s.held(); held > 2*outPause {
					t.Errorf("%s: %d bytes wait for the client", what, held)
				}
				for one := range s.all {
					stalled = stalled || one.stalled.Load()
				}
			})
			return stalled
		})
		c.Close()
		await.That(t, time.Minute, "nothing waits for anybody", func() (done bool) {
			s.do(func() { done = s.held() == 0 })
			return done
		})
	}
}

// What has been answered when a member loses its role arrives, and then the connection ends.
func TestAnsweredBeforeClosing(t *testing.T) {
	s := serveAlone(t, Options{})
	c := dialRaw(t, s.addr, nil)
	held, release := make(chan struct{}), make(chan struct{})
	go s.do(func() {
		close(held)
		<-release
	})
	<-held
	c.request(proto.OpExists, &proto.PathWatchRequest{Path: "/"})
	await.That(t, time.Minute, "the request has arrived", func() bool { return s.shared.inProcess.Load() == 1 })
	s.box.put(event{run: s.retire})
	close(release)
	if h := c.reply(nil); h.Err != 0 {
		t.Errorf("the reply is %+v", h)
	}
	if _, err := c.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the reply: %v", err)
	}
}

// A client with long requests waits for those with short ones.
func TestTurns(t *testing.T) {
	s := serveAlone(t, Options{})
	hog, other := dialRaw(t, s.addr, nil), dialRaw(t, s.addr, nil)
	s.do(func() {
		for n := range 20_000 {
			plant(s.Replica, fmt.Sprintf("/planted%d", n), nil, hog.ID)
		}
	})
	const many = 200
	for range many {
		hog.request(proto.OpGetEphemerals, &proto.PathRequest{Path: "/nothing"})
	}
	await.That(t, time.Minute, "the server has read what takes long", func() bool { return s.shared.inProcess.Load() > 0 || s.stalledAny() })
	for range 5 {
		other.call(proto.OpExists, &proto.PathWatchRequest{Path: "/"}, nil)
	}
	answered := int64(0)
	s.do(func() { answered = s.conns[hog.ID].stats.sent })
	if answered > many/2 {
		t.Errorf("%d of %d answers went before those to five short questions", answered, many)
	}
	for range many {
		hog.reply(&proto.GetEphemeralsResponse{})
	}
}

func (s *alone) stalledAny() (stalled bool) {
	s.do(func() {
		for c := range s.all {
			stalled = stalled || c.stalled.Load()
		}
	})
	return stalled
}

// The total of large requests is bounded from the moment that they are announced.
func TestLargeRequests(t *testing.T) {
	s := serveAlone(t, Options{LargeThreshold: 1000, LargeMax: 100_000})
	w := dialRaw(t, s.addr, nil)
	w.call(proto.OpCreate, wiretest.Create("/a", make([]byte, 50_000), proto.Persistent), nil)
	half := dialRaw(t, s.addr, nil)
	if _, err := half.Write(binary.BigEndian.AppendUint32(nil, 90_000)); err != nil {
		t.Fatal(err)
	}
	await.That(t, time.Minute, "the announced request counts", func() bool { return s.shared.largeBytes.Load() == 90_000 })
	w.call(proto.OpSetData, &proto.SetDataRequest{Path: "/a", Data: make([]byte, 900), Version: -1}, nil) // a small one
	w.request(proto.OpSetData, &proto.SetDataRequest{Path: "/a", Data: make([]byte, 50_000), Version: -1})
	if _, err := w.Next(); err == nil {
		t.Error("a large request is answered that is too much with the other")
	}
	half.Close()
	await.That(t, time.Minute, "nothing large is left", func() bool { return s.shared.largeBytes.Load() == 0 })
	again := dialRaw(t, s.addr, nil)
	again.call(proto.OpSetData, &proto.SetDataRequest{Path: "/a", Data: make([]byte, 50_000), Version: -1}, nil)
	if n := s.shared.largeBytes.Load(); n != 0 {
		t.Errorf("%d bytes of large requests are left", n)
	}
	if got := s.metrics.counters["large_requests_rejected"].Load(); got != 1 {
		t.Errorf("%d large requests were rejected", got)
	}
}
