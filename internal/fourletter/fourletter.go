// Package fourletter asks servers for four-letter words, such as srvr, mntr and ruok.
package fourletter

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Words holds all four-letter words of ZooKeeper 3.8, sorted.
var Words = []string{
	"conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro",
	"mntr", "ruok", "srst", "srvr", "stat", "stmk", "wchc", "wchp", "wchs",
}

// NotServing is the reply of a server without a role, followed by a line feed, to all words but envi, gtmk, hash,
// isro, ruok and stmk (AbstractFourLetterCommand.ZK_NOT_SERVING).
const NotServing = "This ZooKeeper instance is not currently serving requests"

// NotWhitelisted is the reply, followed by a line feed, to a word that 4lw.commands.whitelist does not enable (NopCommand).
func NotWhitelisted(word string) string {
	return word + " is not executed because it is not in the whitelist."
}

const (
	// MaxReply is the longest reply that Ask accepts, in bytes. The listings of a server with a million watches fit.
	MaxReply = 64 << 20

	// Patience limits an Ask whose context has no deadline.
	Patience = time.Minute
)

// ErrTooLong is wrapped by the error for a reply longer than MaxReply.
var ErrTooLong = errors.New("reply too long")

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// TLS returns a Dial for secure client ports.
func TLS(cfg *tls.Config) Dial {
	return (&tls.Dialer{Config: cfg}).DialContext
}

// Ask sends the word to the server at addr (host:port) and returns the reply, at most MaxReply bytes. dial is nil
// for plain TCP.
//
// Ask returns when ctx ends, even if the server is silent or never stops sending. A reply cut off
// by then is an error; one that the server ends with a reset is not, because servers reset
// connections that they close with unread input. An empty reply is possible, from a port that
// expects TLS or for an unknown word.
func Ask(ctx context.Context, dial Dial, addr, word string) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, Patience)
		defer cancel()
	}
	reply, err := ask(ctx, dial, addr, word)
	if ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s for %s: %w", addr, word, err)
	}
	return reply, nil
}

func ask(ctx context.Context, dial Dial, addr, word string) ([]byte, error) {
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: -1}).DialContext // the connection is short, and saves what keeping it alive costs
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if local, ok := conn.LocalAddr().(*net.TCPAddr); ok && local.String() == conn.RemoteAddr().String() {
		// Nobody listens, and the system chose addr's port for this end: Ask would read its own
		// word.
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: conn.RemoteAddr(), Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(conn, word); err != nil {
		return nil, err
	}
	reply, err := readAll(conn)
	switch {
	case len(reply) > MaxReply:
		return nil, fmt.Errorf("%w: over %d MiB", ErrTooLong, MaxReply>>20)
	case err != nil && (len(reply) == 0 || ctx.Err() != nil):
		return nil, err
	}
	return reply, nil
}

// buffers are for replies: whoever asks every second asks for the same again.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const (
	minBuffer = 4 << 10 // most replies fit
	maxPooled = 1 << 20
)

// Free lets a later Ask use the memory of a reply. Whoever calls it keeps nothing of the reply; nobody has to call it.
func Free(reply []byte) {
	if cap(reply) <= maxPooled {
		buffers.Put(&reply)
	}
}

// readAll reads up to a byte more than MaxReply.
func readAll(conn io.Reader) ([]byte, error) {
	reply := (*buffers.Get().(*[]byte))[:0]
	for {
		if len(reply) == cap(reply) {
			reply = append(make([]byte, 0, max(minBuffer, 2*cap(reply))), reply...)
		}
		n, err := conn.Read(reply[len(reply):min(cap(reply), MaxReply+1)])
		reply = reply[:len(reply)+n]
		switch {
		case errors.Is(err, io.EOF):
			return reply, nil
		case err != nil || len(reply) > MaxReply:
			return reply, err
		}
	}
}
