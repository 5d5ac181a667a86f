package ensembles

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver"
)

// move makes the writers continue with other servers, like applications restarted with another
// connect string. They recreate their ephemerals.
func (l *load) move(servers string) {
	l.s.t.Helper()
	l.hold.Lock()
	defer l.hold.Unlock()
	for _, w := range l.writers {
		w.conn.Close()
		w.conn = l.s.open(servers)
		if _, _, err := w.conn.Create(l.s.t.Context(), w.ephemeral, nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
			l.s.t.Fatalf("create %s: %v", w.ephemeral, err)
		}
		w.session = w.conn.SessionID()
	}
}

// An ensemble that serves clients moves to members of the other kind, one by one, its leader last,
// and back, its leader first.
func TestMigration(t *testing.T) {
	t.Parallel()
	apachetest.Require(t)
	s := begin(t, localserver.Options{Size: 3}, "commitLogCount=1500")
	leader := s.awaitAll()
	l := s.write(2)
	l.progress(20)

	replace := func(old *localserver.Member, kind localserver.Engine) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		m, err := s.Add(ctx, localserver.AddOptions{Engine: kind})
		if err != nil {
			t.Fatal(err)
		}
		l.progress(20)
		l.move(s.ConnectString())
		if err := s.Remove(ctx, old.ID()); err != nil {
			t.Fatal(err)
		}
		l.progress(20)
		s.awaitAll()
		t.Logf("member %d (%s) has taken the place of member %d (%s); member %d leads",
			m.ID(), m.Engine(), old.ID(), old.Engine(), s.awaitLeader(nil).ID())
	}
	for _, old := range append(s.others(leader), leader) {
		replace(old, localserver.Apache)
	}
	s.checkQuietly(l)
	if m := of(localserver.Embedded, s.Members()); m != nil {
		t.Fatalf("member %d is embedded", m.ID())
	}
	leader = s.awaitAll()
	for _, old := range append([]*localserver.Member{leader}, s.others(leader)...) {
		replace(old, localserver.Embedded)
	}
	l.end()
	l.check(s.compareTrees())
	if m := of(localserver.Apache, s.Members()); m != nil {
		t.Fatalf("member %d is Apache's", m.ID())
	}
	for _, w := range l.writers {
		w.conn.Close()
	}
	s.compareDisks()
}

// checkQuietly compares the trees, and checks them, while the writers wait.
func (s *subject) checkQuietly(l *load) {
	s.t.Helper()
	l.hold.Lock()
	defer l.hold.Unlock()
	s.awaitAll()
	l.check(s.compareTrees())
}

// line returns a member's server.N line with a role, from the configuration.
func line(t *testing.T, config string, id int64, role zoocfg.Role) string {
	t.Helper()
	v, err := zoocfg.ParseVerifier([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	m, ok := v.Member(id)
	if !ok {
		t.Fatalf("no member %d in %s", id, config)
	}
	m.Role = role
	return fmt.Sprintf("server.%d=%s", id, m)
}

var roleOf = regexp.MustCompile(`(?m)^server\.(\d)=.*:(participant|observer);`)

// shape returns the members of a configuration, with an o for observers.
func shape(config string) string {
	var list []string
	for _, m := range roleOf.FindAllStringSubmatch(config, -1) {
		list = append(list, strings.TrimSuffix(m[1]+m[2][:1], "p"))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// Every form of reconfig, on embedded members and on a mixture; the members and their files
// agree, a watch of the configuration fires.
func TestReconfig(t *testing.T) {
	t.Parallel()
	for name, java := range map[string]int{"embedded": 0, "mixed": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, localserver.Options{Size: 3, Observers: 1, Apache: java}, "skipACL=yes", "standaloneEnabled=false")
			s.awaitAll()
			events := make(chan client.Event, 100)
			// Member 1 loses its role, and is embedded: Apache's may close the connection before it replies.
			c, err := client.Open(client.Config{Servers: s.Member(1).Addr(), SessionTimeout: 30 * time.Second, Wait: true,
				OnEvent: func(e client.Event) {
					if e.Path == "/zookeeper/config" {
						events <- e
					}
				}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx := t.Context()
			text, stat, err := c.GetConfig(ctx, true)
			if err != nil {
				t.Fatal(err)
			}
			first := string(text)
			if shape(first) != "1 2 3 4o" || stat.Version != -1 {
				t.Errorf("at first: %s, %+v", first, stat)
			}
			now := first
			done := func(what, want string, answer []byte, stat proto.Stat, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				now = string(answer)
				if shape(now) != want {
					t.Errorf("%s: the answer is\n%s", what, now)
				}
				if version := fmt.Sprintf("version=%x", stat.Mzxid); !strings.HasSuffix(now, version) || stat.Version != -1 || stat.Mtime == 0 {
					t.Errorf("%s: %q does not end with %s; %+v", what, now, version, stat)
				}
				select {
				case e := <-events:
					if e.Type != proto.EventNodeDataChanged {
						t.Errorf("%s: %+v", what, e)
					}
				case <-time.After(patience):
					t.Fatalf("%s: the watch of the configuration does not fire", what)
				}
				s.awaitConfig(now)
				s.await("the watch is set again, if need be on a new connection", func() bool {
					_, _, err := c.GetConfig(ctx, true)
					return err == nil
				})
			}
			refused := func(what string, want proto.Error, joining, leaving, members string, version int64) {
				t.Helper()
				if _, _, err := c.Reconfig(ctx, joining, leaving, members, version); !errors.Is(err, want) {
					t.Errorf("%s: %v, not %v", what, err, want)
				}
			}
			do := func(what, want, joining, leaving, members string, version int64) {
				t.Helper()
				answer, stat, err := c.Reconfig(ctx, joining, leaving, members, version)
				done(what, want, answer, stat, err)
			}
			refused("another version", proto.ErrBadVersion, "", "4", "", 1)
			refused("no such line", proto.ErrBadArguments, "server.9=nonsense", "", "", -1)
			refused("strangers as a quorum", proto.ErrNewConfigNoQuorum,
				"server.7=127.0.0.1:1:2:participant;127.0.0.1:3,server.8=127.0.0.1:4:5:participant;127.0.0.1:6,server.9=127.0.0.1:7:8:participant;127.0.0.1:9", "", "", -1)

			do("an observer leaves", "1 2 3", "", "4", "", -1)
			do("an observer joins", "1 2 3 4o", line(t, first, 4, zoocfg.Observer), "", "", -1)
			version, err := zoocfg.ParseVerifier([]byte(now))
			if err != nil {
				t.Fatal(err)
			}
			do("an observer gets a vote, at this version", "1 2 3 4", line(t, first, 4, zoocfg.Participant), "", "", version.Version())
			do("a participant loses its vote", "1o 2 3 4", line(t, first, 1, zoocfg.Observer), "", "", -1)
			do("the whole at once", "1 2 3 4o", "", "", strings.Join([]string{line(t, first, 1, zoocfg.Participant),
				line(t, first, 2, zoocfg.Participant), line(t, first, 3, zoocfg.Participant), line(t, first, 4, zoocfg.Observer)}, ","), -1)
			s.compareTrees()

			// After a restart, all of them know the last configuration.
			for _, m := range s.Members() {
				if err := m.Stop(); err != nil {
					t.Fatal(err)
				}
			}
			s.start(s.Members()...)
			s.awaitAll()
			s.awaitConfig(now)
			s.compareTrees()
			s.checkApacheLogs()
		})
	}
}

// awaitConfig waits until all members show a configuration, and have it in their files.
func (s *subject) awaitConfig(want string) {
	s.t.Helper()
	for _, m := range s.Members() {
		c := s.open(m.Addr())
		var text []byte
		s.await(fmt.Sprintf("member %d has the configuration\n%s", m.ID(), want), func() bool {
			var err error
			text, _, err = c.GetConfig(s.t.Context(), false)
			return err == nil && string(text) == want
		})
		c.Close()
		dir := m.DataDir()
		if file := m.LogFile(); file != "" {
			dir = filepath.Dir(file) // the folder of the Apache process's zoo.cfg
		}
		s.await(fmt.Sprintf("member %d has the configuration in its files", m.ID()), func() bool {
			return s.dynamicFile(dir) == want
		})
	}
}

// dynamicFile returns the configuration that a member's zoo.cfg refers to, with the version in the
// file's name, as Apache writes it.
func (s *subject) dynamicFile(dir string) string {
	cfg, err := os.ReadFile(filepath.Join(dir, "zoo.cfg"))
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.Contains("\n"+string(cfg), "\nserver.") {
		return ""
	}
	_, file, _ := strings.Cut(string(cfg), "dynamicConfigFile=")
	file, _, _ = strings.Cut(file, "\n")
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	_, version, _ := strings.Cut(filepath.Base(file), ".dynamic.")
	return strings.TrimSuffix(string(text), "\n") + "\nversion=" + version
}
