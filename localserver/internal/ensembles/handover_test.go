package ensembles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver"
)

// seat is a server that runs from its zoo.cfg, Apache's or embedded.
type seat struct {
	t     *testing.T
	id    int64
	java  bool
	dir   string
	ports [5]int // quorum, election, client; quorum and election after a move
	log   sharedio.Buffer

	settings string // further lines of zoo.cfg

	stop func()
}

// seats prepares servers 1 to n that have never run.
func seats(t *testing.T, n int, java ...int64) (list []*seat) {
	t.Helper()
	var ids []int64
	for id := int64(1); id <= int64(n); id++ {
		ids = append(ids, id)
	}
	return seatsOf(t, ids, java...)
}

// seatsOf is seats with these ids.
func seatsOf(t *testing.T, ids []int64, java ...int64) (list []*seat) {
	t.Helper()
	taken := map[int]bool{}
	for _, id := range ids {
		s := &seat{t: t, id: id, java: slices.Contains(java, id), dir: t.TempDir()}
		for i := range s.ports {
			for s.ports[i] == 0 || taken[s.ports[i]] {
				port, err := port.Free()
				if err != nil {
					t.Fatal(err)
				}
				s.ports[i] = port
			}
			taken[s.ports[i]] = true
		}
		s.file("data/myid", fmt.Sprintln(id))
		list = append(list, s)
		t.Cleanup(func() {
			s.end()
			if t.Failed() {
				t.Logf("the log of server %d ends:\n%s", id, s.log.Tail(150))
			}
		})
	}
	return list
}

func (s *seat) file(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// line returns the server's line of a configuration, with its original ports or those after a move.
func (s *seat) line(role zoocfg.Role, moved bool) string {
	at := s.ports[:2]
	if moved {
		at = s.ports[3:]
	}
	return fmt.Sprintf("server.%d=127.0.0.1:%d:%d:%s;127.0.0.1:%d\n", s.id, at[0], at[1], role, s.ports[2])
}

// configure writes zoo.cfg with a configuration of a version, or 0 for none.
func (s *seat) configure(config string, version int64) {
	s.t.Helper()
	text := fmt.Sprintf("tickTime=%s\ninitLimit=20\nsyncLimit=10\nreconfigEnabled=true\nadmin.enableServer=false\n4lw.commands.whitelist=*\ndataDir=%s\n",
		tick, filepath.ToSlash(filepath.Join(s.dir, "data"))) + s.settings
	if version == 0 {
		s.file("zoo.cfg", text+config)
		return
	}
	dynamic := fmt.Sprintf("zoo.cfg.dynamic.%x", version)
	s.file(dynamic, config)
	s.file("zoo.cfg", text+"dynamicConfigFile="+filepath.ToSlash(filepath.Join(s.dir, dynamic))+"\n")
}

// propose writes a proposed configuration.
func (s *seat) propose(config string, version int64) {
	s.file("zoo.cfg.dynamic.next", fmt.Sprintf("%sversion=%x\n", config, version))
}

func (s *seat) addr() string { return fmt.Sprintf("127.0.0.1:%d", s.ports[2]) }

// start starts the server; end ends it gracefully.
func (s *seat) start() {
	s.t.Helper()
	cfg := filepath.Join(s.dir, "zoo.cfg")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.stop = func() {
		cancel()
		<-done
	}
	if !s.java {
		go func() {
			defer close(done)
			if err := localserver.Serve(ctx, localserver.ServeOptions{Config: cfg, Log: &s.log}); err != nil {
				s.t.Errorf("server %d: %v", s.id, err)
			}
		}()
		return
	}
	in := apachetest.Require(s.t)
	cmd := exec.CommandContext(ctx, in.Java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", strings.Join(in.ServerClassPath, string(os.PathListSeparator)),
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = io.Discard, &s.log
	apache.Detach(cmd)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
}

func (s *seat) end() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

func (s *seat) open() *client.Conn {
	s.t.Helper()
	c, err := client.Open(client.Config{Servers: s.addr(), SessionTimeout: 30 * time.Second, Wait: true, RequestTimeout: patience})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// work writes through one server and reads through another.
func work(t *testing.T, at, seen *seat, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, _, err := at.open().Create(ctx, path, []byte("x"), proto.OpenACL, proto.Persistent, 0); err != nil && !errors.Is(err, proto.ErrNodeExists) {
		t.Fatalf("create %s at server %d: %v", path, at.id, err)
	}
	c := seen.open()
	if err := c.Sync(ctx, path); err != nil {
		t.Fatalf("sync at server %d: %v", seen.id, err)
	}
	if data, _, err := c.Get(ctx, path, false); err != nil || string(data) != "x" {
		t.Errorf("%s at server %d is %q, %v", path, seen.id, data, err)
	}
}

// awaitConfig waits until a server serves with a configuration in force.
func (s *seat) awaitConfig(want string) {
	s.t.Helper()
	c := s.open()
	var got []byte
	var err error
	if !await.Within(patience, func() bool {
		got, _, err = c.GetConfig(s.t.Context(), false)
		return string(got) == want
	}) {
		s.t.Fatalf("server %d has the configuration %q, %v; want %q", s.id, got, err, want)
	}
}

// A reconfiguration in progress when its ensemble stopped is completed by servers that did not know
// of it and by those that lose, or gain, their vote with it (Apache's ReconfigRecoveryTest).
func TestHandover(t *testing.T) {
	t.Parallel()
	for name, java := range map[string][]int64{
		"embedded":            nil,
		"Apache's hand over":  {1, 2},
		"Apache's take over":  {3, 4, 5},
		"to an Apache's, too": {1, 4},
	} {
		t.Run(name, func(t *testing.T) {
			list := seats(t, 5, java...)
			old := list[0].line(zoocfg.Participant, false) + list[1].line(zoocfg.Participant, false)
			for _, s := range list[:2] {
				s.configure(old, 1<<32)
				s.start()
			}
			work(t, list[0], list[1], "/old")
			next := list[0].line(zoocfg.Observer, true) + list[1].line(zoocfg.Observer, true)
			for _, s := range list[2:] {
				next += s.line(zoocfg.Participant, false)
			}
			for _, s := range list[:2] {
				s.end()
				s.propose(next, 2<<32)
				s.start()
			}
			for _, s := range list[2:] {
				s.configure(old+s.line(zoocfg.Participant, false), 0)
				s.start()
			}
			for _, s := range list {
				s.awaitConfig(next + "version=200000000")
			}
			work(t, list[0], list[4], "/new")
			work(t, list[3], list[1], "/other")
		})
	}
}

// The next configuration needs the vote of an observer of the current one.
func TestObserverTakesOver(t *testing.T) {
	t.Parallel()
	for name, java := range map[string][]int64{
		"embedded":                nil,
		"an Apache's leader":      {0, 1},
		"an Apache's observer":    {2},
		"an Apache's participant": {3},
	} {
		t.Run(name, func(t *testing.T) {
			list := seatsOf(t, []int64{0, 1, 2, 3}, java...)
			old := list[0].line(zoocfg.Participant, false) + list[1].line(zoocfg.Participant, false) + list[2].line(zoocfg.Observer, false)
			for _, s := range list[:3] {
				s.configure(old, 1<<32)
				s.start()
			}
			work(t, list[0], list[2], "/old")
			next := list[2].line(zoocfg.Participant, false) + list[3].line(zoocfg.Participant, false)
			for _, s := range list[:3] {
				s.end()
				s.propose(next, 2<<32)
				s.start()
			}
			list[3].configure(old+list[3].line(zoocfg.Participant, false), 0)
			list[3].start()
			for _, s := range list[2:] {
				s.awaitConfig(next + "version=200000000")
			}
			work(t, list[0], list[2], "/new")
			work(t, list[3], list[1], "/other")
		})
	}
}
