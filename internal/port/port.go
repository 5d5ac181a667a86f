// Package port finds free ports and recognises taken ones.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// ErrTaken means that somebody else listens on the port.
var ErrTaken = errors.New("port already in use")

// Listen is net.Listen for TCP; if the port is taken, its error is ErrTaken for errors.Is.
func Listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, errAddrInUse) {
		err = taken{err}
	}
	return ln, err
}

// taken is a system error that is ErrTaken.
type taken struct{ error }

func (t taken) Is(target error) bool { return target == ErrTaken }
func (t taken) Unwrap() error        { return t.error }

// Free finds a free port on 127.0.0.1, below the range that systems use for outgoing connections
// (Linux: from 32768). In that range a client that keeps dialling a stopped server can be given
// the server's port as its own and connect to itself, and then the server cannot restart.
//
// The port is reserved for this process: until the process ends, or has asked for many more, Free
// gives it to nobody else, here or in another process, whether anything listens on it or not. So
// what still dials a stopped server does not reach a stranger's.
func Free() (int, error) {
	var last error
	for range 100 {
		port := 20000 + rand.IntN(12000)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		mark, err := net.ListenPacket("udp", addr)
		if err != nil {
			last = err
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			mark.Close()
			last = err
			continue
		}
		marks.keep(mark)
		return port, l.Close()
	}
	return 0, fmt.Errorf("find a free port: %w", last)
}

// marks are the reservations of this process. A reservation is the UDP port of the same number,
// which needs no file, and ends with the process on every system.
var marks reservations

// maxMarks bounds the descriptors that reservations take.
const maxMarks = 256

type reservations struct {
	mu    sync.Mutex
	conns []net.PacketConn // oldest first
}

func (r *reservations) keep(conn net.PacketConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.conns) == maxMarks {
		r.conns[0].Close()
		r.conns = r.conns[1:]
	}
	r.conns = append(r.conns, conn)
}
