package supervise

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// notifier reports to systemd (sd_notify(3)). A nil notifier does nothing.
type notifier struct {
	conn  net.Conn
	every time.Duration // in which systemd wants to hear that the supervisor is alive, halved; 0 for never
}

func isNotifyVariable(kv string) bool {
	name, _, _ := strings.Cut(kv, "=")
	return name == "NOTIFY_SOCKET" || name == "WATCHDOG_USEC" || name == "WATCHDOG_PID"
}

// newNotifier returns nil if nobody wants to be notified.
func newNotifier() (*notifier, error) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil, nil
	}
	// Go writes the first byte of an abstract address as @, as systemd does.
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return nil, err
	}
	n := &notifier{conn: conn}
	if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
			n.every = time.Duration(usec) * time.Microsecond / 2
		}
	}
	return n, nil
}

// send sends assignments, such as READY=1. Nobody is in a position to do anything about a failure.
func (n *notifier) send(assignments ...string) {
	if n == nil {
		return
	}
	for i, a := range assignments {
		assignments[i] = strings.ReplaceAll(a, "\n", " ")
	}
	_ = n.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = n.conn.Write([]byte(strings.Join(assignments, "\n")))
}

func (n *notifier) close() {
	if n != nil {
		_ = n.conn.Close()
	}
}
