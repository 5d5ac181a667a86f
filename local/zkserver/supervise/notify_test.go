//go:build unix

package supervise

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNotify: systemd hears that the server serves, that the supervisor lives, and that it ends; the server hears nothing of
// systemd.
func TestNotify(t *testing.T) {
	dir, err := os.MkdirTemp("", "notify") // short: the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "s"))
	t.Setenv("WATCHDOG_USEC", "100000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	for _, kv := range environment() {
		if strings.HasPrefix(kv, "NOTIFY_") || strings.HasPrefix(kv, "WATCHDOG_") {
			t.Errorf("the server gets %s", kv)
		}
	}
	file, addr := config(t, "")
	opt := quick(file)
	opt.engine = fakeEngine{"serves", addr}
	s := supervise(t, opt)
	heard := func(want ...string) {
		t.Helper()
		buf := make([]byte, 4<<10)
		for _, want := range want {
			for {
				_ = socket.SetReadDeadline(time.Now().Add(30 * time.Second))
				n, err := socket.Read(buf)
				if err != nil {
					t.Fatalf("no %s: %v", want, err)
				}
				got := string(buf[:n])
				if got == "READY=1" && want == "STATUS=starting" {
					t.Error("it is ready before the server serves")
				}
				if strings.HasPrefix(got, want) {
					break
				}
			}
		}
	}
	heard("STATUS=starting", "STATUS=serving: standalone at "+addr, "READY=1", "WATCHDOG=1", "WATCHDOG=1")
	s.stop()
	heard("STOPPING=1", "STATUS=stopping", "STATUS=down")
}
