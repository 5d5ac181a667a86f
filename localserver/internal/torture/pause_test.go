//go:build unix

package torture

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// TestPause suspends a server's process for longer than one session's timeout and shorter than
// another's. As with Apache ZooKeeper, the first has expired when the process continues: nobody
// knows whether its client was alive.
func TestPause(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		c := startChild(t, childOptions{Properties: map[string]string{"tickTime": "250", "maxSessionTimeout": "60000"}})
		testPause(t, c.addr, func() error { return c.cmd.Process.Signal(syscall.SIGSTOP) }, func() error { return c.cmd.Process.Signal(syscall.SIGCONT) })
	})
	t.Run("Apache", func(t *testing.T) {
		t.Parallel()
		s := apachetest.Test(t, apache.Options{TickTime: 250 * time.Millisecond, MaxSessionTimeout: time.Minute})
		testPause(t, s.Addr(), s.Pause, s.Resume)
	})
}

func testPause(t *testing.T, addr string, pause, resume func() error) {
	t.Helper()
	long, err := wiretest.Dial(addr, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { long.Close() }()
	short, err := wiretest.Dial(addr, time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer short.Close()
	for path, w := range map[string]*wiretest.Client{"/long": long, "/short": short} {
		if err := w.Call(proto.OpCreate, wiretest.Create(path, nil, proto.Ephemeral), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := pause(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	if err := resume(); err != nil {
		t.Fatal(err)
	}
	await.That(t, patience, "the ephemeral of the session with the short timeout is gone", func() bool {
		return long.Call(proto.OpExists, &proto.PathWatchRequest{Path: "/short"}, nil) == proto.ErrNoNode
	})
	if err := long.Call(proto.OpExists, &proto.PathWatchRequest{Path: "/long"}, nil); err != nil {
		t.Errorf("the session with the long timeout has lost its ephemeral: %v", err)
	}
	if w, err := wiretest.Dial(addr, time.Second, short); !errors.Is(err, wiretest.ErrOver) {
		if err == nil {
			w.Close()
		}
		t.Errorf("the session with the short timeout can be resumed: %v", err)
	}
	long.Close()
	if long, err = wiretest.Dial(addr, time.Minute, long); err != nil {
		t.Errorf("the session with the long timeout cannot be resumed: %v", err)
	}
}
