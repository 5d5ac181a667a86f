// Package wiretest speaks ZooKeeper's client protocol frame by frame, for tests and benchmarks: a Client decides
// itself when it sends, when it reads and where it resumes its session; a Peer answers a client as a test says.
package wiretest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

// maxFrame bounds what is allocated for a frame that a peer announces.
const maxFrame = 64 << 20

// Conn is a connection that carries frames.
type Conn struct {
	net.Conn
	R *bufio.Reader // all that is read of the connection is read through it
}

// NewConn carries frames over a connection from which nothing has been read.
func NewConn(nc net.Conn) Conn { return Conn{nc, bufio.NewReaderSize(nc, 16<<10)} }

// Frame is a body after its length.
func Frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// Marshal is a frame of records; those that are nil are left out.
func Marshal(records ...jute.Record) []byte {
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

// Request is a frame of a request; its record may be nil.
func Request(xid int32, op proto.Op, record jute.Record) []byte {
	return Marshal(&proto.RequestHeader{Xid: xid, Type: op}, record)
}

// Send writes a frame of records.
func (c Conn) Send(records ...jute.Record) error {
	_, err := c.Write(Marshal(records...))
	return err
}

// Next returns the body of the next frame.
func (c Conn) Next() ([]byte, error) {
	body, err := c.View()
	return bytes.Clone(body), err
}

// View returns the body of the next frame, valid until the one after it is read.
func (c Conn) View() ([]byte, error) {
	head, err := c.R.Peek(4)
	if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head))
	if n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	_, _ = c.R.Discard(4)
	if n <= c.R.Size() {
		body, err := c.R.Peek(n)
		_, _ = c.R.Discard(len(body))
		return body, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(c.R, body)
	return body, err
}
