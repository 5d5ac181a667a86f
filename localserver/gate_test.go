package localserver

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// What arrives while the gate is closed comes out complete once it opens, whatever deadlines pass.
func TestGate(t *testing.T) {
	links := newLinks()
	g := newGate(1, links)
	near, far := net.Pipe()
	defer far.Close()
	c := newGateConn(near, g, 2)
	send := func(text string) {
		go func() { _, _ = io.WriteString(far, text) }()
	}
	read := func(n int) (string, error) {
		buf := make([]byte, n)
		n, err := io.ReadFull(c, buf)
		return string(buf[:n]), err
	}
	send("one")
	if got, err := read(3); got != "one" || err != nil {
		t.Fatal(got, err)
	}
	for name, shut := range map[string]func(bool){
		"pause": g.setPaused,
		"cut":   func(on bool) { links.set(func(cut map[[2]int64]bool) { cut[link(2, 1)] = on }) },
	} {
		shut(true)
		send("two")
		if err := c.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if got, err := read(3); !errors.Is(err, os.ErrDeadlineExceeded) || got != "" {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: write: %v", name, err)
		}
		if err := c.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go shut(false)
		if got, err := read(3); got != "two" || err != nil {
			t.Errorf("%s: once it is open: %q, %v", name, got, err)
		}
	}
	g.setPaused(true)
	go c.Close()
	if _, err := read(1); err == nil {
		t.Error("a closed connection is read from")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := g.Dial(ctx, "127.0.0.1:1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused member dials: %v", err)
	}
}

func FuzzStatus(f *testing.F) {
	f.Add("Zookeeper version: 3.8.4-x, built on y\nZxid: 0x100000003\nMode: leader\nConnections: 3\nNode count: 5\n", "zk_global_sessions\t3\nzk_watch_count\t1\n")
	f.Add("Mode: ", "zk_global_sessions\tNaN\n")
	f.Fuzz(func(t *testing.T, srvr, mntr string) {
		var s Status
		s.readSrvr(srvr)
		s.readMntr(mntr)
	})
}
