package zab

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

func TestInitialMessageOnTheWire(t *testing.T) {
	// Protocol version, id, length of the addresses (QuorumCnxManager.startConnection).
	one := "ffffffffffff0000" + "0000000000000003" + "0000000e" + hex.EncodeToString([]byte("127.0.0.1:3888"))
	two := "ffffffffffff0001" + "0000000000000003" + "0000000f" + hex.EncodeToString([]byte("a:3888|[::1]:39"))
	if got := hex.EncodeToString(encodeInitialMessage(3, "127.0.0.1:3888")); got != one {
		t.Errorf("one address: %s; want %s", got, one)
	}
	if got := hex.EncodeToString(encodeInitialMessage(3, "a:3888|[::1]:39")); got != two {
		t.Errorf("two addresses: %s; want %s", got, two)
	}
	text := func(addrs string) string { return hex.EncodeToString(encodeInitialMessage(3, addrs)) }
	tests := []struct {
		name, wire string
		sid        int64
		addrs      []string
		err        string
	}{
		{"one address", one, 3, []string{"127.0.0.1:3888"}, ""},
		{"two addresses", two, 3, []string{"a:3888", "[::1]:39"}, ""},
		{"everywhere", text("0.0.0.0:3888|[::]:3888"), 3, nil, ""},
		{"before 3.5", "0000000000000003", 3, nil, ""},
		{"another version", "fffffffffffe0000", 0, nil, "unrecognized protocol version -131072"},
		{"cut", one[:40], 0, nil, "read the addresses of server 3"},
		{"no port", text("host"), 0, nil, "Badly formed address"},
		{"no host", text(":1"), 0, nil, "Badly formed address"},
		{"no number", text("a:b"), 0, nil, "Bad port number"},
		{"a large port", text("a:65536"), 0, nil, "Bad port number"},
	}
	for _, test := range tests {
		wire, err := hex.DecodeString(test.wire)
		if err != nil {
			t.Fatal(err)
		}
		sid, addrs, err := readInitialMessage(bytes.NewReader(wire))
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v; want %q", test.name, err, test.err)
			}
		} else if err != nil || sid != test.sid || !slices.Equal(addrs, test.addrs) {
			t.Errorf("%s: %d, %v, %v; want %d, %v", test.name, sid, addrs, err, test.sid, test.addrs)
		}
	}
}

func FuzzElectionStream(f *testing.F) {
	n := (&notification{ballot: ballot{Vote: Vote{ID: 1}}}).encode()
	f.Add(append(append(encodeInitialMessage(3, "a:1"), 0, 0, 0, byte(len(n))), n...))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 7, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		if _, _, err := readInitialMessage(r); err != nil {
			return
		}
		for {
			at := len(b) - r.Len()
			msg, err := readElectionPacket(r)
			if err != nil {
				return
			}
			if got := b[at+4 : len(b)-r.Len()]; !bytes.Equal(got, msg) {
				t.Fatalf("a packet of %x was read as %x", got, msg)
			}
			_, _ = decodeNotification(1, msg)
		}
	})
}
