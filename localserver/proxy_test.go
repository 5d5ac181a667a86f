package localserver

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/zkctl/zkctl/localserver/internal/socks"
)

// askProxy sends a SOCKS request for an IPv4 address, and returns the code of the answer.
func askProxy(t *testing.T, p *socks.Proxy, command byte, to *net.TCPAddr) (c *net.TCPConn, code func() byte) {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, p.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	request := append([]byte{5, 1, 0, 5, command, 0, 1}, to.IP.To4()...)
	if _, err := c.Write(append(request, byte(to.Port>>8), byte(to.Port))); err != nil {
		t.Fatal(err)
	}
	return c, func() byte {
		t.Helper()
		var answer [2 + 10]byte
		if _, err := io.ReadFull(c, answer[:]); err != nil {
			t.Fatal(err)
		}
		return answer[3]
	}
}

func TestProxy(t *testing.T) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := ln.Addr().(*net.TCPAddr)
	links := newLinks()
	links.place(2, addr.String())
	p, err := socks.Start(newGate(1, links).Dial)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	cut := func(on bool) { links.set(func(cut map[[2]int64]bool) { cut[link(1, 2)] = on }) }

	// A connection over a cut link waits until the link is restored.
	cut(true)
	c, code := askProxy(t, p, 1, addr)
	_ = ln.SetDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := ln.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a connection over a link that is cut: %v", err)
	}
	_ = ln.SetDeadline(time.Time{})
	cut(false)
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if got := code(); got != 0 {
		t.Fatalf("the proxy answers %d", got)
	}

	// Nothing arrives then, not even the end.
	cut(true)
	if _, err := c.Write([]byte("later")); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = far.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if got, err := io.ReadAll(far); len(got) > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("over a link that is cut comes %q, %v", got, err)
	}
	_ = far.SetReadDeadline(time.Time{})
	cut(false)
	if got, err := io.ReadAll(far); string(got) != "later" || err != nil {
		t.Errorf("%q, %v", got, err)
	}

	if _, code := askProxy(t, p, 3, &net.TCPAddr{IP: net.IPv4zero}); code() == 0 {
		t.Error("the proxy listens for UDP")
	}

	// It ends while a connection waits for a link.
	cut(true)
	askProxy(t, p, 1, addr)
	p.Close()
}
