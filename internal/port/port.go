// Package port finds free ports and recognises taken ones.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
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
func Free() (int, error) {
	var last error
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("find a free port: %w", last)
}
