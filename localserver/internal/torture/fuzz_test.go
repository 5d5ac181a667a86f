package torture

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/localserver/internal/replica"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// pipeListener accepts the ends of pipes.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// FuzzConnection sends any bytes to a server, as they are and as requests of a session. The
// server must not panic, and must serve the next client.
func FuzzConnection(f *testing.F) {
	opt := replica.Options{ID: 1, MaxClientCnxns: -1, Words: []string{"*"}, Tick: time.Second, ExtendedTypes: true, EnforceQuota: true, Log: zklog.New(io.Discard, "", zklog.Error)}
	s, err := replica.Open(opt)
	if err != nil {
		f.Fatal(err)
	}
	var broadcast *zab.Broadcast
	var ready sync.WaitGroup
	ready.Add(1)
	journal := zab.OpenJournal(zab.JournalOptions{Synced: func(zxid int64) { ready.Wait(); broadcast.Ack(1, zxid) }, Failed: s.Fail}, 0)
	broadcast = zab.NewSolo(s, journal, 1)
	ready.Done()
	s.Lead(broadcast, 0)
	ln := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	if err := s.Serve(ln, replica.Plain); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		s.Close()
		journal.Close()
	})
	dial := func() net.Conn {
		ours, theirs := net.Pipe()
		ln.conns <- theirs
		_ = ours.SetDeadline(time.Now().Add(patience / 2))
		return ours
	}
	hello := wiretest.Marshal(&proto.ConnectRequest{TimeOut: 4000, Passwd: make([]byte, 16)})
	bye := wiretest.Marshal(&proto.RequestHeader{Xid: 1, Type: proto.OpCloseSession})
	// talk sends bytes and reads until the server closes the connection; a pipe has no buffer, so
	// both must happen concurrently.
	talk := func(b []byte) []byte {
		nc := dial()
		defer nc.Close()
		go func() { _, _ = nc.Write(b) }()
		answer, _ := io.ReadAll(nc)
		return answer
	}
	for _, word := range []string{"ruok", "srvr", "mntr", "cons", "wchp", "dump", "gtmk", "stmk"} {
		f.Add(false, []byte(word))
	}
	f.Add(false, hello)
	f.Add(false, []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(false, []byte{0x16, 3, 1, 2, 0, 1})
	f.Add(false, []byte{0xff, 0xff, 0xff, 0xff})
	request := func(op proto.Op, record jute.Record) []byte {
		return wiretest.Marshal(&proto.RequestHeader{Xid: 1, Type: op}, record)
	}
	for _, b := range [][]byte{
		request(proto.OpCreate, wiretest.Create("/a", []byte("x"), proto.Persistent)),
		request(proto.OpCreateTTL, &proto.CreateTTLRequest{Path: "/t", ACL: proto.OpenACL, Flags: 5, TTL: 1000}),
		request(proto.OpCreateContainer, wiretest.Create("/c", nil, 4)),
		request(proto.OpSetData, &proto.SetDataRequest{Path: "/zookeeper/quota", Data: []byte("count=1"), Version: -1}),
		request(proto.OpDelete, &proto.PathVersionRequest{Path: "/a", Version: -1}),
		request(proto.OpGetData, &proto.PathWatchRequest{Path: "/", Watch: true}),
		request(proto.OpGetChildren2, &proto.PathWatchRequest{Path: "/", Watch: true}),
		request(proto.OpSetWatches2, &proto.SetWatches2{DataWatches: []string{"/"}, PersistentWatches: []string{"/a"}}),
		request(proto.OpAddWatch, &proto.AddWatchRequest{Path: "/", Mode: proto.WatchPersistentRecursive}),
		request(proto.OpRemoveWatches, &proto.WatchesRequest{Path: "/", Type: proto.WatcherAny}),
		request(proto.OpAuth, &proto.AuthPacket{Scheme: "digest", Auth: []byte("a:b")}),
		request(proto.OpSetACL, &proto.SetACLRequest{Path: "/a", ACL: []proto.ACL{{Perms: 31, ID: proto.ID{Scheme: "auth"}}}, Version: -1}),
		request(proto.OpMulti, &proto.MultiRequest{Ops: []proto.MultiOp{{Type: proto.OpCreate, Request: wiretest.Create("/m", nil, proto.Ephemeral)}, {Type: proto.OpCheck, Request: &proto.PathVersionRequest{Path: "/m"}}}}),
		request(proto.OpMultiRead, &proto.MultiRequest{Ops: []proto.MultiOp{{Type: proto.OpGetData, Request: &proto.PathWatchRequest{Path: "/"}}}}),
		request(proto.OpReconfig, &proto.ReconfigRequest{JoiningServers: "server.2=a:1:2", CurConfigID: -1}),
		request(proto.OpGetEphemerals, &proto.PathRequest{Path: "/"}),
		request(proto.OpWhoAmI, nil),
		request(proto.OpSync, &proto.PathRequest{Path: "/"}),
	} {
		f.Add(true, b[4:])
		f.Add(false, append(bytes.Clone(hello), append(b, bye...)...))
	}
	f.Fuzz(func(t *testing.T, framedRequest bool, b []byte) {
		began := time.Now()
		if framedRequest { // one request in a working session
			frame := append(lengthOf(int32(len(b))), b...)
			talk(append(append(bytes.Clone(hello), frame...), bye...))
		} else {
			nc := dial()
			done := make(chan struct{})
			go func() { _, _ = io.Copy(io.Discard, nc); close(done) }()
			_, _ = nc.Write(b)
			nc.Close()
			<-done
		}
		if answer := talk([]byte("ruok")); string(answer) != "imok" {
			t.Fatalf("the server says %q after %q", answer, b)
		}
		if took := time.Since(began); took > patience/3 {
			t.Fatalf("the server needs %v", took)
		}
	})
}
