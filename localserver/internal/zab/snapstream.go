package zab

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// snapshotStream reads a snapshot from a stream of packets, and returns io.EOF at its end, which
// only its structure reveals (SerializeUtils.serializeSnapshot): sessions, the table of ACLs, and
// znodes up to the path "/".
type snapshotStream struct {
	r    *bufio.Reader
	max  int // of a string or a znode's data
	head []byte
	bulk int64 // bytes to pass on unchanged, after head
	next func(*snapshotStream) error
	err  error
	acls int32 // remaining tables
	ids  int32 // remaining ACLs of the current one
}

func newSnapshotStream(r *bufio.Reader, max int) *snapshotStream {
	return &snapshotStream{r: r, max: max, next: (*snapshotStream).sessions}
}

const (
	sessionSize = 8 + 4
	statSize    = 4*8 + 3*4 + 2*8 // StatPersisted
	maxSessions = 1 << 26
)

// Read implements io.Reader.
func (s *snapshotStream) Read(p []byte) (int, error) {
	for {
		switch {
		case s.err != nil:
			return 0, s.err
		case len(p) == 0:
			return 0, nil
		case len(s.head) > 0:
			n := copy(p, s.head)
			s.head = s.head[n:]
			return n, nil
		case s.bulk > 0:
			n, err := s.r.Read(p[:min(int64(len(p)), s.bulk)])
			s.bulk -= int64(n)
			if err != nil {
				s.err = noEOF(err)
			}
			if n > 0 {
				return n, nil
			}
		case s.next == nil:
			s.err = io.EOF
		default:
			s.err = s.next(s)
		}
	}
}

// take appends the next n bytes to head and returns them.
func (s *snapshotStream) take(n int) ([]byte, error) {
	at := len(s.head)
	s.head = append(s.head, make([]byte, n)...)
	if _, err := io.ReadFull(s.r, s.head[at:]); err != nil {
		return nil, fmt.Errorf("read the leader's snapshot: %w", noEOF(err))
	}
	return s.head[at:], nil
}

// count reads a count or a length; -1 is null.
func (s *snapshotStream) count(most int, what string) (int32, error) {
	b, err := s.take(4)
	if err != nil {
		return 0, err
	}
	n := int32(binary.BigEndian.Uint32(b))
	if n < -1 || int(n) > most {
		return 0, fmt.Errorf("read the leader's snapshot: %w: %s %d, expected at most %d", errPacket, what, n, most)
	}
	return max(n, 0), nil
}

func (s *snapshotStream) sessions() error {
	n, err := s.count(maxSessions, "sessions:")
	s.bulk = int64(n) * sessionSize
	s.next = (*snapshotStream).tables
	return err
}

func (s *snapshotStream) tables() (err error) {
	s.acls, err = s.count(1<<30, "ACLs:")
	s.next = (*snapshotStream).table
	return err
}

// table reads the head of one ACL list, or moves on to the znodes.
func (s *snapshotStream) table() (err error) {
	if s.acls == 0 {
		s.next = (*snapshotStream).node
		return nil
	}
	s.acls--
	if _, err := s.take(8); err != nil {
		return err
	}
	s.ids, err = s.count(s.max, "entries of an ACL:")
	s.next = (*snapshotStream).scheme
	return err
}

func (s *snapshotStream) scheme() error {
	if s.ids == 0 {
		s.next = (*snapshotStream).table
		return nil
	}
	s.ids--
	if _, err := s.take(4); err != nil { // permissions
		return err
	}
	n, err := s.count(s.max, "length")
	s.bulk, s.next = int64(n), (*snapshotStream).id
	return err
}

func (s *snapshotStream) id() error {
	n, err := s.count(s.max, "length")
	s.bulk, s.next = int64(n), (*snapshotStream).scheme
	return err
}

func (s *snapshotStream) node() error {
	n, err := s.count(s.max, "length")
	if err != nil {
		return err
	}
	if n == 1 {
		b, err := s.take(1)
		if err != nil {
			return err
		}
		if b[0] == '/' {
			s.next = nil
			return nil
		}
		n = 0
	}
	s.bulk, s.next = int64(n), (*snapshotStream).data
	return nil
}

func (s *snapshotStream) data() error {
	n, err := s.count(s.max, "length")
	s.bulk, s.next = int64(n)+8+statSize, (*snapshotStream).node
	return err
}
