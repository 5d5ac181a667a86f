// Package ensembles tests ZooKeeper's guarantees on ensembles of embedded and Apache members, in
// every mixture: they lose members, quorum and leaders while clients write, are reconfigured, and
// serve third-party clients.
package ensembles

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/localserver"
	_ "github.com/zkctl/zkctl/localserver/apache"
)

var long = flag.Duration("torture.for", 0, "how long each test that has rounds goes on; a few rounds when 0")

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

// rounds calls f a few times, or for as long as the flag says.
func rounds(t *testing.T, short int, f func(n int)) {
	began := time.Now()
	for n := 0; n < short || time.Since(began) < *long; n++ {
		f(n)
	}
}

// patience limits every wait. A JVM on a busy machine is slow.
const patience = 2 * time.Minute

// tick is the members' tickTime in milliseconds: short for quick failover, yet long enough for
// sessions to survive on a busy machine.
const tick = "500"

// subject is an ensemble under test.
type subject struct {
	*localserver.Ensemble
	t   *testing.T
	dir string
	log *sharedio.Buffer
}

// begin starts an ensemble. properties are in addition to those of all tests.
func begin(t *testing.T, opt localserver.Options, properties ...string) *subject {
	t.Helper()
	if opt.Apache > 0 || opt.Engine == localserver.Apache {
		apachetest.Require(t)
	}
	s := &subject{t: t, dir: t.TempDir(), log: &sharedio.Buffer{}}
	opt.DataDir, opt.Log = s.dir, s.log
	// What a killed process wrote stays with the system; only a machine's failure loses it.
	opt.Properties = map[string]string{"tickTime": tick, "forceSync": "no", "maxSessionTimeout": "60000"}
	for _, p := range properties {
		key, value, _ := strings.Cut(p, "=")
		opt.Properties[key] = value
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	if s.Ensemble, err = localserver.Start(ctx, opt); err != nil {
		t.Fatalf("%v\n%s", err, s.log.Tail(150))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of the embedded members ends:\n%s", s.log.Tail(150))
			for _, m := range s.Members() {
				if text, err := os.ReadFile(m.LogFile()); err == nil {
					t.Logf("the log of member %d ends:\n%s", m.ID(), text[max(0, len(text)-4000):])
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// await polls, because servers do not report changes.
func (s *subject) await(what string, cond func() bool) {
	s.t.Helper()
	if await.Within(patience, cond) {
		return
	}
	var list []string
	for _, m := range s.Status(context.Background()) {
		list = append(list, fmt.Sprintf("%d %s 0x%x", m.ID, m.Role, m.Zxid))
	}
	s.t.Fatalf("not within %v: %s; %v", patience, what, list)
}

// role returns the role that a member reports.
func (s *subject) role(m *localserver.Member) localserver.Role { return m.Status(s.t.Context()).Role }

func serves(role localserver.Role) bool { return role.Serves() && role != localserver.RoleReadOnly }

// awaitAll waits until every running member serves, and returns the leader.
func (s *subject) awaitAll() (leader *localserver.Member) {
	s.t.Helper()
	s.await("all members serve", func() bool {
		leader = nil
		for _, m := range s.Members() {
			if !m.Running() {
				continue
			}
			role := s.role(m)
			if !serves(role) {
				return false
			}
			if role == "leader" {
				leader = m
			}
		}
		return leader != nil
	})
	return leader
}

// awaitLeader waits until a member other than old, which may be nil, leads.
func (s *subject) awaitLeader(old *localserver.Member) (leader *localserver.Member) {
	s.t.Helper()
	s.await("another leads", func() bool {
		var err error
		leader, err = s.Leader(s.t.Context())
		return err == nil && leader != old
	})
	return leader
}

func (s *subject) kill(members ...*localserver.Member) {
	s.t.Helper()
	for _, m := range members {
		if err := m.Kill(); err != nil {
			s.t.Fatal(err)
		}
		if m.Engine() == localserver.Apache {
			s.dropEmptyLogs(m)
		}
	}
}

// dropEmptyLogs does what an administrator must do for Apache's 3.8 server, which does not start if
// it was killed between creating a log and writing its header.
func (s *subject) dropEmptyLogs(m *localserver.Member) {
	s.t.Helper()
	logs, err := filepath.Glob(filepath.Join(m.DataDir(), "version-2", "log.*"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range logs {
		if info, err := os.Stat(file); err == nil && info.Size() == 0 {
			if err := os.Remove(file); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// start starts members concurrently: Apache's serve only once they have a quorum.
func (s *subject) start(members ...*localserver.Member) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	errs := make([]error, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { errs[i] = m.Start(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		s.t.Fatal(err)
	}
}

// open opens a session with servers, host:port separated by commas, until the test ends.
func (s *subject) open(servers string) *client.Conn {
	s.t.Helper()
	c, err := client.Open(client.Config{Servers: servers, SessionTimeout: 30 * time.Second, Wait: true, RequestTimeout: patience})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// others returns the members except some.
func (s *subject) others(than ...*localserver.Member) (list []*localserver.Member) {
	for _, m := range s.Members() {
		if !slices.Contains(than, m) {
			list = append(list, m)
		}
	}
	return list
}

// of returns the first member of a kind in list.
func of(kind localserver.Engine, list []*localserver.Member) *localserver.Member {
	for _, m := range list {
		if m.Engine() == kind {
			return m
		}
	}
	return nil
}

// znode is a znode as a member reports it.
type znode struct {
	data string
	stat string
	kids string
}

// dump reads a member's entire tree, after a sync.
func (s *subject) dump(m *localserver.Member) map[string]znode {
	s.t.Helper()
	ctx := s.t.Context()
	c := s.open(m.Addr())
	defer c.Close()
	if err := c.Sync(ctx, "/"); err != nil {
		s.t.Fatalf("sync with member %d: %v", m.ID(), err)
	}
	tree := map[string]znode{}
	err := c.Walk(ctx, "/", client.WalkOptions{}, func(z *client.Walked) error {
		path, children, err := z.Path, z.Children, z.Err
		if err != nil {
			return err
		}
		data, stat, err := c.Get(ctx, path, false)
		if path == "/zookeeper/config" {
			stat.Mtime = 0 // the member's start, in Apache's too
		}
		tree[path] = znode{string(data), fmt.Sprintf("%+v", stat), strings.Join(children, " ")}
		return err
	})
	if err != nil {
		s.t.Fatalf("read the tree of member %d: %v", m.ID(), err)
	}
	return tree
}

// compareTrees checks that all members have the same tree, and returns it. There must be no writes
// meanwhile.
func (s *subject) compareTrees() (tree map[string]znode) {
	s.t.Helper()
	var first *localserver.Member
	for _, m := range s.Members() {
		if !m.Running() {
			continue
		}
		its := s.dump(m)
		if tree == nil {
			first, tree = m, its
			continue
		}
		for path, z := range tree {
			if its[path] != z {
				s.t.Errorf("%s is %+v on member %d, and %+v on member %d", path, z, first.ID(), its[path], m.ID())
			}
		}
		if len(its) != len(tree) {
			s.t.Errorf("member %d has %d znodes, member %d %d", first.ID(), len(tree), m.ID(), len(its))
		}
	}
	return tree
}

// newestZxid returns the zxid of the last transaction that any member has applied; it covers every acknowledged
// write, although a learner may lag.
func (s *subject) newestZxid() (zxid int64) {
	s.t.Helper()
	for _, status := range s.Status(s.t.Context()) {
		zxid = max(zxid, status.Zxid)
	}
	return zxid
}

// compareDisks ends the ensemble and checks that each directory, loaded as a server does, yields
// the same tree. All members must have caught up.
func (s *subject) compareDisks() {
	s.t.Helper()
	members := s.Members()
	if text := matching(s.log, "igest mismatch"); text != "" {
		s.t.Errorf("an embedded member has another tree than its leader:\n%s", text)
	}
	s.await("all have the same zxid", func() bool {
		zxids := map[int64]bool{}
		for _, m := range s.Status(s.t.Context()) {
			zxids[m.Zxid] = true
		}
		return len(zxids) == 1
	})
	// Apache's follower applies what a quorum has logged, which it may not have logged itself yet; ended then, it
	// forgets that.
	zxid := s.newestZxid()
	for _, m := range members {
		if m.Engine() == localserver.Apache {
			s.await(fmt.Sprintf("member %d has logged everything", m.ID()), func() bool { return s.lastLogged(m) >= zxid || s.lastSaved(m) >= zxid })
		}
	}
	s.checkApacheLogs()
	if err := s.Close(); err != nil {
		s.t.Error(err)
	}
	digests := map[uint64][]int64{}
	for _, m := range members {
		dir, err := storage.ReadDir(filepath.Join(m.DataDir(), "version-2"))
		if err != nil {
			s.t.Fatal(err)
		}
		tree, faults, err := dir.Load(context.Background(), storage.LoadOptions{})
		if m.Engine() == localserver.Apache && errors.Is(err, storage.ErrMissing) {
			// Apache's learner loses transactions of a DIFF or TRUNC that was cut short before they
			// reached its disk (ZOOKEEPER-4785, ZOOKEEPER-5094).
			s.t.Logf("the files of member %d, apache, are NOT compared: %v", m.ID(), err)
			continue
		}
		if err != nil {
			s.t.Fatalf("load the data of member %d: %v, %v", m.ID(), err, faults)
		}
		digest := uint64(tree.Digest())
		digests[digest] = append(digests[digest], m.ID())
	}
	if len(digests) != 1 {
		s.t.Errorf("the members' files have different trees: %v", digests)
	}
}

// harmless are the exceptions that Apache's servers log when a connection breaks or is
// refused, or because they left their leader or their followers.
var harmless = regexp.MustCompile(strings.Join([]string{
	`java\.net\.(Connect|Socket|SocketTimeout)Exception`,
	`java\.io\.EOFException`,
	`java\.lang\.InterruptedException`,
	`java\.nio\.channels\.\w+Exception`,
	`EndOfStreamException`,
	`java\.io\.IOException: Len error\. A message from `, // another program connects to its former port
	`java\.io\.IOException: (Broken pipe|Connection reset|Stream closed|ZooKeeperServer not running)`,
	`java\.lang\.Exception: shutdown (Leader|Follower)`,
	// Apache's own faults: its follower's threads end one by one, beans are registered before the
	// earlier ones are removed, and it fails on a COMMIT between NEWLEADER and UPTODATE from its
	// own leader (ZOOKEEPER-4394).
	`NullPointerException: .*"(this\.learner\.sock|[\w.$]+\.get(Learner|Follower|Observer|Leader)\(\))" is null`,
	`InstanceAlreadyExistsException`,
	`RejectedExecutionException: Task Thread\[QuorumConnectionReqThread`, // it connects to a member while it ends
	`NullPointerException: Cannot read field "hdr" because "pif" is null`,
}, "|"))

var thrown = regexp.MustCompile(`(?m)^(Caused by: )?[a-z][\w.$]+(Exception|Error)\b.*$`)

// checkApacheLogs checks that Apache's servers logged only broken connections.
func (s *subject) checkApacheLogs() {
	s.t.Helper()
	for _, m := range s.Members() {
		if m.LogFile() == "" {
			continue
		}
		text, err := os.ReadFile(m.LogFile())
		if err != nil {
			s.t.Fatal(err)
		}
		seen := map[string]int{}
		for _, line := range thrown.FindAllString(string(text), -1) {
			if !harmless.MatchString(line) {
				seen[line]++
			}
		}
		for _, line := range strings.Split(string(text), "\n") {
			// While loading, in its main thread, it compares digests even where its snapshot, made
			// while the tree changed, is ahead of the log.
			mismatch := strings.Contains(line, "igest mismatch") || strings.Contains(line, "Digests are not matching")
			if mismatch && !strings.Contains(line, "[main:") || strings.Contains(line, " FATAL ") {
				seen[line]++
			}
		}
		for _, line := range slices.Sorted(maps.Keys(seen)) {
			s.t.Errorf("the log of Apache's member %d has %d times: %s", m.ID(), seen[line], line)
		}
	}
}

// logOf returns what a member has logged.
func (s *subject) logOf(m *localserver.Member) string {
	if file := m.LogFile(); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		return string(text)
	}
	return matching(s.log, fmt.Sprintf("[myid:%d]", m.ID()))
}

// matching returns the lines of a log with a mark.
func matching(log *sharedio.Buffer, mark string) string {
	var text strings.Builder
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, mark) {
			text.WriteString(line)
		}
	}
	return text.String()
}
