package ensemble

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// embedded starts an ensemble of embedded members with more lines in zoo.cfg.
func embedded(t *testing.T, size int, properties map[string]string) *localserver.Ensemble {
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

// followerOf returns a member that does not lead, once there is a leader.
func followerOf(t *testing.T, e *localserver.Ensemble) *localserver.Member {
	t.Helper()
	leader, err := e.WaitLeader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	members := e.Members()
	return members[slices.IndexFunc(members, func(m *localserver.Member) bool { return m != leader })]
}

// output is what a verb printed, and its exit code.
type output struct {
	out, err string
	code     int
}

// run runs a verb on servers.
func run(t *testing.T, construct func(*ui.Streams, Connect) *cobra.Command, servers string, args ...string) output {
	t.Helper()
	return runWith(t, construct, client.Config{Servers: servers, SessionTimeout: 10 * time.Second}, args...)
}

func runWith(t *testing.T, construct func(*ui.Streams, Connect) *cobra.Command, cfg client.Config, args ...string) output {
	t.Helper()
	var out, errs bytes.Buffer
	s := &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Width: 80}
	connect := func() (client.Config, error) { return cfg, nil }
	verb := command.Verb{Name: "verb", New: func(env *command.Env) *cobra.Command { return construct(env.Streams, connect) }}
	err := verb.Run(t.Context(), &command.Env{Streams: s}, args)
	o := output{out: out.String(), err: errs.String()}
	if err != nil {
		o.code = ui.ExitFailed
		var exit *ui.ExitError
		if errors.As(err, &exit) {
			o.code = exit.Code
		}
		o.err += err.Error()
	}
	return o
}

// status is the object of status -o json.
type status struct {
	Quorum    *bool
	Voters    *int64
	Serving   int64
	Tolerates *int64
	Leader    string
	Verdict   string
	Problems  []string
	Members   []struct {
		ID       *int64
		Address  string
		State    string
		Mode     *string
		Zxid     *string
		Lag      *int64
		Sessions *int64
		Uptime   *int64
		Version  *string
		Doors    []string
	}
}

func statusOf(t *testing.T, servers string, args ...string) (status, output) {
	t.Helper()
	o := run(t, newCommand, servers, append([]string{"status", "-o", "json"}, args...)...)
	var s status
	if err := json.Unmarshal([]byte(o.out), &s); err != nil {
		t.Fatalf("%v: %q, %q", err, o.out, o.err)
	}
	return s, o
}

// One address leads to all members, and what happens to them is shown.
func TestStatusOfEmbeddedMembers(t *testing.T) {
	for name, properties := range map[string]map[string]string{
		"all words": nil,
		"only srvr": {"4lw.commands.whitelist": "srvr"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := embedded(t, 3, properties)
			first := e.Members()[0].Addr()
			s, o := statusOf(t, first, "--admin-port", "0")
			if o.code != 0 || len(s.Members) != 3 || s.Quorum == nil || !*s.Quorum || *s.Tolerates != 1 || *s.Voters != 3 || len(s.Problems) > 0 {
				t.Errorf("%d, %s%s", o.code, o.out, o.err)
			}
			for i, m := range s.Members {
				if m.ID == nil || *m.ID != int64(i+1) || m.State != "serving" || m.Lag == nil || *m.Lag != 0 || !slices.Equal(m.Doors, []string{"4lw"}) {
					t.Errorf("member %d: %+v", i+1, m)
				}
				if open := properties == nil; open != (m.Sessions != nil) || open != (m.Uptime != nil) {
					t.Errorf("member %d knows sessions %v, uptime %v", i+1, m.Sessions, m.Uptime)
				}
			}
			leader, err := e.Leader(t.Context())
			if err != nil || s.Leader != leader.Addr() {
				t.Errorf("leader %q", s.Leader)
			}

			var victim *localserver.Member
			for _, m := range e.Members()[1:] {
				if m != leader {
					victim = m
				}
			}
			if err := victim.Kill(); err != nil {
				t.Fatal(err)
			}
			s, o = statusOf(t, first, "--admin-port", "0")
			if o.code != 0 || *s.Tolerates != 0 || s.Serving != 2 || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "down") {
				t.Errorf("%d, %s%s", o.code, o.out, o.err)
			}
			if err := leader.Pause(); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			s, o = statusOf(t, e.ConnectString(), "--admin-port", "0", "--timeout", "700ms")
			if o.code == 0 || s.Serving == 3 || time.Since(start) > 3*time.Second {
				t.Errorf("%d, %s%s, after %v", o.code, o.out, o.err, time.Since(start))
			}
			if err := leader.Resume(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestStatusAsText(t *testing.T) {
	e := embedded(t, 1, map[string]string{"4lw.commands.whitelist": "srvr"})
	addr := e.Members()[0].Addr()
	o := run(t, newCommand, addr, "status", "--admin-port", "0")
	for _, want := range []string{"ID  ADDRESS", addr + "  standalone  0x0", "one server that runs alone", "only srvr is open at " + addr} {
		if !strings.Contains(o.out, want) {
			t.Errorf("%q lacks %q", o.out, want)
		}
	}
	o = run(t, newCommand, addr, "status", "--members", "127.0.0.1:1", "--timeout", "1s")
	if o.code != ui.ExitFailed || !strings.Contains(o.out, "127.0.0.1:1 is down: connection refused") {
		t.Errorf("%+v", o)
	}
	for _, args := range [][]string{{"--members", "a:b"}, {"--members", "a:1/x"}, {"--admin-port", "x"}, {"--timeout", "0s"}, {"-o", "xml"}} {
		if o := run(t, newCommand, addr, append([]string{"status"}, args...)...); o.code != exitUnknown || o.out != "" {
			t.Errorf("%v: %+v", args, o)
		}
	}
}

// dial asks as nc does.
func dial(t *testing.T, addr, word string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, word)
	text, _ := io.ReadAll(c)
	return string(text)
}

func TestWords(t *testing.T) {
	e := embedded(t, 3, nil)
	addr := e.Members()[0].Addr()
	if o := run(t, newWordCommand, addr, "mntr", "--match", "^zk_server_state"); o.code != 0 || o.out != dial(t, addr, "mntr")[strings.Index(dial(t, addr, "mntr"), "zk_server_state"):][:len(o.out)] {
		t.Errorf("%+v", o)
	}
	o := run(t, newWordCommand, addr, "mntr", "--all", "--columns", "--match", "zk_(server_state|znode_count)$")
	if lines := strings.Split(strings.TrimSpace(o.out), "\n"); o.code != 0 || len(lines) != 3 || strings.Count(lines[1], "follower") != 2 || strings.Count(lines[1], "leader") != 1 || len(strings.Fields(lines[2])) != 4 {
		t.Errorf("%+v", o)
	}
	o = run(t, newWordCommand, e.ConnectString(), "ruok")
	if o.code != 0 || strings.Count(o.out, "imok\n") != 3 || strings.Count(o.out, "==> ") != 3 {
		t.Errorf("%+v", o)
	}
	o = run(t, newWordCommand, addr, "srvr", "--member", "2,3", "-o", "json")
	var doc struct {
		Word    string
		Members []struct {
			ID     int64
			Door   string
			Answer struct{ Mode string }
		}
	}
	if err := json.Unmarshal([]byte(o.out), &doc); err != nil || len(doc.Members) != 2 || doc.Members[1].ID != 3 || doc.Members[0].Door != "4lw" || doc.Members[0].Answer.Mode == "" {
		t.Errorf("%v: %+v", err, o)
	}
	if o := run(t, newWordCommand, addr, "stmk", "0x132", "-y"); o.code != 0 || o.out != "306" {
		t.Errorf("%+v", o)
	}
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"srst"}, "confirm it with -y"},
		{[]string{"mnt"}, "did you mean mntr?"},
		{[]string{"stmk"}, "missing mask, such as"},
		{[]string{"srvr", "x"}, "unexpected argument"},
		{[]string{"wchs", "--columns"}, "has no names and values"},
		{[]string{"srvr", "--member", "9"}, "has the members 1, 2, 3"},
		{[]string{"srvr", "--raw", "--match", "x"}, "--raw"},
		{[]string{"srvr", "--match", "("}, "--match"},
		{[]string{"srvr", "--all", "--members", addr}, "exclude each other"},
	} {
		if o := run(t, newWordCommand, addr, test.args...); o.code != ui.ExitFailed || o.out != "" || !strings.Contains(o.err, test.says) {
			t.Errorf("%v: %+v, want %q", test.args, o, test.says)
		}
	}
	if o := run(t, newWordCommand, "127.0.0.1:1", "srvr", "-o", "json"); o.code != ui.ExitFailed || !strings.Contains(o.out, `"answer":null,"error":"connection refused"`) {
		t.Errorf("%+v", o)
	}
	for _, args := range [][]string{{"srvr"}, {"srvr", "--raw"}} {
		if o := run(t, newWordCommand, "127.0.0.1:1", args...); o.code != ui.ExitFailed || strings.TrimSpace(o.err) != "127.0.0.1:1: connection refused" {
			t.Errorf("%q: %+v", args, o)
		}
	}
}

func TestRefusedWord(t *testing.T) {
	e := embedded(t, 1, map[string]string{"4lw.commands.whitelist": "srvr"})
	addr := e.Members()[0].Addr()
	o := run(t, newWordCommand, addr, "mntr", "--admin-port", "1")
	if o.code != exitUnknown || o.out != "" || !strings.Contains(o.err, "add mntr to that list") || !strings.Contains(o.err, "--admin-port") {
		t.Errorf("%+v", o)
	}
	if o := run(t, newWordCommand, addr, "stmk", "0x132", "-y"); o.code != exitUnknown || !strings.Contains(o.err, "zkctl admin set_trace_mask traceMask=306") {
		t.Errorf("%+v", o)
	}
	if o := run(t, newWordCommand, addr, "mntr", "--raw"); o.code != 0 || o.out != dial(t, addr, "mntr") {
		t.Errorf("%+v", o)
	}
}

// apaches are three members of Apache ZooKeeper with their AdminServers.
type apaches struct {
	servers []*apache.Server
	connect string
	admin   string // ports, as --admin-port takes them
}

func startApaches(t *testing.T, properties map[string]string) *apaches {
	t.Helper()
	in := withJetty(t)
	e, err := apachetest.NewEnsemble(3)
	if err != nil {
		t.Fatal(err)
	}
	a := &apaches{servers: make([]*apache.Server, 3)}
	var admin, connect []string
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range 3 {
		n, err := port.Free()
		if err != nil {
			t.Fatal(err)
		}
		admin = append(admin, strconv.Itoa(n))
		lines := map[string]string{"admin.enableServer": "true", "admin.serverPort": strconv.Itoa(n), "4lw.commands.whitelist": "srvr,envi"}
		for key, value := range properties {
			lines[key] = value
		}
		wg.Go(func() {
			a.servers[i], errs[i] = e.StartMember(t.Context(), in, int64(i+1), apache.Options{Dir: t.TempDir(), TickTime: time.Second, Properties: lines})
		})
	}
	wg.Wait()
	t.Cleanup(func() {
		for _, s := range a.servers {
			if s != nil {
				_ = s.Stop()
			}
		}
	})
	for i, s := range a.servers {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		connect = append(connect, s.Addr())
	}
	a.connect, a.admin = strings.Join(connect, ","), strings.Join(admin, ",")
	return a
}

// withJetty adds to Debian's ZooKeeper what its AdminServer needs.
func withJetty(t *testing.T) *apache.Installation {
	t.Helper()
	in := *apachetest.Require(t)
	if os.Getenv("ZOOKEEPER_HOME") != "" {
		return &in
	}
	in.ServerClassPath = slices.Clone(in.ServerClassPath)
	for _, name := range []string{"jetty9-server", "jetty9-servlet", "jetty9-http", "jetty9-io", "jetty9-util", "jetty9-util-ajax",
		"jetty9-security", "servlet-api", "jackson-core", "jackson-databind", "jackson-annotations"} {
		jar := filepath.Join(apache.DebianJars, name+".jar")
		if _, err := os.Stat(jar); err != nil {
			t.Skipf("Apache's AdminServer cannot run: %v (Debian: apt-get install libjetty9-java libjackson2-databind-java)", err)
		}
		in.ServerClassPath = append(in.ServerClassPath, jar)
	}
	return &in
}

// With the default whitelist the AdminServer reports the rest.
func TestApacheMembersByDefault(t *testing.T) {
	t.Parallel()
	a := startApaches(t, nil)
	d := doors{servers: strings.Split(a.connect, ","), admin: a.admin, admins: true}
	t.Run("AdminServer on", d.check)
	d.admin, d.admins = "1", false
	t.Run("AdminServer off", d.check)
	sameBytes(t, d.servers[0])
	s, o := statusOf(t, a.connect, "--admin-port", a.admin, "--timeout", "20s")
	if o.code != 0 || len(s.Members) != 3 || s.Quorum == nil || !*s.Quorum {
		t.Fatalf("%s%s", o.out, o.err)
	}
	for i, m := range s.Members {
		if m.ID == nil || *m.ID != int64(i+1) {
			t.Errorf("member %d: %s", i+1, o.out)
		}
	}
	// The configuration names no client ports here, so only the named members are known.
	if s, o = statusOf(t, a.connect, "--admin-port", "0"); len(s.Members) != 3 || s.Members[0].Sessions != nil {
		t.Errorf("%s%s", o.out, o.err)
	}
	// The same holds for clients; without a door, the setting that opens one is named.
	conn, err := client.Open(client.Config{Servers: a.connect, SessionTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WaitConnected(t.Context()); err != nil {
		t.Fatal(err)
	}
	o = run(t, newTopCommand, a.connect, "--once", "-o", "json", "--admin-port", a.admin)
	if o.code != 0 || !strings.Contains(o.out, fmt.Sprintf(`"sessions":["0x%x"]`, uint64(conn.SessionID()))) || !strings.Contains(o.out, `"readsPerSecond":`) || strings.Contains(o.out, `"readsPerSecond":null`) {
		t.Errorf("%+v", o)
	}
	o = run(t, newTopCommand, a.connect, "--once", "-o", "json", "--admin-port", "0")
	if o.code != 0 || !strings.Contains(o.out, `"clients":null`) || !strings.Contains(o.out, "4lw.commands.whitelist=mntr,conf,cons in zoo.cfg, or --admin-port") {
		t.Errorf("%+v", o)
	}
	ports := strings.Split(a.admin, ",")
	o = run(t, newWordCommand, a.servers[0].Addr(), "mntr", "--admin-port", ports[0], "--match", "zk_server_state")
	if o.code != 0 || !strings.HasPrefix(o.out, "zk_server_state\t") || !strings.Contains(o.err, "its AdminServer answered on port "+ports[0]) {
		t.Errorf("%+v", o)
	}
	o = run(t, newAdminCommand, a.servers[0].Addr(), "--admin-port", ports[0])
	if o.code != 0 || !strings.Contains(o.out, "voting_view") {
		t.Errorf("%+v", o)
	}
	o = run(t, newAdminCommand, a.connect, "leader", "--admin-port", a.admin, "-o", "json")
	if o.code != 0 || strings.Count(o.out, `"leader_id":`) != 3 {
		t.Errorf("%+v", o)
	}
	o = run(t, newAdminCommand, a.servers[0].Addr(), "nosuch", "--admin-port", ports[0])
	if o.code != ui.ExitFailed || !strings.Contains(o.err, "Unknown command: nosuch") {
		t.Errorf("%+v", o)
	}
	o = run(t, newAdminCommand, a.servers[0].Addr(), "leader", "--out", "leader.json", "--admin-port", ports[0])
	if o.code != ui.ExitFailed || !strings.Contains(o.err, "--out is only for snapshot") {
		t.Errorf("%+v", o)
	}
	o = run(t, newAdminCommand, a.servers[0].Addr(), "stat_reset", "--admin-port", ports[0])
	if o.code != ui.ExitFailed || !strings.Contains(o.err, "this would reset the server's statistics at "+a.servers[0].Addr()+"; confirm it with -y") {
		t.Errorf("%+v", o)
	}
}

func TestApacheMembersWithAllWords(t *testing.T) {
	t.Parallel()
	a := startApaches(t, map[string]string{"4lw.commands.whitelist": "*", "admin.enableServer": "false"})
	d := doors{servers: strings.Split(a.connect, ","), admin: "1", words: true}
	d.check(t)
	sameBytes(t, d.servers[1])
	s, o := statusOf(t, a.connect, "--timeout", "20s")
	if o.code != 0 || len(s.Members) != 3 || s.Members[2].ID == nil || *s.Members[2].ID != 3 {
		t.Fatalf("%s%s", o.out, o.err)
	}
	var members []disturbable
	for _, m := range a.servers {
		members = append(members, m)
	}
	disturb(t, a.connect, members)
}
