// Package porttest has servers for tests that answer as the test says.
package porttest

import "net"

// TB is what Serve needs of a testing.TB.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(f func())
}

// Serve listens on loopback until the test ends. answer gets each connection on its own goroutine; when it
// returns, the connection is closed.
func Serve(t TB, answer func(net.Conn)) (addr string) {
	t.Helper()
	return ServeEach(t, func(_ int, c net.Conn) { answer(c) })
}

// ServeEach is Serve; it numbers the connections from 0.
func ServeEach(t TB, answer func(n int, c net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(n, c)
			}()
		}
	}()
	return l.Addr().String()
}
