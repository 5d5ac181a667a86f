package ensembles

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/localserver"
)

// TestKazoo runs the Python client on an ensemble that fails at its request.
func TestKazoo(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"/usr/bin/python3", "/usr/lib/python3/dist-packages/kazoo/client.py"} {
		if _, err := os.Stat(file); err != nil {
			apachetest.Missing(t, fmt.Errorf("%w; install Debian's package python3-kazoo", err))
		}
	}
	s := begin(t, localserver.Options{Size: 3, Observers: 1}, "readonlymode.enabled=true", "skipACL=yes")
	s.awaitAll()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "testdata/ensemble.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var parts []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case "ok":
			parts = append(parts, rest)
		case "please":
			fmt.Fprintln(in, s.please(rest))
		default:
			t.Errorf("it says %q", lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v after %v\n%s", err, parts, errOut.String())
	}
	if got := strings.Join(parts, " "); got != "reconfig failover moves read_only" {
		t.Errorf("what went well: %s", got)
	}
}

// please does what a client's test requests to the ensemble, and answers.
func (s *subject) please(request string) string {
	s.t.Helper()
	verb, arg, _ := strings.Cut(request, " ")
	switch verb {
	case "members":
		var list []string
		for _, m := range s.Members() {
			list = append(list, fmt.Sprintf("%d=%s", m.ID(), m.Addr()))
		}
		return strings.Join(list, " ")
	case "kill":
		m := s.awaitAll()
		s.kill(m)
		return fmt.Sprint(m.ID())
	case "start":
		id, _ := strconv.ParseInt(arg, 10, 64)
		s.start(s.Member(id))
		s.awaitAll()
	case "partition":
		m := s.others(s.awaitAll())[0]
		if err := s.Partition([]int64{m.ID()}); err != nil {
			s.t.Error(err)
		}
		s.await("the member is read-only", func() bool { return s.role(m) == "read-only" })
		return fmt.Sprint(m.ID())
	case "heal":
		s.HealAll()
	default:
		s.t.Errorf("the client's test wants %q", request)
	}
	return "done"
}

// TestGoZookeeper takes the Go client that most programs use through failures and reconfigurations.
func TestGoZookeeper(t *testing.T) {
	t.Parallel()
	s := begin(t, localserver.Options{Size: 3, Observers: 1}, "skipACL=yes")
	leader := s.awaitAll()
	servers := strings.Split(s.ConnectString(), ",")
	for i, up := range zk.FLWRuok(servers, 10*time.Second) {
		if !up {
			t.Errorf("%s is not ok", servers[i])
		}
	}
	// Member 4 will leave: it would close the connection.
	conn, events, err := zk.Connect(servers[:3], 20*time.Second, zk.WithLogInfo(false), zk.WithLogger(quiet{}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		for range events {
		}
	}()
	// again repeats what a lost connection may have prevented.
	again := func(what string, f func() error) {
		t.Helper()
		s.await(what, func() bool {
			err := f()
			if err != nil && !errors.Is(err, zk.ErrConnectionClosed) && !errors.Is(err, zk.ErrNoServer) {
				t.Fatalf("%s: %v", what, err)
			}
			return err == nil
		})
	}
	if _, err := conn.Create("/go", []byte("0"), zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	session := conn.SessionID()

	// The leader dies, and the member that the client is connected to.
	connected := func() *localserver.Member {
		for _, m := range s.Members() {
			if m.Addr() == conn.Server() {
				return m
			}
		}
		return nil
	}
	for i, victim := range []func() *localserver.Member{func() *localserver.Member { return leader }, connected} {
		_, _, changed, err := conn.GetW("/go")
		if err != nil {
			t.Fatal(err)
		}
		m := victim()
		s.kill(m)
		again("set /go", func() error { _, err := conn.Set("/go", []byte{byte(i)}, -1); return err })
		select {
		case e := <-changed:
			if e.Type != zk.EventNodeDataChanged {
				t.Errorf("the watch says %+v", e)
			}
		case <-time.After(patience):
			t.Error("the watch of /go did not fire")
		}
		s.start(m)
		s.awaitAll()
	}
	if id := conn.SessionID(); id != session {
		t.Errorf("session 0x%x became 0x%x", session, id)
	}

	text, _, err := conn.Get("/zookeeper/config")
	if err != nil {
		t.Fatal(err)
	}
	first := string(text)
	if _, err := conn.IncrementalReconfig(nil, []string{"4"}, -1); err != nil {
		t.Fatal(err)
	}
	text, stat, err := conn.Get("/zookeeper/config")
	if err != nil || shape(string(text)) != "1 2 3" {
		t.Errorf("without 4: %s, %v", text, err)
	}
	if _, err := conn.IncrementalReconfig(nil, []string{"3"}, stat.Mzxid-1); !errors.Is(err, zk.ErrBadVersion) {
		t.Errorf("another version: %v", err)
	}
	if _, err := conn.Reconfig(strings.Split(first, "\n")[:4], stat.Mzxid); err != nil {
		t.Error(err)
	}
	if text, _, err := conn.Get("/zookeeper/config"); err != nil || shape(string(text)) != "1 2 3 4o" {
		t.Errorf("the whole: %s, %v", text, err)
	}
	s.awaitAll()
	s.compareTrees()
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
