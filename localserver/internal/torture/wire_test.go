package torture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// patience bounds every wait for the network.
const patience = 30 * time.Second

// wire is a connection with a session, without any comfort. One goroutine may send while
// another receives.
type wire struct {
	id      int64
	passwd  []byte
	timeout time.Duration // negotiated
	zxid    int64         // the last one seen

	nc    net.Conn
	r     *bufio.Reader
	xid   int32
	out   []byte
	event func(*proto.WatcherEvent) // told by call of each; nil drops them
	wait  time.Duration             // for each answer
}

// errRefused is a session that is over, or a wrong password.
var errRefused = errors.New("the server refuses the session")

// dial opens a session, or resumes that of old unless it is nil.
func dial(addr string, timeout time.Duration, old *wire) (*wire, error) {
	return dialFor(patience, addr, timeout, old)
}

func dialFor(wait time.Duration, addr string, timeout time.Duration, old *wire) (*wire, error) {
	nc, err := net.DialTimeout("tcp", addr, wait)
	if err != nil {
		return nil, err
	}
	w := &wire{wait: wait, nc: nc, r: bufio.NewReaderSize(nc, 16<<10)}
	q := proto.ConnectRequest{TimeOut: int32(timeout.Milliseconds()), Passwd: make([]byte, 16)}
	if old != nil {
		q.SessionID, q.Passwd, q.LastZxidSeen = old.id, old.passwd, old.zxid
		w.zxid, w.xid = old.zxid, old.xid
	}
	err = w.handshake(&q)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return w, nil
}

func (w *wire) handshake(q *proto.ConnectRequest) error {
	w.deadline()
	if _, err := w.nc.Write(framed(q)); err != nil {
		return err
	}
	body, err := w.frame()
	if err != nil {
		return err
	}
	var p proto.ConnectResponse
	if err := jute.Unmarshal(body, &p); err != nil {
		return err
	}
	if p.TimeOut == 0 {
		return errRefused
	}
	w.id, w.passwd, w.timeout = p.SessionID, p.Passwd, time.Duration(p.TimeOut)*time.Millisecond
	return nil
}

func (w *wire) deadline() { _ = w.nc.SetDeadline(time.Now().Add(w.wait)) }

// drop closes the connection; the session lives on.
func (w *wire) drop() { w.nc.Close() }

// end closes the session.
func (w *wire) end() error {
	err := w.call(proto.OpCloseSession, nil, nil)
	w.nc.Close()
	return err
}

func framed(records ...jute.Record) []byte {
	c := jute.NewEncoder(make([]byte, 4, 64))
	for _, r := range records {
		if r != nil {
			r.Visit(c)
		}
	}
	b := c.Bytes()
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func (w *wire) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > 64<<20 {
		return nil, fmt.Errorf("the server sends a frame of %d bytes", n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(w.r, body)
	return body, err
}

// queue prepares a request and returns its xid; flush sends what is queued.
func (w *wire) queue(op proto.Op, record jute.Record) int32 {
	w.xid++
	w.out = append(w.out, framed(&proto.RequestHeader{Xid: w.xid, Type: op}, record)...)
	return w.xid
}

func (w *wire) flush() error {
	w.deadline()
	_, err := w.nc.Write(w.out)
	w.out = w.out[:0]
	return err
}

// reply is a reply, or a watch's event: then xid is proto.XidWatcherEvent.
type reply struct {
	proto.ReplyHeader
	body []byte
}

func (w *wire) receive() (reply, error) {
	body, err := w.frame()
	if err != nil {
		return reply{}, err
	}
	d := jute.NewDecoder(body)
	var p reply
	p.ReplyHeader.Visit(d)
	if d.Err() != nil {
		return p, d.Err()
	}
	p.body = d.Rest()
	if p.Zxid > 0 {
		if p.Zxid < w.zxid {
			return p, fmt.Errorf("the reply of xid %d has zxid 0x%x after 0x%x", p.Xid, p.Zxid, w.zxid)
		}
		w.zxid = p.Zxid
	}
	return p, nil
}

// call sends a request and waits for its reply; events on the way go to event.
func (w *wire) call(op proto.Op, record, into jute.Record) error {
	xid := w.queue(op, record)
	if err := w.flush(); err != nil {
		return err
	}
	for {
		p, err := w.receive()
		switch {
		case err != nil:
			return err
		case p.Xid == proto.XidWatcherEvent && w.event != nil:
			var e proto.WatcherEvent
			if err := jute.Unmarshal(p.body, &e); err != nil {
				return err
			}
			w.event(&e)
			continue
		case p.Xid != xid:
			continue
		case p.Err != 0:
			return p.Err
		case into != nil:
			return jute.Unmarshal(p.body, into)
		}
		return nil
	}
}

func create(path string, data []byte, flags proto.CreateMode) *proto.CreateRequest {
	return &proto.CreateRequest{Path: path, Data: data, ACL: proto.OpenACL, Flags: flags}
}
