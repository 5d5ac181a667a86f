// Package conformance compares the embedded server with Apache ZooKeeper: both get the same
// requests and must give the same answers.
package conformance

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/localserver/internal/replica"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// superDigest is super:secret.
const superDigest = "super:lK75jTNcA+U9vtVEw5vB51mj/w4="

// tick is the tickTime of both servers.
const tick = time.Second

// likeApache is the release that the embedded server emulates: Debian's Apache is 3.8.0, and
// since380 lists what changed in later 3.8 releases.
const likeApache = "3.8"

func emulated(text string) release.Release {
	r, err := release.Parse(text)
	if err != nil {
		panic(err)
	}
	return r
}

// since380 is how newer 3.8 releases differ from Debian's 3.8.0 in these scripts: a step that
// request matches may be answered with answer, whatever 3.8.0 answers. TestReleases has the exact
// answers. The scripts have no check outside a multi: see check-alone in docs/server.md.
var since380 = []struct {
	issue           string
	request, answer *regexp.Regexp
}{
	{"ZOOKEEPER-2590", regexp.MustCompile(`^> \w+ #\d+ exists `), regexp.MustCompile(` exists zxid .* NOAUTH `)},
	{"ZOOKEEPER-4026, a create2 stays one", regexp.MustCompile(`^> \w+ #\d+ multi .* create2&`), regexp.MustCompile(`\[create2 err 0 `)},
	{"ZOOKEEPER-4026, as does a createContainer", regexp.MustCompile(`^> \w+ #\d+ multi .* createContainer&`), regexp.MustCompile(`\[create2 err 0 `)},
	{"ZOOKEEPER-4026, unknown flags", regexp.MustCompile(`^> \w+ #\d+ multi .* create(2|Container)?&`), regexp.MustCompile(` multi zxid .* MARSHALLINGERROR `)},
}

func changedSince380(theirs, ours string) bool {
	head, _, _ := strings.Cut(theirs, "\n")
	return strings.HasPrefix(ours, head+"\n") && slices.ContainsFunc(since380, func(c struct {
		issue           string
		request, answer *regexp.Regexp
	}) bool {
		return c.request.MatchString(head) && c.answer.MatchString(ours)
	})
}

func apacheOptions(dir string) apache.Options {
	return apache.Options{Dir: dir, TickTime: tick,
		Properties: map[string]string{"forceSync": "no", "enforceQuota": "true"},
		JVM: []string{
			"-Dzookeeper.extendedTypesEnabled=true",
			"-Dzookeeper.DigestAuthenticationProvider.superDigest=" + superDigest,
			"-Dznode.container.checkIntervalMs=3600000",
		}}
}

// embedded is an embedded server.
type embedded struct {
	*replica.Replica
	journal   *zab.Journal
	broadcast *zab.Broadcast
	ready     sync.WaitGroup
	addr      string
}

func embeddedOptions(dir string) replica.Options {
	dir = filepath.Join(dir, "version-2")
	return replica.Options{Release: emulated(likeApache), ID: 1, DataDir: dir, LogDir: dir, Tick: tick, MaxClientCnxns: -1, EnforceQuota: true,
		ExtendedTypes: true, SuperDigests: []string{superDigest}, ReapEvery: time.Hour, Words: []string{"*"},
		Log: zklog.New(os.Stderr, "", zklog.Error)}
}

func startEmbedded(opt replica.Options) (*embedded, error) {
	opt.Failed = func(err error) { fmt.Fprintln(os.Stderr, err) }
	s, err := replica.Open(opt)
	if err != nil {
		return nil, err
	}
	e := &embedded{Replica: s}
	e.ready.Add(1)
	j := zab.JournalOptions{Dir: opt.LogDir, Failed: s.Fail, Due: s.SaveSoon}
	j.Log.NoSync = true
	j.Synced = func(zxid int64) {
		e.ready.Wait()
		e.broadcast.Ack(opt.ID, zxid)
	}
	e.journal = zab.OpenJournal(j, s.LastZxid())
	e.broadcast = zab.NewSolo(s, e.journal, opt.ID)
	e.ready.Done()
	s.Lead(e.broadcast, s.LastZxid())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e.addr = ln.Addr().String()
	return e, s.Serve(ln, replica.Plain)
}

func (e *embedded) close() {
	e.Close()
	e.journal.Close()
}

// crash ends it as a kill would.
func (e *embedded) crash() {
	e.journal.Crash()
	e.Close()
}

var shared struct {
	sync.Mutex
	dir    string
	apache *apache.Server
	ours   *embedded
	err    error
}

// both returns the addresses of an Apache ZooKeeper and of an embedded server, which all
// tests share.
func both(t *testing.T) (theirs, ours string) {
	t.Helper()
	in := apachetest.Require(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.apache == nil && shared.err == nil {
		shared.err = func() (err error) {
			if shared.dir, err = os.MkdirTemp("", "zkctl-conformance-"); err != nil {
				return err
			}
			if shared.apache, err = in.Start(context.Background(), apacheOptions("")); err != nil {
				return err
			}
			shared.ours, err = startEmbedded(embeddedOptions(shared.dir))
			return err
		}()
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.apache.Addr(), shared.ours.addr
}

func TestMain(m *testing.M) {
	if os.Getenv(asJava) != "" {
		os.Exit(serveAsJava(os.Args[1:]))
	}
	code := m.Run()
	if shared.ours != nil {
		shared.ours.close()
	}
	if shared.apache != nil {
		if code != 0 {
			copyTail(shared.apache.LogFile())
		}
		if err := shared.apache.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// compare plays a script against both servers and compares what they sent.
func compare(t *testing.T, script func(p *player)) {
	t.Helper()
	theirs, ours := both(t)
	comparePair(t, theirs, ours, script)
}

func comparePair(t *testing.T, theirs, ours string, script func(p *player), options ...func(*player)) {
	t.Helper()
	var want, got []string
	var errs [2]error
	var wg sync.WaitGroup
	wg.Go(func() { want, errs[0] = play(theirs, script, options...) })
	wg.Go(func() { got, errs[1] = play(ours, script, options...) })
	wg.Wait()
	if d := diff(want, got); d != "" {
		t.Errorf("Apache ZooKeeper (-) and the embedded server (+) differ:\n%s", d)
	}
	if os.Getenv("ZKCTL_TRANSCRIPT") != "" {
		t.Log("\n" + strings.Join(got, "\n"))
	}
	for i, name := range []string{"Apache ZooKeeper", "the embedded server"} {
		if errs[i] != nil {
			t.Errorf("%s: %v", name, errs[i])
		}
	}
}

// diff shows the differing steps, each from one request to the next.
func diff(want, got []string) string {
	var out strings.Builder
	w, g := steps(want), steps(got)
	shown := 0
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a == b || changedSince380(a, b) {
			continue
		}
		if shown++; shown > 12 {
			out.WriteString("… and more\n")
			break
		}
		head, aRest, _ := strings.Cut(a, "\n")
		bHead, bRest, _ := strings.Cut(b, "\n")
		out.WriteString(head + "\n")
		if head != bHead {
			out.WriteString("(the embedded server's script is elsewhere: " + bHead + ")\n")
		}
		for line := range strings.Lines(aRest + "\n") {
			if strings.TrimSpace(line) != "" {
				out.WriteString("-" + line)
			}
		}
		for line := range strings.Lines(bRest + "\n") {
			if strings.TrimSpace(line) != "" {
				out.WriteString("+" + line)
			}
		}
	}
	return out.String()
}

func steps(lines []string) (list []string) {
	for i, line := range lines {
		// Pipelined requests are one step.
		if strings.HasPrefix(line, ">") && (i == 0 || !strings.HasPrefix(lines[i-1], ">")) || len(list) == 0 {
			list = append(list, line)
			continue
		}
		list[len(list)-1] += "\n" + line
	}
	return list
}

// copyTail shows the errors in the log of a server that may have crashed.
func copyTail(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if strings.Contains(line, "Severe unrecoverable error") || strings.Contains(line, "Digests are not matching") {
			fmt.Fprintln(os.Stderr, strings.Join(lines[i:min(len(lines), i+12)], "\n"))
			return
		}
	}
}
