package wiretest

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// Client is a connection with a session. One goroutine may send while another receives.
type Client struct {
	Conn
	ID       int64
	Passwd   []byte
	Timeout  time.Duration // negotiated
	ReadOnly bool          // the server is
	Zxid     int64         // the newest one of a reply
	Xid      int32         // of the last request
	Wait     time.Duration // for each answer, from its request on
	Out      []byte        // what Queue has prepared and Flush will send

	Event func(*proto.WatcherEvent) // called by Call for each; nil drops them
}

// ErrOver is the refusal of an expired session, or of a wrong password.
var ErrOver = errors.New("the server refuses the session")

// Dialer says how a client connects.
type Dialer struct {
	Wait     time.Duration // for the connection and each answer; 30 s when 0
	ReadOnly bool          // a server without a quorum will do
}

// Dial opens a session, or resumes that of old unless it is nil.
func Dial(addr string, timeout time.Duration, old *Client) (*Client, error) {
	return Dialer{}.Dial(addr, timeout, old)
}

// Dial opens a session, or resumes that of old unless it is nil. A session that is over is ErrOver.
func (d Dialer) Dial(addr string, timeout time.Duration, old *Client) (*Client, error) {
	if d.Wait == 0 {
		d.Wait = 30 * time.Second
	}
	nc, err := net.DialTimeout("tcp", addr, d.Wait)
	if err != nil {
		return nil, err
	}
	c := &Client{Conn: NewConn(nc), Wait: d.Wait}
	q := proto.ConnectRequest{TimeOut: int32(timeout.Milliseconds()), Passwd: make([]byte, 16), ReadOnly: d.ReadOnly}
	if old != nil {
		q.SessionID, q.Passwd, q.LastZxidSeen = old.ID, old.Passwd, old.Zxid
		c.Zxid, c.Xid = old.Zxid, old.Xid
	}
	if err := c.handshake(&q); err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) handshake(q *proto.ConnectRequest) error {
	c.extend()
	if err := c.Send(q); err != nil {
		return err
	}
	body, err := c.Next()
	if err != nil {
		return err
	}
	var p proto.ConnectResponse
	if err := jute.Unmarshal(body, &p); err != nil {
		return err
	}
	if p.TimeOut <= 0 {
		return ErrOver
	}
	c.ID, c.Passwd, c.ReadOnly = p.SessionID, p.Passwd, p.ReadOnly
	c.Timeout = time.Duration(p.TimeOut) * time.Millisecond
	return nil
}

func (c *Client) extend() { _ = c.SetDeadline(time.Now().Add(c.Wait)) }

// End closes the session. Close drops the connection, and the session lives on.
func (c *Client) End() error {
	err := c.Call(proto.OpCloseSession, nil, nil)
	c.Close()
	return err
}

// Queue prepares a request and returns its xid; Flush sends what is queued.
func (c *Client) Queue(op proto.Op, record jute.Record) (xid int32) {
	switch op {
	case proto.OpPing:
		xid = proto.XidPing
	case proto.OpAuth:
		xid = proto.XidAuth
	default:
		c.Xid++
		xid = c.Xid
	}
	c.Out = append(c.Out, Request(xid, op, record)...)
	return xid
}

// Flush sends what is queued.
func (c *Client) Flush() error {
	c.extend()
	_, err := c.Write(c.Out)
	c.Out = c.Out[:0]
	return err
}

// Reply is a reply, or a watch's event: then its Xid is proto.XidWatcherEvent.
type Reply struct {
	proto.ReplyHeader
	Body []byte
}

// Receive reads a reply or an event. A zxid that is older than an earlier one's is an error.
func (c *Client) Receive() (p Reply, err error) {
	body, err := c.Next()
	if err != nil {
		return p, err
	}
	d := jute.NewDecoder(body)
	p.ReplyHeader.Visit(d)
	if d.Err() != nil {
		return p, d.Err()
	}
	p.Body = d.Rest()
	if p.Zxid > 0 {
		if p.Zxid < c.Zxid {
			return p, fmt.Errorf("the reply of xid %d has zxid 0x%x after 0x%x", p.Xid, p.Zxid, c.Zxid)
		}
		c.Zxid = p.Zxid
	}
	return p, nil
}

// Call sends a request and reads up to its reply, which it decodes into a record unless that is nil. Events on the
// way go to c.Event, replies to earlier requests nowhere.
func (c *Client) Call(op proto.Op, request, into jute.Record) error {
	xid := c.Queue(op, request)
	if err := c.Flush(); err != nil {
		return err
	}
	for {
		p, err := c.Receive()
		switch {
		case err != nil:
			return err
		case p.Xid == proto.XidWatcherEvent && c.Event != nil:
			var e proto.WatcherEvent
			if err := jute.Unmarshal(p.Body, &e); err != nil {
				return err
			}
			c.Event(&e)
			continue
		case p.Xid != xid:
			continue
		case p.Err != 0:
			return p.Err
		case into != nil:
			return jute.Unmarshal(p.Body, into)
		}
		return nil
	}
}

// Create is the request to make a znode that is open to all.
func Create(path string, data []byte, mode proto.CreateMode) *proto.CreateRequest {
	return &proto.CreateRequest{Path: path, Data: data, ACL: proto.OpenACL, Flags: mode}
}

// Create makes an empty znode that is open to all.
func (c *Client) Create(path string, mode proto.CreateMode) error {
	return c.Call(proto.OpCreate, Create(path, nil, mode), nil)
}

// Exists returns proto.ErrNoNode if there is no znode.
func (c *Client) Exists(path string) error {
	return c.Call(proto.OpExists, &proto.PathWatchRequest{Path: path}, nil)
}

// Sync waits until the server has what its leader has.
func (c *Client) Sync() error {
	return c.Call(proto.OpSync, &proto.PathRequest{Path: "/"}, nil)
}
