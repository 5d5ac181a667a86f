package zab

import (
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestElectionOutlivesBadMessages sends a member what no server sends; it hangs up, and elects
// all the same.
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
					_ = conn.Close() // else the first waits for the rest, and the last is only logged
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
