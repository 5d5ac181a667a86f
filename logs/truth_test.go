//go:build linux

package logs

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/localserver"
	_ "github.com/zkctl/zkctl/localserver/apache" // for the members that are Apache's
)

// The ways in which a scripted session ends, and the verdict that is right.
var ways = map[string]string{
	"close":     closedByClient,
	"kill":      clientEnded,
	"stop":      clientPaused,
	"partition": networkLost,
	"second":    closedByHolder,
	"auth":      authenticationFailed,
	"big":       packetTooLong,
	"hasty":     closedAfterLoss,
	"open":      stillOpen,
	"password":  wrongPassword,
}

// script is one session: a client, the servers, and a way to end it.
type script struct{ client, servers, way string }

func (s script) String() string { return s.client + " on " + s.servers + ": " + s.way }

const (
	patience     = 60 * time.Second
	truthTimeout = 4 * time.Second
)

// TestScriptedTruth ends sessions of real clients in known ways, and compares the verdicts with the truth: none may be
// wrong, and at most two of twenty unknown. With ZKCTL_TRUTH=200 so many run, of which 95 % must be right.
func TestScriptedTruth(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	in := apachetest.Require(t)
	for _, file := range []string{"/usr/bin/python3", "/usr/lib/python3/dist-packages/kazoo/client.py", cClient} {
		if _, err := os.Stat(file); err != nil {
			apachetest.Missing(t, fmt.Errorf("%w; install Debian's packages python3-kazoo and zookeeper-bin", err))
		}
	}
	scripts := []script{}
	for _, way := range []string{"close", "kill", "stop", "partition", "second"} {
		scripts = append(scripts, script{"java", "apache", way}, script{"c", "apache", way}, script{"kazoo", "embedded", way})
	}
	for _, way := range []string{"auth", "hasty", "open", "password"} {
		scripts = append(scripts, script{"kazoo", "apache", way})
	}
	scripts = append(scripts, script{"kazoo", "embedded", "big"})
	most := 0
	if n, err := strconv.Atoi(os.Getenv("ZKCTL_TRUTH")); err == nil {
		scripts, most = manyScripts(n), n/20
	} else {
		most = 2
	}
	if only := os.Getenv("ZKCTL_TRUTH_ONLY"); only != "" {
		scripts = slices.DeleteFunc(scripts, func(s script) bool { return !strings.Contains(s.String(), only) })
	}
	st := newStage(t, in)
	var mu sync.Mutex
	unknown := 0
	gate := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for i, s := range scripts {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			v, text, ok := st.play(s, i)
			if !ok {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case v.Verdict == ways[s.way]:
			case v.Verdict == unknownEnd, v.Verdict == expiredSilently && v.End == endExpired:
				unknown++
				t.Logf("%s: %s\n%s", s, v.Verdict, text)
			default:
				t.Errorf("%s: the verdict is %s:\n%s", s, v.Verdict, text)
			}
		})
	}
	wg.Wait()
	t.Logf("%d of %d unknown", unknown, len(scripts))
	if unknown > most {
		t.Errorf("%d of %d verdicts are unknown", unknown, len(scripts))
	}
}

// TestTruthOfServers disturbs servers under a client: a server that is stopped for longer than the timeout, a leader that is
// missing for as long, and a limit of connections. What the servers then know of the session is the truth.
func TestTruthOfServers(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for sessions to expire")
	}
	in := apachetest.Require(t)
	if _, err := os.Stat("/usr/lib/python3/dist-packages/kazoo/client.py"); err != nil {
		apachetest.Missing(t, fmt.Errorf("%w; install Debian's package python3-kazoo", err))
	}
	for _, test := range []struct {
		name    string
		options localserver.Options
		want    string // if the session is gone
		disturb func(t *testing.T, a *act, e *localserver.Ensemble) error
	}{
		{"stands", localserver.Options{Engine: localserver.Apache}, serverPaused, func(_ *testing.T, _ *act, e *localserver.Ensemble) error {
			if err := e.Pause(); err != nil {
				return err
			}
			time.Sleep(3 * truthTimeout) // what the truth is about
			return e.Resume()
		}},
		{"leaderless", localserver.Options{Size: 3}, leaderChanged, func(t *testing.T, _ *act, e *localserver.Ensemble) error {
			for _, m := range e.Members()[:2] {
				if err := m.Kill(); err != nil {
					return err
				}
			}
			time.Sleep(2 * truthTimeout) // what the truth is about
			if err := e.Start(t.Context()); err != nil {
				return err
			}
			_, err := e.WaitLeader(t.Context())
			return err
		}},
		{"limited", localserver.Options{Engine: localserver.Apache, Properties: map[string]string{"maxClientCnxns": "2"}}, connectionLimit,
			func(_ *testing.T, a *act, e *localserver.Ensemble) error {
				a.wire.cut() // so that others come first
				a.wire.drop()
				for range 2 {
					var c *wiretest.Client
					if !await.Within(patience, func() bool { // the client's old connection may still be there
						var err error
						c, err = wiretest.Dial(e.ConnectString(), truthTimeout, nil)
						return err == nil
					}) {
						return fmt.Errorf("the server refuses all")
					}
					a.t.Cleanup(func() { c.Close() })
					go func() {
						for c.Call(proto.OpSync, &proto.PathRequest{Path: "/"}, nil) == nil {
							time.Sleep(truthTimeout / 4)
						}
					}()
				}
				a.wire.heal()
				time.Sleep(truthTimeout * 2) // what the truth is about
				return nil
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			log := filepath.Join(t.TempDir(), "server.log")
			f, err := os.Create(log)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			opt := test.options
			properties := map[string]string{"tickTime": "500", "syncLimit": "40", "initLimit": "80", "maxSessionTimeout": "4000"}
			maps.Copy(properties, opt.Properties)
			opt.Properties, opt.Log = properties, f
			e := localserver.New(t, opt)
			st := &stage{t: t, dir: t.TempDir(), java: in, servers: map[string]*localserver.Ensemble{"own": e}, logs: map[string][]string{"own": {log}}}
			if name := e.Members()[0].LogFile(); name != "" {
				st.logs["own"] = []string{name}
			}
			if st.python, err = filepath.Abs("testdata/truth/client.py"); err != nil {
				t.Fatal(err)
			}
			want := test.want
			a := &act{stage: st, script: script{"kazoo", "own", "disturbed"}}
			v, text, ok := st.perform(a, 0, func() error {
				if err := test.disturb(t, a, e); err != nil {
					return err
				}
				// Either the client comes back, or it learns that it is too late.
				gone := false
				if !await.Within(patience, func() bool {
					gone = !a.known(a.wire.session())
					return gone || a.back()
				}) {
					return fmt.Errorf("neither gone nor back")
				}
				if gone {
					return nil
				}
				want = stillOpen
				return a.later(nil)
			})
			if !ok {
				return
			}
			if v.Verdict != want {
				t.Logf("%s: %s\n%s", want, v.Verdict, text)
			}
			if v.Verdict != want && v.Verdict != unknownEnd && (v.Verdict != expiredSilently || want == stillOpen) {
				t.Errorf("the truth is %s, and the verdict %s:\n%s", want, v.Verdict, text)
			}
		})
	}
}

// back reports whether the client has its session again.
func (a *act) back() bool {
	b, _ := os.ReadFile(a.log)
	lost := strings.LastIndex(string(b), "connection lost")
	return lost >= 0 && strings.LastIndex(string(b), "connection established") > lost
}

// manyScripts is every way with every client that can go it, on both kinds of servers, over and over.
func manyScripts(n int) (list []script) {
	for len(list) < n {
		for _, servers := range []string{"apache", "embedded"} {
			for way := range ways {
				for _, client := range []string{"kazoo", "c", "java"} {
					if client != "kazoo" && slices.Contains([]string{"auth", "big", "hasty"}, way) {
						continue
					}
					list = append(list, script{client, servers, way})
				}
			}
		}
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:n]
}

const cClient = "/usr/lib/zookeeper/bin/cli_mt"

// stage has the servers that all scripts share.
type stage struct {
	t       *testing.T
	dir     string
	java    *apache.Installation
	python  string // the script of the kazoo client
	servers map[string]*localserver.Ensemble
	logs    map[string][]string
}

func newStage(t *testing.T, in *apache.Installation) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), java: in, servers: map[string]*localserver.Ensemble{}, logs: map[string][]string{}}
	embedded := filepath.Join(s.dir, "embedded.log")
	f, err := os.Create(embedded)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if s.python, err = filepath.Abs("testdata/truth/client.py"); err != nil {
		t.Fatal(err)
	}
	properties := map[string]string{"tickTime": "500", "syncLimit": "40", "initLimit": "80", "minSessionTimeout": "1000", "maxSessionTimeout": "4000"}
	s.servers["apache"] = localserver.New(t, localserver.Options{Size: 3, Engine: localserver.Apache, Properties: properties})
	s.servers["embedded"] = localserver.New(t, localserver.Options{Size: 3, Properties: properties, Log: f})
	s.logs["embedded"] = []string{embedded}
	for _, m := range s.servers["apache"].Members() {
		s.logs["apache"] = append(s.logs["apache"], m.LogFile())
	}
	return s
}

// act is a script that is played.
type act struct {
	*stage
	script
	wire    *wire
	cmd     *exec.Cmd
	in      io.WriteCloser
	log     string
	sources []string
}

// play plays a script to its end, and returns the verdict and what a person would read; ok is false if the test has failed.
func (s *stage) play(sc script, n int) (v found, text string, ok bool) {
	a := &act{stage: s, script: sc}
	return s.perform(a, n, a.end)
}

// perform starts the client of an act, ends its session, and judges.
func (s *stage) perform(a *act, n int, end func() error) (v found, text string, ok bool) {
	t, e, sc := s.t, s.servers[a.script.servers], a.script
	members := e.Members()
	a.log = filepath.Join(s.dir, fmt.Sprintf("client%d.log", n))
	var err error
	var targets []string
	for i := range members {
		targets = append(targets, members[(n+i)%len(members)].Addr())
	}
	if a.wire, err = newWire(targets); err != nil {
		t.Error(err)
		return v, text, false
	}
	defer a.wire.close()
	if err := a.start(); err != nil {
		t.Error(sc, err)
		return v, text, false
	}
	defer func() {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
	}()
	if !await.Within(patience, func() bool { return a.wire.session() != 0 && a.ready() }) {
		t.Errorf("%s: no session", sc)
		return v, text, false
	}
	time.Sleep(time.Duration(200+rand.IntN(600)) * time.Millisecond) // anywhere between two pings
	if err := end(); err != nil {
		t.Errorf("%s: %v", sc, err)
		return v, text, false
	}
	a.sources = append([]string{a.log}, s.logs[sc.servers]...)
	for _, m := range members {
		a.sources = append(a.sources, m.DataDir())
	}
	return a.judge()
}

// start starts the client, with a log.
func (a *act) start() (err error) {
	addr := a.wire.addr()
	switch a.client {
	case "kazoo":
		a.cmd = exec.Command("/usr/bin/python3", a.python, addr, fmt.Sprint(truthTimeout.Seconds()), a.way)
	case "c":
		a.cmd = exec.Command(cClient, "-d", "-h", addr)
	case "java":
		config := filepath.Join(a.dir, "log4j.properties")
		if err := os.WriteFile(config, []byte(javaLog), 0o600); err != nil {
			return err
		}
		a.cmd = exec.Command(a.java.Java, "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dlog4j.configuration=file:"+config,
			"-cp", strings.Join(a.java.ServerClassPath, string(os.PathListSeparator)), "org.apache.zookeeper.ZooKeeperMain",
			"-timeout", fmt.Sprint(truthTimeout.Milliseconds()), "-server", addr)
	}
	log, err := os.Create(a.log)
	if err != nil {
		return err
	}
	defer log.Close()
	a.cmd.Stderr = log
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		return err
	}
	return a.cmd.Start()
}

const javaLog = `log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.target=System.err
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} [myid:%X{myid}] - %-5p [%t:%C{1}@%L] - %m%n
`

// ready reports whether the client's log tells that it has its session.
func (a *act) ready() bool {
	b, _ := os.ReadFile(a.log)
	for _, sign := range []string{"Session establishment complete", "session establishment complete", "app: session 0x"} {
		if strings.Contains(string(b), sign) {
			return true
		}
	}
	return false
}

func (a *act) say(word string) error {
	_, err := io.WriteString(a.in, word+"\n")
	return err
}

// end ends the session in its way, and waits until the servers and the client know.
func (a *act) end() error {
	id := a.wire.session()
	gone := func() error {
		if !await.Within(patience, func() bool { return !a.known(id) }) {
			return fmt.Errorf("session %#x does not end", uint64(id))
		}
		return nil
	}
	told := func(words ...string) error {
		if !await.Within(patience, func() bool {
			b, _ := os.ReadFile(a.log)
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(string(b), w) })
		}) {
			return fmt.Errorf("the client does not say %q", words)
		}
		return nil
	}
	const over = "has expired"
	switch a.way {
	case "close":
		word := map[string]string{"kazoo": "close", "c": "quit", "java": "quit"}[a.client]
		if err := a.say(word); err != nil {
			return err
		}
		_ = a.cmd.Wait()
		return gone()
	case "kill":
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
		return gone()
	case "stop":
		if err := a.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		if err := gone(); err != nil {
			return err
		}
		time.Sleep(time.Duration(1500+rand.IntN(1500)) * time.Millisecond) // what the truth is about
		if err := a.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		return told(over)
	case "partition":
		a.wire.cut()
		if err := gone(); err != nil {
			return err
		}
		a.wire.heal()
		return told(over)
	case "second":
		if err := a.second(func(c *wiretest.Client) error { return c.Call(proto.OpCloseSession, nil, nil) }); err != nil {
			return err
		}
		if err := gone(); err != nil {
			return err
		}
		return told(over)
	case "auth":
		if err := a.say("auth"); err != nil {
			return err
		}
		if err := told("AUTH_FAILED"); err != nil {
			return err
		}
		return gone()
	case "big":
		if err := a.say("big"); err != nil {
			return err
		}
		return a.later(told("big: "))
	case "hasty":
		a.wire.drop()
		if err := told("session closed, state: CLOSED", "CLOSED"); err != nil {
			return err
		}
		return gone()
	case "password":
		old := &wiretest.Client{ID: id, Passwd: make([]byte, 16)}
		if c, err := wiretest.Dial(a.servers0(), truthTimeout, old); err == nil {
			c.Close()
			return fmt.Errorf("a wrong password is accepted")
		}
		return nil
	case "open":
		return a.later(nil)
	}
	return fmt.Errorf("unknown way %q", a.way)
}

// later lets another session write a transaction after all that was.
func (a *act) later(err error) error {
	if err != nil {
		return err
	}
	time.Sleep(1200 * time.Millisecond) // longer than clocks may differ
	c, err := wiretest.Dial(a.servers0(), truthTimeout, nil)
	if err != nil {
		return err
	}
	return c.End()
}

// servers0 is a member that the client is not connected to.
func (a *act) servers0() string {
	for _, m := range a.stage.servers[a.script.servers].Members() {
		if m.Addr() != a.wire.last() {
			return m.Addr()
		}
	}
	return a.wire.last()
}

// second takes the session over with another connection, which another handle may have.
func (a *act) second(do func(*wiretest.Client) error) error {
	old := &wiretest.Client{ID: a.wire.session(), Passwd: a.wire.password(), Xid: 100}
	c, err := wiretest.Dial(a.servers0(), truthTimeout, old)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}

// known reports whether a member knows the session.
func (a *act) known(id int64) bool {
	ctx, cancel := context.WithTimeout(a.t.Context(), 5*time.Second)
	defer cancel()
	for _, m := range a.stage.servers[a.script.servers].Members() {
		text, err := localserver.FourLetterWord(ctx, m.Addr(), "dump", nil)
		if err != nil || strings.Contains(strings.ToLower(text), proto.Hex(id)) {
			return true
		}
	}
	return false
}

// judge returns the verdict, and what a person would read.
func (a *act) judge() (v found, text string, ok bool) {
	args := append([]string{proto.Hex(a.wire.session())}, a.sources...)
	return verdictOf(a.t, args...), runTraceIn(a.t, Members{}, "", args...).out, true
}

// wire is the network between a client and the servers.
type wire struct {
	lns    []net.Listener
	to     string // the server that answered last
	mu     sync.Mutex
	wait   *sync.Cond
	isCut  bool
	closed bool
	conns  []net.Conn
	id     int64
	passwd []byte
}

func newWire(targets []string) (*wire, error) {
	w := &wire{}
	w.wait = sync.NewCond(&w.mu)
	for _, to := range targets {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.close()
			return nil, err
		}
		w.lns = append(w.lns, ln)
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go w.carry(c, to)
			}
		}()
	}
	return w, nil
}

func (w *wire) addr() string {
	var list []string
	for _, ln := range w.lns {
		list = append(list, ln.Addr().String())
	}
	return strings.Join(list, ",")
}

func (w *wire) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to
}

func (w *wire) carry(c net.Conn, to string) {
	if !w.pass() {
		c.Close()
		return
	}
	s, err := net.Dial("tcp", to)
	if err != nil {
		c.Close()
		return
	}
	w.mu.Lock()
	w.conns, w.to = append(w.conns, c, s), to
	w.mu.Unlock()
	go w.copy(s, c, nil)
	w.copy(c, s, w.sniff)
}

// copy carries what arrives, unless the wire is cut: then it waits.
func (w *wire) copy(dst, src net.Conn, look func([]byte)) {
	defer dst.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := src.Read(b)
		if n > 0 {
			if !w.pass() {
				return
			}
			if look != nil {
				look(b[:n])
				look = nil
			}
			if _, err := dst.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			w.pass()
			return
		}
	}
}

// sniff reads the session and its password from the server's first answer.
func (w *wire) sniff(b []byte) {
	if len(b) < 40 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := int64(binary.BigEndian.Uint64(b[12:])); id != 0 && w.id == 0 {
		w.id, w.passwd = id, slices.Clone(b[24:40])
	}
}

func (w *wire) session() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.id
}

func (w *wire) password() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passwd
}

// pass waits while the wire is cut; it returns false once it is closed.
func (w *wire) pass() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.isCut && !w.closed {
		w.wait.Wait()
	}
	return !w.closed
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
}

func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = false
	w.wait.Broadcast()
}

// drop closes all connections.
func (w *wire) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	w.wait.Broadcast()
	w.mu.Unlock()
	for _, ln := range w.lns {
		ln.Close()
	}
	w.drop()
}
