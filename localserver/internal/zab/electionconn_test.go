package zab

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// TestElectionOutlivesBadMessages sends a member what no server sends; it hangs up, and still
// elects.
func TestElectionOutlivesBadMessages(t *testing.T) {
	view := inMemory(t, 3, 0)
	hello := func(sid int64) []byte { return encodeInitialMessage(sid, "m3:3888") }
	packet := func(n int32, body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(hello(3), uint32(n)), body...)
	}
	good := (&notification{ballot: ballot{Vote: Vote{1, 0, 1, 0}}}).encode()
	state9 := append([]byte{0, 0, 0, 9}, good[4:]...)
	tests := []struct {
		name string
		sent []byte
	}{
		{"nothing", nil},
		{"a version alone", hello(3)[:8]},
		{"an unknown version", []byte("\xff\xff\xff\xff\xff\xfe\x00\x00")},
		{"another protocol", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"no addresses", append(hello(3)[:16:16], 0, 0, 0, 0)},
		{"endless addresses", append(hello(3)[:16:16], 0x7f, 0xff, 0xff, 0xff)},
		{"negative addresses", append(hello(3)[:16:16], 0xff, 0xff, 0xff, 0xff)},
		{"an address without a port", encodeInitialMessage(3, "m3")},
		{"our own id", hello(2)},
		{"a packet of length 0", packet(0)},
		{"a negative packet", packet(-1)},
		{"a huge packet", packet(maxElectionPacket + 1)},
		{"a cut packet", packet(maxElectionPacket, good...)},
		{"a short notification", packet(27, good[:27]...)},
		{"a cut notification", packet(39, good[:39]...)},
		{"a state that is none", packet(int32(len(state9)), state9...)},
		{"a negative configuration", packet(44, append(good[:40:40], 0xff, 0xff, 0xff, 0xff)...)},
		{"a configuration that is none", packet(47, append(good[:40:40], 0, 0, 0, 3, 'a', 'b', 'c')...)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := NewMemory(1, 0, time.Millisecond)
				two := newElection(t, electionOptions(2, network.Host("m2"), view, testLog{t, "2"}))
				defer two.Close()
				conn, err := network.Host("m3").Dial(t.Context(), "m2:3888")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Write(test.sent); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(test.name, "cut packet") || strings.Contains(test.name, "that is none") {
					_ = conn.Close() // otherwise the first waits for the rest, and the last is only logged
				} else if n, err := io.Copy(io.Discard, conn); err != nil || n != 0 {
					t.Errorf("%d bytes and %v until the member hung up", n, err)
				}
				_ = conn.Close()
				one := newElection(t, electionOptions(1, network.Host("m1"), view, testLog{t, "1"}))
				defer one.Close()
				for id, o := range lookAll(t.Context(), map[*Election]Vote{one: {}, two: {}}) {
					if o.err != nil || o.vote.ID != 2 {
						t.Errorf("server %d: %+v; want leader 2", id, o)
					}
				}
			})
		})
	}
}

// TestLargerIDConnects checks the rule for connections: the smaller id only calls.
func TestLargerIDConnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewMemory(1, 0, time.Millisecond)
		view := inMemory(t, 3, 0)
		two := newElection(t, electionOptions(2, network.Host("m2"), view, silent{}))
		defer two.Close()
		l, err := network.Host("m3").Listen("m3:3888")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _, _, _ = two.Look(ctx, Vote{Zxid: 4}) }()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close() // it must not be called again
		called, err := io.ReadAll(conn)
		if want := encodeInitialMessage(2, "m2:3888"); err != nil || !bytes.Equal(called, want) {
			t.Errorf("the smaller server said %x, %v; want %x and the end", called, err, want)
		}

		// The callback gets the vote, and so does the next connection, which replaces it.
		for range 2 {
			conn, err = network.Host("m3").Dial(ctx, "m2:3888")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write(encodeInitialMessage(3, "m3:3888")); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // before Look sends it again
			msg, err := readElectionPacket(conn)
			if err != nil {
				t.Fatal(err)
			}
			n, err := decodeNotification(2, msg)
			if want := (Vote{2, 4, 1, 0}); err != nil || n.Vote != want || n.state != Looking {
				t.Errorf("the vote is %+v, %v; want %+v", n, err, want)
			}
		}
	})
}

// In TestStrangerIsCalledBack, a server with a small id joins that no other knows.
func TestStrangerIsCalledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewMemory(1, 0, time.Millisecond)
		old := parseView(t, "server.2=m2:1:3888\nserver.3=m3:1:3888\nversion=0")
		withIt := parseView(t, "server.1=m1:1:3888:observer\nserver.2=m2:1:3888\nserver.3=m3:1:3888\nversion=0")
		joining := electionOptions(1, network.Host("m1"), withIt, silent{})
		joining.Observer = func() bool { return false }
		own := map[*Election]Vote{}
		for _, opt := range []ElectionOptions{joining,
			electionOptions(2, network.Host("m2"), old, silent{}), electionOptions(3, network.Host("m3"), old, silent{})} {
			e := newElection(t, opt)
			defer e.Close()
			own[e] = Vote{}
		}
		for id, o := range lookAll(t.Context(), own) {
			if o.err != nil || o.vote.ID != 3 || (o.state == Leading) != (id == 3) {
				t.Errorf("server %d: %+v; want leader 3", id, o)
			}
		}
	})
}

// TestNewerConfigRestarts gives a looking server a newer configuration, which contains its leader
// and a second address for it.
func TestNewerConfigRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewMemory(1, 0, time.Millisecond)
		old := parseView(t, "server.1=m1:1:3888\nserver.2=m2:1:3888\nserver.4=m4:1:3888\nversion=0")
		newer := parseView(t, "server.1=m1:1:3888|m1:2:3999\nserver.2=m2:1:3888\nserver.3=m3:1:3888\nversion=100000005")
		var view atomic.Value
		view.Store(old)
		opt := electionOptions(1, network.Host("m1"), old, testLog{t, "1"})
		opt.Views = func() (View, View) { return view.Load().(View), nil }
		opt.NewerConfig = func(v zoocfg.QuorumVerifier) bool {
			if v.String() != newer.String() {
				t.Errorf("told of %s; want %s", v, newer)
			}
			view.Store(v)
			return true
		}
		own := map[*Election]Vote{}
		for _, opt := range []ElectionOptions{opt, electionOptions(3, network.Host("m3"), newer, testLog{t, "3"})} {
			e := newElection(t, opt)
			defer e.Close()
			own[e] = Vote{}
		}
		for id, o := range lookAll(t.Context(), own) {
			if o.err != nil || o.vote.ID != 3 {
				t.Errorf("server %d: %+v; want leader 3", id, o)
			}
		}
		conn, err := network.Host("m3").Dial(t.Context(), "m1:3999")
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
}
