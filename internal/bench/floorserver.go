package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/zkctl/zkctl/internal/proto"
)

// The floors are what no server can beat on this machine: processes that read the same frames from the same clients and do
// nothing else that a server does. They have no sessions, watches, ACLs, versions or statistics.
const (
	echoArg    = "-echo-child"    // echoArg PORT: answers from memory
	journalArg = "-journal-child" // journalArg PORT FILE [FOLLOWER...]: writes go to a file first, and to followers
	followArg  = "-follow-child"  // followArg PORT FILE: a follower of such a journal
)

// floorChild runs the process that argv names.
func floorChild(argv []string) int {
	var err error
	switch {
	case argv[0] == followArg && len(argv) == 3:
		err = follow(argv[1], argv[2])
	case argv[0] == echoArg && len(argv) == 2:
		err = serveFloor(argv[1], nil)
	case argv[0] == journalArg && len(argv) > 2:
		var j *journal
		if j, err = openJournal(argv[2], argv[3:]); err == nil {
			err = serveFloor(argv[1], j)
		}
	default:
		err = fmt.Errorf("unexpected arguments %s", strings.Join(argv, " "))
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	return 1
}

// floorServer answers the requests of internal/load's clients.
type floorServer struct {
	journal *journal // nil if writes stay in memory

	mu     sync.RWMutex
	znodes map[string][]byte
}

// floorConn is a client's connection. Its reader answers reads, and the journal writes.
type floorConn struct {
	net.Conn
	out []byte // the journal's, or the reader's if there is none
}

func serveFloor(port string, j *journal) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	s := &floorServer{journal: j, znodes: map[string][]byte{"/": nil}}
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer nc.Close()
			_ = s.serve(&floorConn{Conn: nc}) // the client is gone
		}()
	}
}

// frames reads frames into one buffer.
type frames struct {
	r   *bufio.Reader
	buf []byte
}

func readFrames(r io.Reader) *frames { return &frames{r: bufio.NewReaderSize(r, 64<<10)} }

// next returns a frame's body, which is valid until the next call.
func (f *frames) next() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > 1<<20 {
		return nil, errors.New("the frame is too long")
	}
	if cap(f.buf) < n {
		f.buf = make([]byte, n)
	}
	_, err := io.ReadFull(f.r, f.buf[:n])
	return f.buf[:n], err
}

// more reports whether a whole frame has arrived.
func (f *frames) more() bool {
	if f.r.Buffered() < 4 {
		return false
	}
	head, _ := f.r.Peek(4)
	return f.r.Buffered() >= 4+int(binary.BigEndian.Uint32(head))
}

func (s *floorServer) serve(c *floorConn) error {
	in := readFrames(c)
	if _, err := in.next(); err != nil {
		return err
	}
	// protocol version, timeout, session, password, read-only
	welcome := binary.BigEndian.AppendUint32(nil, 0)
	welcome = binary.BigEndian.AppendUint32(welcome, 30_000)
	welcome = binary.BigEndian.AppendUint64(welcome, 1)
	welcome = append(binary.BigEndian.AppendUint32(welcome, 16), make([]byte, 16+1)...)
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(welcome))), welcome...)); err != nil {
		return err
	}
	var replies []byte
	for {
		body, err := in.next()
		if err != nil {
			return err
		}
		if len(body) < 8 {
			return errors.New("the request is too short")
		}
		xid, op := binary.BigEndian.Uint32(body), proto.Op(binary.BigEndian.Uint32(body[4:]))
		rest := body[8:]
		switch op {
		case proto.OpGetData:
			path, _, ok := cutField(rest)
			if !ok {
				return errors.New("the request is too short")
			}
			s.mu.RLock()
			data := s.znodes[string(path)]
			s.mu.RUnlock()
			replies = appendReply(replies, xid, 4+len(data)+proto.StatSize)
			replies = binary.BigEndian.AppendUint32(replies, uint32(len(data)))
			replies = append(append(replies, data...), emptyStat...)
		case proto.OpSetData, proto.OpCreate:
			if s.journal != nil {
				s.journal.add(c, xid, rest)
				break
			}
			path, rest, _ := cutField(rest)
			data, _, ok := cutField(rest)
			if !ok {
				return errors.New("the request is too short")
			}
			s.mu.Lock()
			s.znodes[string(path)] = append([]byte(nil), data...)
			s.mu.Unlock()
			replies = append(appendReply(replies, xid, proto.StatSize), emptyStat...)
		default: // a ping, or the end of a session
			replies = appendReply(replies, xid, 0)
		}
		if len(replies) > 0 && (!in.more() || len(replies) > 64<<10) {
			if _, err := c.Write(replies); err != nil {
				return err
			}
			replies = replies[:0]
		}
	}
}

var emptyStat = make([]byte, proto.StatSize)

// cutField returns the string or buffer at the start of a record, and what follows.
func cutField(b []byte) (field, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := int(int32(binary.BigEndian.Uint32(b)))
	if n < 0 || n > len(b)-4 {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}

// appendReply adds the length and the header of a reply with a record of size bytes.
func appendReply(b []byte, xid uint32, size int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(16+size))
	b = binary.BigEndian.AppendUint32(b, xid)
	b = binary.BigEndian.AppendUint64(b, 1)    // zxid
	return binary.BigEndian.AppendUint32(b, 0) // no error
}
