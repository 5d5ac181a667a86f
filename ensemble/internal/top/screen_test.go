//go:build unix

package top

import (
	"context"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await/awaittest"
	zk "github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver"
)

func notifyTerm(c chan<- os.Signal) { signal.Notify(c, syscall.SIGTERM) }

func start(t *testing.T, size int, properties map[string]string) *localserver.Ensemble {
	t.Helper()
	all := map[string]string{"tickTime": "500", "forceSync": "no"}
	for key, value := range properties {
		all[key] = value
	}
	e, err := localserver.Start(t.Context(), localserver.Options{Size: size, Properties: all})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// busy keeps writing and reading through a session with all members until the test ends.
func busy(t *testing.T, servers, path string) {
	t.Helper()
	conn, err := zk.Open(zk.Config{Servers: servers, SessionTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Create(t.Context(), path, nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_, _ = conn.Set(ctx, path, []byte("x"), -1)
			_, _, _ = conn.Get(ctx, path, false)
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait(); _ = conn.Close() })
}

var (
	negative = regexp.MustCompile(`\s-\d`)
	writing  = regexp.MustCompile(`writes [1-9]\S*/s .*reads [1-9]`)
	colours  = regexp.MustCompile("\x1b\\[(3|4|9)[0-9]m")
)

// What happens to members is seen at every width, within a second of its timeout.
func TestScreen(t *testing.T) {
	e := start(t, 3, nil)
	leader, err := e.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	busy(t, e.ConnectString(), "/busy")
	log := e.Members()[0].DataDir()
	var all []*terminal
	for _, cols := range []int{60, 80, 120, 200} {
		tt := open(t, e.ConnectString(), cols, "ZKCTL_TEST_LOG="+log)
		began := awaittest.Start()
		tt.see("LAG")
		if took, late := began.Late(5 * time.Second); late { // see the benchmark for the time of the first frame
			t.Errorf("%d columns: the first frame after %v", cols, took)
		}
		all = append(all, tt)
	}
	everywhere := func(what string, is func(string) bool) {
		t.Helper()
		for _, tt := range all {
			if text := tt.await(what, is); negative.MatchString(text) {
				t.Errorf("a rate is negative:\n%s", text)
			}
		}
	}
	has := func(list ...string) func(string) bool {
		return func(text string) bool {
			for _, want := range list {
				if !strings.Contains(text, want) {
					return false
				}
			}
			return true
		}
	}
	everywhere("quorum", has("quorum 3 of 3, leader "+leader.Addr(), "REQ/S", "follower", "q quit"))
	everywhere("rates", writing.MatchString)
	everywhere("client", func(text string) bool { return regexp.MustCompile(`127\.0\.0\.1 +1 +.*(SETD|GETD)`).MatchString(text) })
	everywhere("path", func(text string) bool { return regexp.MustCompile(`/busy +[1-9]`).MatchString(text) })

	var victim *localserver.Member
	for _, m := range e.Members() {
		if m != leader {
			victim = m
		}
	}
	killed := awaittest.Start()
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	everywhere("member that is down", has("quorum 2 of 3", "is down: connection", "one more"))
	if took, late := killed.Late(3 * time.Second); late { // a second after the refused connection, on a busy machine
		t.Errorf("the loss of a member was shown after %v", took)
	}
	if err := victim.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	everywhere("member that is back", has("quorum 3 of 3", "serves again"))

	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	everywhere("new leader", func(text string) bool {
		return has("quorum 2 of 3, leader ", "leads")(text) && !strings.Contains(text, "leader "+leader.Addr())
	})
	if err := leader.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	everywhere("old leader", has("quorum 3 of 3"))
	everywhere("rates", writing.MatchString)

	if err := victim.Pause(); err != nil {
		t.Fatal(err)
	}
	everywhere("member that is silent", has("silent"))
	if err := victim.Resume(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range all {
		tt.send("q")
		tt.left(0)
	}
}

func TestKeys(t *testing.T) {
	e := start(t, 1, nil)
	addr := e.ConnectString()
	busy(t, addr, "/keys")
	tt := open(t, addr, 100)
	tt.see("GETD")
	tt.send("?")
	tt.see("Shift-Tab")
	tt.send("\x1b")
	tt.await("no help", func(text string) bool { return !strings.Contains(text, "Shift-Tab") })

	tt.send("/10.9.9")
	tt.await("filter that matches nothing", func(text string) bool { return strings.Contains(text, "/10.9.9_") && !strings.Contains(text, "GETD") })
	tt.send("\x7f\r")
	tt.see("filter: 10.9. ")
	tt.send("\x1b")
	tt.see("GETD")

	tt.see("REQ/S▼")
	tt.send(">")
	tt.see("QUEUE▼")
	tt.send("r")
	tt.see("QUEUE▲")
	tt.send("<<<")
	tt.see("CONNS▼")

	tt.send("g") // each connection
	tt.see("0x")
	tt.send("\r")
	tt.see("timeout")
	tt.send("\r\t")
	tt.send("\r")
	tt.see("standalone")
	tt.see("zk_")
	tt.send("\x1b[6~\x1b[6~")
	tt.await("a page down", func(text string) bool { return !strings.Contains(text, "zk_version") })
	tt.send("\r ")
	frozen := tt.see("PAUSED")
	if err := e.Members()[0].Kill(); err != nil {
		t.Fatal(err)
	}
	tt.send("e") // it redraws what was known then
	tt.see("nothing has happened")
	tt.send("e")
	tt.await("what was shown", func(text string) bool { return text == frozen })
	tt.send("p")
	tt.see("is down")

	tt.resize(60, 20)
	tt.await("narrower footer", func(text string) bool { return strings.Contains(text, "q quit") && strings.Contains(text, "…") })
	if colours.FindString(tt.sent()) == "" {
		t.Error("there are no colours")
	}
	tt.send("\x03")
	tt.left(0)
}

func TestLeaving(t *testing.T) {
	e := start(t, 1, nil)
	for name, test := range map[string]struct {
		do   func(*terminal)
		code int
	}{
		"SIGTERM": {func(tt *terminal) { tt.signal(syscall.SIGTERM) }, 1},
		"a panic": {func(tt *terminal) { tt.send("/PANIC") }, 2},
		"F10":     {func(tt *terminal) { tt.send("\x1b[21~") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt := open(t, e.ConnectString(), 80, "NO_COLOR=1")
			tt.see("standalone")
			test.do(tt)
			tt.left(test.code)
			if seq := colours.FindString(tt.sent()); seq != "" {
				t.Errorf("%q despite NO_COLOR", seq)
			}
		})
	}
}
