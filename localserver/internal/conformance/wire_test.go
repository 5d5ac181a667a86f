package conformance

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

// wire is one connection to a server, on which anything can be sent.
type wire struct {
	nc net.Conn
	r  *bufio.Reader
}

// patience is how long a reply may take before a test gives up.
const patience = 20 * time.Second

func dial(addr string) (*wire, error) {
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &wire{nc, bufio.NewReader(nc)}, nil
}

// frame puts a length before a body.
func frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// request is a frame with a header of a request.
func request(xid int32, op proto.Op, body []byte) []byte {
	return frame(append(jute.Marshal(&proto.RequestHeader{Xid: xid, Type: op}), body...))
}

func (w *wire) write(b []byte) error {
	_ = w.nc.SetWriteDeadline(time.Now().Add(patience))
	_, err := w.nc.Write(b)
	return err
}

// errSilent tells that the server sent nothing in time.
var errSilent = errors.New("silent")

// read returns the body of the next frame.
func (w *wire) read(wait time.Duration) ([]byte, error) {
	_ = w.nc.SetReadDeadline(time.Now().Add(wait))
	var head [4]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return nil, errSilent
		}
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > 1<<26 {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(w.r, body)
	return body, err
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
