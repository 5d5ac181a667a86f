package ensembles

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

// wire is a client's connection without any comfort: it stays where it is, and resumes a
// session anywhere when it is told to.
type wire struct {
	id       int64
	passwd   []byte
	readOnly bool // the server is
	events   []proto.WatcherEvent

	nc   net.Conn
	r    *bufio.Reader
	xid  int32
	seen int64 // zxid
}

// errOver is the answer to who resumes a session that has ended.
var errOver = errors.New("the session is over")

// dialWire opens a session with a member, or resumes that of old unless it is nil.
func dialWire(addr string, timeout time.Duration, old *wire, readOnly bool) (*wire, error) {
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	w := &wire{nc: nc, r: bufio.NewReader(nc)}
	q := proto.ConnectRequest{TimeOut: int32(timeout.Milliseconds()), Passwd: make([]byte, 16), ReadOnly: readOnly}
	if old != nil {
		q.SessionID, q.Passwd, q.LastZxidSeen = old.id, old.passwd, old.seen
		w.xid, w.seen = old.xid, old.seen
	}
	var p proto.ConnectResponse
	body, err := w.ask(&q)
	if err == nil {
		err = jute.Unmarshal(body, &p)
	}
	if err == nil && p.TimeOut <= 0 {
		err = errOver
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	w.id, w.passwd, w.readOnly = p.SessionID, p.Passwd, p.ReadOnly
	return w, nil
}

func (w *wire) ask(records ...jute.Record) ([]byte, error) {
	if err := w.write(records...); err != nil {
		return nil, err
	}
	return w.frame()
}

func (w *wire) write(records ...jute.Record) error {
	e := jute.NewEncoder(make([]byte, 4))
	for _, r := range records {
		r.Visit(e)
	}
	b := e.Bytes()
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	_ = w.nc.SetDeadline(time.Now().Add(patience))
	_, err := w.nc.Write(b)
	return err
}

// send makes a request without waiting for its answer.
func (w *wire) send(xid int32, op proto.Op, request jute.Record) error {
	return w.write(&proto.RequestHeader{Xid: xid, Type: op}, request)
}

func (w *wire) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > 1<<20 {
		return nil, errors.New("a frame of more than a megabyte")
	}
	body := make([]byte, n)
	_, err := io.ReadFull(w.r, body)
	return body, err
}

// call makes a request and waits for its answer, which is decoded into result unless nil.
func (w *wire) call(op proto.Op, request, result jute.Record) error {
	w.xid++
	records := []jute.Record{&proto.RequestHeader{Xid: w.xid, Type: op}}
	if request != nil {
		records = append(records, request)
	}
	body, err := w.ask(records...)
	for err == nil {
		var h proto.ReplyHeader
		d := jute.NewDecoder(body)
		h.Visit(d)
		if d.Err() != nil {
			return d.Err()
		}
		if h.Xid == proto.XidWatcherEvent {
			var e proto.WatcherEvent
			e.Visit(d)
			w.events = append(w.events, e)
			body, err = w.frame()
			continue
		}
		w.seen = max(w.seen, h.Zxid)
		if h.Err != 0 {
			return h.Err
		}
		if result != nil {
			result.Visit(d)
		}
		return d.Err()
	}
	return err
}

func (w *wire) create(path string, flags proto.CreateMode) error {
	return w.call(proto.OpCreate, &proto.CreateRequest{Path: path, ACL: proto.OpenACL, Flags: flags}, nil)
}

func (w *wire) exists(path string) error {
	return w.call(proto.OpExists, &proto.PathWatchRequest{Path: path}, &proto.StatResponse{})
}

func (w *wire) sync() error {
	return w.call(proto.OpSync, &proto.PathRequest{Path: "/"}, &proto.PathResponse{})
}

// resume is dialWire, until the member has what the session has seen; before it refuses.
func resume(addr string, timeout time.Duration, old *wire) (w *wire, err error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		w, err = dialWire(addr, timeout, old, false)
		if err == nil || errors.Is(err, errOver) || time.Now().After(deadline) {
			return w, err
		}
	}
}

func mustDial(t *testing.T, addr string, timeout time.Duration, old *wire) *wire {
	t.Helper()
	w, err := resume(addr, timeout, old)
	if err != nil {
		t.Fatalf("connect to %s: %v", addr, err)
	}
	t.Cleanup(func() { w.nc.Close() })
	return w
}
