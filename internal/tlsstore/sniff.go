package tlsstore

import (
	"bufio"
	"net"
)

// Sniff waits for the first byte of a connection, and reports whether a TLS handshake begins with it. The
// connection that it returns still has the byte. (UnifiedServerSocket)
func Sniff(nc net.Conn) (conn net.Conn, secure bool, err error) {
	r := bufio.NewReaderSize(nc, 16)
	head, err := r.Peek(1)
	if err != nil {
		return nil, false, err
	}
	return &sniffed{nc, r}, head[0] == 0x16, nil // the record type of a handshake
}

// sniffed is a connection whose first bytes have already been read.
type sniffed struct {
	net.Conn
	r *bufio.Reader
}

func (c *sniffed) Read(p []byte) (int, error) { return c.r.Read(p) }
