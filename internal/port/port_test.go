package port

import (
	"errors"
	"net"
	"strconv"
	"testing"
)

func TestListen(t *testing.T) {
	free, err := Free()
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(free))
	ln, err := Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := Listen(addr); !errors.Is(err, ErrTaken) {
		t.Errorf("a taken port: %v", err)
	}
	if _, err := Listen("no such host.:1"); err == nil || errors.Is(err, ErrTaken) {
		t.Errorf("an address that is none: %v", err)
	}
}

// TestFreeIsReserved: a port is not given twice, even if nothing listens on it.
func TestFreeIsReserved(t *testing.T) {
	seen := map[int]bool{}
	for range maxMarks {
		free, err := Free()
		if err != nil {
			t.Fatal(err)
		}
		if seen[free] {
			t.Fatalf("port %d was given twice", free)
		}
		seen[free] = true
	}
	for free := range seen {
		if mark, err := net.ListenPacket("udp", net.JoinHostPort("127.0.0.1", strconv.Itoa(free))); err == nil {
			mark.Close()
			t.Fatalf("port %d is not reserved for other processes", free)
		}
		break
	}
}
