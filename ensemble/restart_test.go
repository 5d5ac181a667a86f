package ensemble

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// TestRestartHelper is the command that restarts a member, in its own process: it asks the test to, at an address.
func TestRestartHelper(t *testing.T) {
	args := flag.Args()
	if len(args) != 2 {
		t.Skip("it is no test, but a command that TestRollingRestart runs")
	}
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, args[1])
	text, _ := io.ReadAll(c)
	if string(text) != "ok" {
		t.Fatalf("%s", text)
	}
}

// restarter restarts members when the helper asks, and returns the command that runs the helper.
func restarter(t *testing.T, e *localserver.Ensemble, restart func(*localserver.Member) error) (command string, done func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ids := make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			line = strings.TrimSpace(line)
			id, _ := strconv.ParseInt(line, 10, 64)
			if err := restart(e.Member(id)); err != nil {
				fmt.Fprint(c, err)
			} else {
				fmt.Fprint(c, "ok")
			}
			ids <- line
			_ = c.Close()
		}
	}()
	return fmt.Sprintf("%q -test.run=^TestRestartHelper$ %s {id}", os.Args[0], l.Addr()), func() (list []string) {
		for len(ids) > 0 {
			list = append(list, <-ids)
		}
		return list
	}
}

// longestPause is how long writes may wait while all members are restarted, which costs one election. A machine that
// runs other tests, too, adds to it; make bench-ensemble allows 3s.
var longestPause = flag.Duration("restart.pause", 10*time.Second, "how long writes may wait during a rolling restart")

func TestRollingRestart(t *testing.T) {
	engines(t, map[string]string{"4lw.commands.whitelist": "srvr,envi"}, rollingRestart)
}

func rollingRestart(t *testing.T, e *localserver.Ensemble) {
	command, ids := restarter(t, e, func(m *localserver.Member) error { return m.Restart(t.Context()) })
	restart := func(args ...string) output {
		return run(t, newCommand, e.ConnectString(), append([]string{"restart", "--rolling", "--admin-port", "0", "--timeout", "5s", "--step-timeout", "90s"}, args...)...)
	}
	leader, err := e.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o := restart("--exec", command, "--dry-run"); o.code != 0 || strings.Count(o.out, "\n") != 4 || !strings.Contains(strings.Split(o.out, "\n")[3], leader.Addr()) || ids() != nil {
		t.Errorf("%+v", o)
	}
	if o := restart("--exec", command); o.code != ui.ExitFailed || !strings.Contains(o.err, "confirm it with -y") {
		t.Errorf("%+v", o)
	}

	var names []string
	for attempt := 1; ; attempt++ {
		w := startWriter(t, e.ConnectString(), attempt)
		o := restart("--exec", command, "-y")
		written, pause := w.end()
		names = append(names, written...)
		if got := ids(); o.code != 0 || strings.Count(o.out, "in step at zxid 0x") != 3 || len(got) != 3 || got[2] != strconv.FormatInt(leader.ID(), 10) {
			t.Fatalf("%v: %+v", got, o)
		}
		t.Logf("%d writes, the longest pause %v", len(written), pause)
		if pause <= *longestPause {
			break
		}
		if attempt == 3 { // a busy machine can only add to it
			t.Errorf("writes paused for %v", pause)
			break
		}
		if leader, err = e.Leader(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.Open(client.Config{Servers: e.ConnectString(), Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if len(names) == 0 {
		t.Error("nothing was written")
	}
	for _, name := range names {
		if _, err := c.Exists(t.Context(), name, false); err != nil {
			t.Errorf("%s was acknowledged and is lost: %v", name, err)
		}
	}

	// With a member down, or a command that fails, it stops.
	if o := restart("--exec", "false", "-y"); o.code != ui.ExitFailed || !strings.Contains(o.err, "exit status 1 (none was restarted before; not done: ") {
		t.Errorf("%+v", o)
	}
	victim := followerOf(t, e) // without the leader, the others would elect, and not serve either
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	if o := restart("--exec", command, "-y"); o.code != ui.ExitFailed || !strings.Contains(o.err, fmt.Sprint("not every member serves: member ", victim.ID())) || ids() != nil {
		t.Errorf("%+v", o)
	}
}

// writer creates znodes one after another and records those that were acknowledged.
type writer struct {
	stop, ended chan struct{}
	names       []string
	pause       time.Duration // the longest between two
}

func startWriter(t *testing.T, servers string, number int) *writer {
	c, err := client.Open(client.Config{Servers: servers, SessionTimeout: 10 * time.Second, Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		defer c.Close()
		last := time.Now()
		for i := 0; ; i++ {
			select {
			case <-w.stop:
				return
			default:
			}
			name := fmt.Sprintf("/w%d-%d", number, i)
			if _, _, err := c.Create(t.Context(), name, nil, proto.OpenACL, proto.Persistent, 0); err == nil {
				w.names = append(w.names, name)
				w.pause = max(w.pause, time.Since(last))
				last = time.Now()
			}
		}
	}()
	return w
}

func (w *writer) end() (names []string, pause time.Duration) {
	close(w.stop)
	<-w.ended
	return w.names, w.pause
}

// A command that succeeds without restarting the member is a failure.
func TestRestartThatIsNone(t *testing.T) {
	e := embedded(t, 3, nil)
	o := run(t, newCommand, e.ConnectString(), "restart", "--rolling", "--admin-port", "0", "--step-timeout", "2s", "--exec", "true", "-y")
	if o.code != ui.ExitFailed || !strings.Contains(o.err, "did not restart within 2s") {
		t.Errorf("%+v", o)
	}
}

func TestRestartCommands(t *testing.T) {
	r := &probe.Reading{Member: probe.Member{ID: answer.Some[int64](3), Addresses: []client.Address{{Host: "zk 3", Port: 2181}}}}
	words, err := command.ParseTemplate("--exec", `ssh {host} 'systemctl restart zk@{id}' {address}:{port}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := expand(words, r)
	if want := []string{"ssh", "zk 3", "systemctl restart zk@3", "zk 3:2181:2181"}; err != nil || !slices.Equal(got.Words, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	r.Addresses[0].Host = "-oProxyCommand=x"
	if _, err := expand(words, r); err == nil || !strings.Contains(err.Error(), "begins with a dash") {
		t.Errorf("%v", err)
	}
	for _, line := range []string{"", "  ", "a | b", "a > b", "'a"} {
		if words, err := command.ParseTemplate("--exec", line); err == nil {
			t.Errorf("%q is taken as %q", line, words)
		}
	}
	e := embedded(t, 1, nil)
	if o := run(t, newCommand, e.ConnectString(), "restart", "--rolling", "--admin-port", "0", "--exec", "true", "-y"); o.code != ui.ExitFailed || !strings.Contains(o.err, "one leader among the members") {
		t.Errorf("%+v", o)
	}
	for _, args := range [][]string{{"--step-timeout", "0s"}, {"--pause", "-1s"}} {
		o := run(t, newCommand, e.ConnectString(), append([]string{"restart", "--rolling", "--exec", "true", "-y"}, args...)...)
		if o.code != ui.ExitFailed || !strings.Contains(o.err, args[0]+": invalid value "+args[1]) {
			t.Errorf("%+v", o)
		}
	}
	if o := run(t, newCommand, e.ConnectString(), "restart", "--exec", "true"); o.code != ui.ExitFailed || !strings.Contains(o.err, "--rolling") {
		t.Errorf("%+v", o)
	}
}
