package logformatter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/proto"
)

// fields reads the fields of an encoded transaction in wire order, without copying. It is the
// formatters' hot path; internal/proto, which decodes the same bytes into records, defines the
// fields. Once a field is cut off, it and every further one read as zero.
type fields struct {
	b   []byte // what is left
	bad bool
	tty bool // see toolkitForm
}

var errCutOff = errors.New("the transaction's fields do not match its length")

func (f *fields) int() int32 {
	if len(f.b) < 4 {
		f.b, f.bad = nil, true
		return 0
	}
	v := int32(binary.BigEndian.Uint32(f.b))
	f.b = f.b[4:]
	return v
}

func (f *fields) long() int64 {
	if len(f.b) < 8 {
		f.b, f.bad = nil, true
		return 0
	}
	v := int64(binary.BigEndian.Uint64(f.b))
	f.b = f.b[8:]
	return v
}

func (f *fields) bool() bool {
	if len(f.b) < 1 {
		f.bad = true
		return false
	}
	v := f.b[0] != 0
	f.b = f.b[1:]
	return v
}

// buffer returns a buffer or a string; nil is null.
func (f *fields) buffer() []byte {
	n := f.int()
	if n == -1 || f.bad {
		return nil
	}
	if n < 0 || int(n) > len(f.b) {
		f.b, f.bad = nil, true
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}

// count returns the number of elements of a vector, each at least unit bytes long. Null is -1;
// any other negative number is an empty vector, as in Java's BinaryInputArchive.
func (f *fields) count(unit int) int {
	n := f.int()
	switch {
	case n == -1:
		return -1
	case n < 0:
		return 0
	case int64(n)*int64(unit) > int64(len(f.b)):
		f.b, f.bad = nil, true
		return 0
	}
	return int(n)
}

func (f *fields) err() error {
	if f.bad {
		return errCutOff
	}
	return nil
}

// header reads the transaction's header.
func (f *fields) header() (h proto.TxnHeader) {
	h.ClientID = f.long()
	h.Cxid = f.int()
	h.Zxid = f.long()
	h.Time = f.long()
	h.Type = proto.Op(f.int())
	return h
}

// closedPaths returns the number of paths in a closeSession, or -1 if it has no body: in a log of
// 3.5 or earlier, or with nothing but a digest after the header.
func (f *fields) closedPaths() int {
	const digest = 12
	probe := *f
	if len(f.b) == digest && binary.BigEndian.Uint32(f.b) == uint32(proto.DigestVersion) {
		return -1
	}
	n := probe.count(4)
	for i := 0; i < n && !probe.bad; i++ {
		probe.buffer()
	}
	if probe.bad {
		return -1
	}
	return max(f.count(4), 0)
}

func unsupported(op proto.Op) error {
	return fmt.Errorf("unknown transaction type %d", int32(op))
}

// eachPart calls visit with each path of the encoded transaction and the type of the change to
// it, including the parts of a multi (which also comes as itself) and the ephemerals of a
// closeSession, until visit returns true. path is nil for what concerns no znode.
func eachPart(raw []byte, visit func(op proto.Op, path []byte) bool) bool {
	f := fields{b: raw}
	h := f.header()
	switch h.Type {
	case proto.OpMulti:
		if visit(proto.OpMulti, nil) {
			return true
		}
		n := f.count(8)
		for i := 0; i < n && !f.bad; i++ {
			op := proto.Op(f.int())
			part := fields{b: f.buffer()}
			var path []byte
			if op.HasPath() {
				path = part.buffer()
			}
			if !f.bad && !part.bad && (visit(op, path) || path != nil && visit(proto.OpMulti, path)) {
				return true
			}
		}
		return false
	case proto.OpCloseSession:
		n := f.closedPaths()
		for i := 0; i < n && !f.bad; i++ {
			if path := f.buffer(); !f.bad && visit(h.Type, path) {
				return true
			}
		}
		return n <= 0 && visit(h.Type, nil)
	}
	var path []byte
	if h.Type.HasPath() {
		path = f.buffer()
	}
	return !f.bad && visit(h.Type, path)
}
