//go:build unix

package cmd

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sasl/kdctest"
)

// cell is one combination of the matrix: what a client does with a server, by a mechanism, in a
// situation.
type cell struct{ client, server, mechanism, situation string }

func (c cell) String() string {
	return c.client + "/" + c.server + "/" + c.mechanism + "/" + strings.ReplaceAll(c.situation, " ", "-")
}

// The factors of the matrix. A situation says whether the client is served.
var (
	matrixClients    = []string{"zkctl", "zkCli", "kazoo"}
	matrixServers    = []string{"Apache", "embedded"}
	matrixMechanisms = []string{"DIGEST-MD5", "GSSAPI"}
	situations       = []situation{
		{"good", true, false}, {"wrong password", false, false}, {"lost connection", true, false}, {"server restart", true, false},
		{"no ticket", false, true}, {"expired ticket", false, true}, {"wrong SPN", false, true}, {"skew", false, true},
	}
)

type situation struct {
	name     string
	served   bool
	kerberos bool // only there
}

// matrixCells returns all cells or, unless MATRIX is all, enough to have each pair of values
// of two factors in at least one.
func matrixCells() []cell {
	var all []cell
	for _, s := range situations {
		for _, m := range matrixMechanisms {
			for _, server := range matrixServers {
				for _, c := range matrixClients {
					if m == "GSSAPI" || !s.kerberos {
						all = append(all, cell{c, server, m, s.name})
					}
				}
			}
		}
	}
	if os.Getenv("MATRIX") == "all" {
		return all
	}
	pairs := func(c cell) (list []string) {
		values := []string{"c" + c.client, "s" + c.server, "m" + c.mechanism, "i" + c.situation}
		for i, a := range values {
			for _, b := range values[i+1:] {
				list = append(list, a+"+"+b)
			}
		}
		return list
	}
	var chosen []cell
	covered := map[string]bool{}
	for {
		best, most := cell{}, 0
		for _, c := range all {
			n := 0
			for _, p := range pairs(c) {
				if !covered[p] {
					n++
				}
			}
			if n > most {
				best, most = c, n
			}
		}
		if most == 0 {
			return chosen
		}
		chosen = append(chosen, best)
		for _, p := range pairs(best) {
			covered[p] = true
		}
	}
}

// matrix is what the cells share: the KDC, and a server for each kind and mechanism.
type matrix struct {
	kdc     *kdctest.KDC
	in      *apache.Installation
	servers map[string]*matrixServer
	kazoo   string // the script
}

type matrixServer struct {
	*apache.Server
	proxy *cutter
}

// cutter passes connections on to a server until they are cut.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newCutter(t *testing.T, to string) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l}
	t.Cleanup(func() { _ = l.Close(); c.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, in, out)
			c.mu.Unlock()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
		}
	}()
	return c
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

const (
	treasure      = "the-treasure"
	digestSecret  = "p4ss w$rd"
	kerberosLogin = "com.sun.security.auth.module.Krb5LoginModule required "
	digestLogin   = "org.apache.zookeeper.server.auth.DigestLoginModule required "
)

func newMatrix(t *testing.T, cells []cell) *matrix {
	m := &matrix{kdc: kdctest.Start(t), in: apachetest.Require(t), servers: map[string]*matrixServer{}}
	k := m.kdc
	k.Add(t, "joe", "s3cret")
	k.Kinit(t, "joe", "s3cret", filepath.Join(k.Dir, "old.ccache"), "-l", "1s")
	k.Kinit(t, "joe", "s3cret", filepath.Join(k.Dir, "good.ccache"))
	k.Keytab(t, "outdated.keytab", "mallory")
	k.Run(t, "", "kadmin.local", "-r", kdctest.Realm, "-q", "change_password -pw x mallory")
	keytab := k.Keytab(t, "server.keytab", "zookeeper/localhost")
	k.Keytab(t, "hbase.keytab", "hbase/localhost") // known to the KDC, not to the server
	m.kazoo = writeFile(t, "client.py", kazooClient, 0o600)
	for _, c := range cells {
		key := c.server + c.mechanism
		if m.servers[key] != nil {
			continue
		}
		module := digestLogin + `user_joe="` + digestSecret + `"`
		if c.mechanism == "GSSAPI" {
			module = kerberosLogin + `useKeyTab=true keyTab="` + keytab + `" storeKey=true useTicketCache=false principal="zookeeper/localhost"`
		}
		jaas := writeFile(t, "server.conf", "Server {\n"+module+";\n};\n", 0o600)
		in := *m.in
		in.Instead = nil
		if c.server == "embedded" {
			in.Instead = func(config string, jvm []string) *exec.Cmd {
				cmd, _ := process(t, "server", "start-foreground", config)
				cmd.Env = append(cmd.Env, "SERVER_JVMFLAGS="+strings.Join(jvm, " "))
				return cmd
			}
		}
		s, err := in.Start(t.Context(), apache.Options{TickTime: 500 * time.Millisecond, JVM: []string{
			"-Djava.security.auth.login.config=" + jaas, "-Djava.security.krb5.conf=" + k.Conf,
			"-Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the log of the %s server for %s ends:\n%s", c.server, c.mechanism, s.LogTail())
			}
			_ = s.Stop()
		})
		m.servers[key] = &matrixServer{s, newCutter(t, s.Addr())}
		id := "joe"
		if c.mechanism == "GSSAPI" {
			id += "@" + kdctest.Realm
		}
		conn, err := client.Open(client.Config{Servers: s.Addr(), Wait: true})
		if err != nil {
			t.Fatal(err)
		}
		acl := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "sasl", ID: id}}}
		if _, _, err := conn.Create(t.Context(), "/secret", []byte(treasure), acl, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	return m
}

// kazooClient reads a znode for each line, and prints its data.
const kazooClient = `
import json, sys
from kazoo.client import KazooClient
zk = KazooClient(hosts=sys.argv[1], timeout=5, sasl_options=json.loads(sys.argv[2]))
zk.start(timeout=20)
for line in sys.stdin:
    if not line.startswith("get"):
        break
    print(zk.retry(zk.get, line.split()[1])[0].decode(), flush=True)
zk.stop()
`

// login returns the client's JAAS module, or the system property to name another service, and the
// cache of tickets.
func (m *matrix) login(t *testing.T, c cell) (module, service, cache string) {
	good, err := os.ReadFile(filepath.Join(m.kdc.Dir, "good.ccache"))
	if err != nil {
		t.Fatal(err)
	}
	cache = writeFile(t, "joe.ccache", string(good), 0o600) // clients add tickets to theirs
	service = "zookeeper"
	password := digestSecret
	switch c.situation {
	case "no ticket", "wrong password":
		password = "wr0ng"
		cache = filepath.Join(m.kdc.Dir, "none.ccache")
	case "expired ticket":
		cache = filepath.Join(m.kdc.Dir, "old.ccache")
	case "wrong SPN":
		service = "hbase"
	}
	switch {
	case c.mechanism == "DIGEST-MD5":
		module = digestLogin + `username="joe" password="` + password + `"`
	case c.situation == "wrong password":
		module = kerberosLogin + `useKeyTab=true keyTab="` + filepath.Join(m.kdc.Dir, "outdated.keytab") + `" principal="mallory" doNotPrompt=true`
	default:
		module = kerberosLogin + `useTicketCache=true ticketCache="` + cache + `" doNotPrompt=true`
	}
	return module, service, cache
}

// command prepares the client of a cell, which reads commands from its standard input.
func (m *matrix) command(t *testing.T, c cell, addr string) *exec.Cmd {
	module, service, cache := m.login(t, c)
	_, port, _ := net.SplitHostPort(addr)
	addr = "localhost:" + port
	jaas := writeFile(t, "client.conf", "Client {\n"+module+";\n};\n", 0o600)
	flags := []string{"-Djava.security.auth.login.config=" + jaas, "-Djava.security.krb5.conf=" + m.kdc.Conf,
		"-Dzookeeper.sasl.client.username=" + service, "-Dzookeeper.sasl.client.canonicalize.hostname=false"}
	switch c.client {
	case "zkctl": // configured as zkCli.sh is
		args := []string{"-server", addr, "-timeout", "10000"}
		if c.situation == "server restart" {
			args = append(args, "-waitforconnection", "-keep-going")
		}
		cmd, _ := process(t, args...)
		cmd.Env = append(cmd.Env, "CLIENT_JVMFLAGS="+strings.Join(flags, " "))
		return cmd
	case "zkCli":
		in := *m.in
		in.ToolJVM = append(slices.Clone(in.ToolJVM), flags...)
		return in.ZkCliCommand(t.Context(), "-server", addr, "-timeout", "10000")
	}
	options := fmt.Sprintf(`{"mechanism": "GSSAPI", "service": "%s"}`, service)
	if c.mechanism == "DIGEST-MD5" {
		_, password, _ := strings.Cut(module, `password="`)
		options = fmt.Sprintf(`{"mechanism": "DIGEST-MD5", "username": "joe", "password": "%s"}`, strings.TrimSuffix(password, `"`))
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", m.kazoo, addr, options)
	keytab := filepath.Join(m.kdc.Dir, "none.keytab")
	if c.situation == "wrong password" {
		keytab = filepath.Join(m.kdc.Dir, "outdated.keytab")
	}
	cmd.Env = append(m.kdc.Env(), "KRB5CCNAME="+cache, "KRB5_CLIENT_KTNAME="+keytab)
	return cmd
}

// TestSASLMatrix has every client meet every server, with both mechanisms, in good and in bad
// situations. make matrix runs all cells.
func TestSASLMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("the servers of this test are its own; -short runs repeat the tests on another")
	}
	if _, err := os.Stat("/usr/lib/python3/dist-packages/puresasl"); err != nil {
		apachetest.Missing(t, fmt.Errorf("kazoo's SASL: %w; scripts/install-clients.sh installs it", err))
	}
	cells := matrixCells()
	m := newMatrix(t, cells)
	for _, c := range cells {
		t.Run(c.String(), func(t *testing.T) { m.run(t, c) })
	}
}

// expected is what zkctl says in a situation; %s is the KDC's folder.
var expected = map[string]string{
	"DIGEST-MD5wrong password": `the server refused the SASL identity "joe" (DIGEST-MD5): the server does not know the user, or the password is wrong`,
	"GSSAPIwrong password":     "the key of mallory@EXAMPLE.COM in keytab %s/outdated.keytab is not that of the KDC",
	"GSSAPIno ticket":          "no Kerberos ticket: credential cache %s/none.ccache does not exist; run kinit",
	"GSSAPIexpired ticket":     "the Kerberos ticket of joe@EXAMPLE.COM in credential cache %s/old.ccache expired at ",
	"GSSAPIwrong SPN":          `the server refused the SASL identity joe@EXAMPLE.COM (GSSAPI): the server may not have the key of hbase/localhost@EXAMPLE.COM`,
	"GSSAPIskew":               "clock skew: the clock of the KDC of EXAMPLE.COM is ",
}

func (m *matrix) run(t *testing.T, c cell) {
	server := m.servers[c.server+c.mechanism]
	i := slices.IndexFunc(situations, func(s situation) bool { return s.name == c.situation })
	switch c.situation {
	case "expired ticket":
		await.That(t, 10*time.Second, "the end of the ticket", func() bool {
			klist := exec.Command(kdctest.Tool(t, "klist"), "-s", "-c", filepath.Join(m.kdc.Dir, "old.ccache"))
			klist.Env = m.kdc.Env()
			return klist.Run() != nil
		})
	case "skew":
		m.kdc.Stop()
		m.kdc.Ahead = 20 * time.Minute
		m.kdc.Launch(t)
		defer func() {
			m.kdc.Stop()
			m.kdc.Ahead = 0
			m.kdc.Launch(t)
		}()
	}
	cmd := m.command(t, c, server.proxy.Addr().String())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := &watchedBuffer{changed: make(chan struct{}, 1)}
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	report := func(format string, args ...any) {
		t.Helper()
		t.Errorf(format+"\nstdout: %s\nstderr: %s", append(args, out.String(), errs.String())...)
	}
	reads := func(n int) bool { // the znode was read that often
		deadline := time.After(40 * time.Second)
		ask := time.NewTimer(0) // again and again: zkCli gives up a command that meets the loss of a connection
		for strings.Count(out.String(), treasure) < n {
			select {
			case <-ask.C:
				fmt.Fprintln(stdin, "get /secret")
				ask.Reset(3 * time.Second)
			case <-out.changed:
			case <-ended:
				return strings.Count(out.String(), treasure) >= n
			case <-deadline:
				return false
			}
		}
		return true
	}
	if !situations[i].served {
		fmt.Fprintln(stdin, "get /secret")
		fmt.Fprintln(stdin, "quit")
		_ = stdin.Close()
		select {
		case <-ended:
		case <-time.After(60 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
			if c.client == "zkctl" {
				report("the client does not end")
			}
		}
		if strings.Contains(out.String(), treasure) {
			report("the client is served")
		}
		if want := strings.ReplaceAll(expected[c.mechanism+c.situation], "%s", m.kdc.Dir); c.client == "zkctl" && (want == "" || !strings.Contains(errs.String(), want)) {
			report("stderr does not say %q", want)
		}
		if text := out.String() + errs.String(); c.client == "zkctl" && (strings.Contains(text, "wr0ng") || strings.Contains(text, digestSecret)) {
			report("the password is revealed")
		}
		return
	}
	if !reads(1) {
		report("the client is not served")
	}
	again := true
	switch c.situation {
	case "lost connection":
		server.proxy.cut()
	case "server restart":
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	default:
		again = false
	}
	if again && !t.Failed() && !reads(strings.Count(out.String(), treasure)+1) {
		report("the client is not served again")
	}
	fmt.Fprintln(stdin, "quit")
	_ = stdin.Close()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
}

// watchedBuffer collects output and says when there is more.
type watchedBuffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{}
}

func (w *watchedBuffer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return w.b.Write(p)
}

func (w *watchedBuffer) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}
