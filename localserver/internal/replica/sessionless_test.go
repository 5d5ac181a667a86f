package replica

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// TestSessionlessTimeout: a connection that does not open a session is closed in time, however much
// of its first request has arrived; one with a session is not.
func TestSessionlessTimeout(t *testing.T) {
	const limit = 300 * time.Millisecond
	s := serveAlone(t, Options{Sessionless: limit})
	c := dial(t, s.addr)
	for _, sent := range [][]byte{nil, {0}, {0, 0, 0, 44, 1}, bytes.Repeat([]byte{0}, 4)} {
		nc, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if _, err := nc.Write(sent); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_ = nc.SetReadDeadline(began.Add(5 * time.Second))
		_, err = nc.Read(make([]byte, 1))
		if err == nil {
			t.Errorf("after %x: the server answers", sent)
		}
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Errorf("after %x: the connection is still open after %v", sent, time.Since(began))
		}
		if len(sent) < 4 && err == io.EOF && time.Since(began) < limit-50*time.Millisecond {
			t.Errorf("after %x: the connection was closed after %v", sent, time.Since(began))
		}
	}
	if _, _, err := c.Get(t.Context(), "/", false); err != nil {
		t.Errorf("a session that is older: %v", err)
	}
}
