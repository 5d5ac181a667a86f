package conformance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// wire is a connection to a server that can send anything.
type wire struct{ wiretest.Conn }

// patience limits the wait for a reply.
const patience = 20 * time.Second

func dial(addr string) (*wire, error) {
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &wire{wiretest.NewConn(nc)}, nil
}

func (w *wire) write(b []byte) error {
	_ = w.SetWriteDeadline(time.Now().Add(patience))
	_, err := w.Write(b)
	return err
}

// errSilent means that the server sent nothing in time.
var errSilent = errors.New("silent")

// read returns the body of the next frame.
func (w *wire) read(wait time.Duration) ([]byte, error) {
	_ = w.SetReadDeadline(time.Now().Add(wait))
	body, err := w.Next()
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return nil, errSilent
	}
	return body, err
}

// request returns the frame of a request whose body may be anything.
func request(xid int32, op proto.Op, body []byte) []byte {
	return wiretest.Frame(append(jute.Marshal(&proto.RequestHeader{Xid: xid, Type: op}), body...))
}

// raw concatenates pieces of a body: int32, int64, bool, string, []byte, []string, proto.ACL
// lists, records. A nil []byte and a null{} are the length -1.
func raw(parts ...any) []byte {
	var out []byte
	for _, part := range parts {
		switch v := part.(type) {
		case int:
			out = binary.BigEndian.AppendUint32(out, uint32(int32(v)))
		case int32:
			out = binary.BigEndian.AppendUint32(out, uint32(v))
		case int64:
			out = binary.BigEndian.AppendUint64(out, uint64(v))
		case bool:
			if v {
				out = append(out, 1)
			} else {
				out = append(out, 0)
			}
		case null:
			out = append(out, 0xff, 0xff, 0xff, 0xff)
		case verbatim:
			out = append(out, v...)
		case string:
			out = binary.BigEndian.AppendUint32(out, uint32(len(v)))
			out = append(out, v...)
		case []byte:
			if v == nil {
				out = append(out, 0xff, 0xff, 0xff, 0xff)
				break
			}
			out = binary.BigEndian.AppendUint32(out, uint32(len(v)))
			out = append(out, v...)
		case []string:
			out = binary.BigEndian.AppendUint32(out, uint32(len(v)))
			for _, s := range v {
				out = append(out, raw(s)...)
			}
		case []proto.ACL:
			out = binary.BigEndian.AppendUint32(out, uint32(len(v)))
			for i := range v {
				out = append(out, jute.Marshal(&v[i])...)
			}
		case jute.Record:
			out = append(out, jute.Marshal(v)...)
		default:
			panic(fmt.Sprintf("raw: %T", part))
		}
	}
	return out
}

type null struct{}

// verbatim are bytes without a length.
type verbatim []byte
