package ensemble

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/disk"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver"
)

const threeMembers = "server.1=zk1:2888:3888:participant;2181\nserver.2=zk2:2888:3888:participant;2181\nserver.3=zk3:2888:3888:participant;2181\nversion=0"

// configOf reads the text of /zookeeper/config.
func configOf(t *testing.T, text string) *probe.Config {
	t.Helper()
	v, err := zoocfg.ParseVerifier([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &probe.Config{QuorumVerifier: v, From: "zk1:2181"}
}

// well is a survey of three healthy members.
func well(t *testing.T) *probe.Survey {
	t.Helper()
	s := &probe.Survey{Config: configOf(t, threeMembers)}
	for i, mode := range []string{"leader", "follower", "follower"} {
		metrics, err := answer.ParseMntr([]byte("zk_max_fsynctime\t12\nzk_max_client_response_size\t900\n"))
		if err != nil {
			t.Fatal(err)
		}
		settings, err := answer.ParseSettings([]byte("clientPort=2181\nmaxClientCnxns=60\ninitLimit=10\ntickTime=2000\nsecureClientPort=-1\n"))
		if err != nil {
			t.Fatal(err)
		}
		name := "zk" + string(rune('1'+i))
		zero := answer.Some[int64](0)
		s.Readings = append(s.Readings, &probe.Reading{
			Member: probe.Member{ID: answer.Some(int64(i + 1)), Addresses: []client.Address{{Host: name, Port: 2181}}},
			State:  probe.Serving, Mode: mode, Version: "3.9.5-x", Lag: zero, Outstanding: zero, Latency: probe.Latency{Avg: answer.Some(0.5)},
			OpenFiles: answer.Some[int64](50), MaxFiles: answer.Some[int64](1000), Znodes: answer.Some[int64](5), DataSize: zero, Watches: zero,
			Zxid: answer.Some[answer.Hex](0x100000009), Clock: zero, Metrics: metrics, Settings: settings, Config: s.Config,
		})
	}
	return s
}

const cleanCfg = "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=DIR/data\ndataLogDir=DIR/log\nclientPort=2181\nautopurge.purgeInterval=24\n" +
	"server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\nserver.3=zk3:2888:3888\n"

// tree is a server's tree, as a snapshot has it. ACL -1 is open to all, and 1 is its owner's.
func tree(t *testing.T, nodes ...storage.Node) *ztree.Tree {
	t.Helper()
	all := ztree.New()
	all.RestoreACL(1, []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: "me:x"}}})
	for _, n := range nodes {
		if err := all.Restore(n.Path, n.Data, n.ACL, n.Stat); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// server makes a server's zoo.cfg, with pairs of texts replaced, and its data. It returns the folder.
func server(t *testing.T, data *ztree.Tree, replace ...string) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "zoo.cfg"), strings.NewReplacer("DIR", filepath.ToSlash(dir)).Replace(strings.NewReplacer(replace...).Replace(cleanCfg)))
	writeFile(t, filepath.Join(dir, "data", "myid"), "1\n")
	for _, folder := range []string{"data/version-2", "log"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := storage.WriteSnapshot(filepath.Join(dir, "data", "version-2", "snapshot.100000005"), data, storage.SnapshotOptions{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// patientOf is a healthy patient with the folder of a server.
func patientOf(t *testing.T, dir string) *patient {
	t.Helper()
	p := &patient{now: time.Now(), survey: well(t)}
	if err := p.readFiles(t.Context(), &doctorOptions{config: filepath.Join(dir, "zoo.cfg")}, ofFiles); err != nil {
		t.Fatal(err)
	}
	if p.dirs != nil { // as if there were two disks with plenty of room
		p.dirs.shared = answer.Some(false)
		for folder := range p.dirs.space {
			p.dirs.space[folder] = disk.Space{Free: 900, Total: 1000}
		}
	}
	if c := p.config; c != nil { // as if it were not in /tmp
		c.DataDir, c.DataLogDir = strings.Replace(c.DataDir, dir, "/srv", 1), strings.Replace(c.DataLogDir, dir, "/srv", 1)
	}
	p.root = &topLevel{acls: map[string][]proto.ACL{"/zookeeper": proto.OpenACL, "/mine": {{Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: "me:x"}}}}}
	p.clients, p.lastSnapshot = &sessions{survey: p.survey, found: map[*probe.Reading]*gathering{}}, map[*probe.Reading]answer.Opt[answer.Hex]{}
	for _, m := range p.survey.Readings {
		p.clients.found[m], p.lastSnapshot[m] = &gathering{}, m.Zxid
	}
	return p
}

// codes applies all rules.
func codes(p *patient) (found []string) {
	if p.survey != nil {
		p.verdict = p.survey.Judge()
	}
	for _, r := range rules() {
		p.apply(r)
	}
	for _, f := range p.found {
		if !slices.Contains(found, f.Code) {
			found = append(found, f.Code)
		}
	}
	return found
}

// ailment is something wrong with the second member, or with a server's files.
type ailment struct {
	code   string
	says   string // in the evidence
	member func(t *testing.T, p *patient, m *probe.Reading)
	cfg    []string // texts of zoo.cfg that are replaced
	tree   []storage.Node
	files  func(t *testing.T, dir string)
}

// client gives the member n sessions from 10.0.0.9.
func clients(n int, change func(s *session)) func(*testing.T, *patient, *probe.Reading) {
	return func(_ *testing.T, p *patient, m *probe.Reading) {
		for i := range n {
			c := &answer.Connection{Address: fmt.Sprintf("10.0.0.9:%d", 1000+i), Queued: answer.Some[int64](0)}
			s := &session{ID: answer.Hex(i), Conn: c, Watches: answer.Some([]string{}), Ephemerals: answer.Some([]string{})}
			change(s)
			p.clients.found[m].conns, p.clients.list = append(p.clients.found[m].conns, c), append(p.clients.list, s)
		}
	}
}

func ailments() []ailment {
	reading := func(change func(r *probe.Reading)) func(*testing.T, *patient, *probe.Reading) {
		return func(_ *testing.T, _ *patient, m *probe.Reading) { change(m) }
	}
	metrics := func(text string) func(*testing.T, *patient, *probe.Reading) {
		return reading(func(r *probe.Reading) { r.Metrics, _ = answer.ParseMntr([]byte(text)) })
	}
	nothing := func(*session) {}
	return []ailment{
		{code: "NO_QUORUM", says: "1 of 3", member: func(_ *testing.T, p *patient, m *probe.Reading) {
			m.State, p.survey.Readings[2].State = probe.Down, probe.Down
		}},
		{code: "TWO_LEADERS", says: "zk1:2181 and zk2:2181", member: reading(func(r *probe.Reading) { r.Mode = "leader" })},
		{code: "MEMBER_UNREACHABLE", says: "zk2:2181 is silent", member: reading(func(r *probe.Reading) { r.State = probe.Silent })},
		{code: "NO_FAILURE_TOLERATED", says: "one more failure", member: reading(func(r *probe.Reading) { r.State = probe.Down })},
		{code: "EVEN_VOTERS", says: "2 members", member: func(t *testing.T, p *patient, _ *probe.Reading) {
			p.survey.Readings = p.survey.Readings[:2]
			p.survey.Config = configOf(t, strings.Replace(threeMembers, "server.3=zk3:2888:3888:participant;2181\n", "", 1))
		}},
		{code: "STRANGER", says: "zk2:2181", member: reading(func(r *probe.Reading) { r.Stranger = true })},
		{code: "CONFIGURATIONS_DIFFER", says: "version 100000000", member: func(t *testing.T, _ *patient, m *probe.Reading) {
			m.Config = configOf(t, "server.1=zk1:2888:3888:participant;2181\nversion=100000000")
		}},
		{code: "RELEASES_DIFFER", says: "3.8.4 on zk2:2181", member: reading(func(r *probe.Reading) { r.Version = "3.8.4-y" })},
		{code: "LAG", says: "1001", member: reading(func(r *probe.Reading) { r.Lag = answer.Some[int64](1001) })},
		{code: "OUTSTANDING", says: "101", member: reading(func(r *probe.Reading) { r.Outstanding = answer.Some[int64](101) })},
		{code: "LATENCY", says: "100.5 ms", member: reading(func(r *probe.Reading) { r.Latency.Avg = answer.Some(100.5) })},
		{code: "FILE_DESCRIPTORS", says: "90 percent", member: reading(func(r *probe.Reading) { r.OpenFiles = answer.Some[int64](900) })},
		{code: "ZNODES", says: "1000001", member: reading(func(r *probe.Reading) { r.Znodes = answer.Some[int64](1e6 + 1) })},
		{code: "DATA_SIZE", says: "1073741825", member: reading(func(r *probe.Reading) { r.DataSize = answer.Some[int64](1<<30 + 1) })},
		{code: "WATCHES", says: "1000001", member: reading(func(r *probe.Reading) { r.Watches = answer.Some[int64](1e6 + 1) })},
		{code: "SLOW_FSYNC", says: "3000 ms", member: metrics("zk_max_fsynctime\t3000\nzk_max_client_response_size\t5\n")},
		{code: "LARGE_ANSWER", says: "95.3 percent", member: metrics("zk_max_fsynctime\t3\nzk_max_client_response_size\t1000000\n")},
		{code: "CLOCK_SKEW", says: "zk2:2181 is 7s ahead of zk1:2181", member: reading(func(r *probe.Reading) { r.Clock = answer.Some[int64](7000) })},
		{code: "CONNECTIONS", says: "50 connections from 10.0.0.9, 83.3 percent of maxClientCnxns=60", member: clients(50, nothing)},
		{code: "CLIENT_CONNECTIONS", says: "10.0.0.9: 101 connections", member: clients(101, nothing)},
		{code: "CLIENT_WATCHES", says: "10.0.0.9: 10001 watches", member: clients(1, func(s *session) { s.Watches = answer.Some(make([]string, 10001)) })},
		{code: "CLIENT_EPHEMERALS", says: "10.0.0.9: 10002 znodes", member: clients(2, func(s *session) { s.Ephemerals = answer.Some(make([]string, 5001)) })},
		{code: "CLIENT_OUTSTANDING", says: "10.0.0.9: 101 requests", member: clients(1, func(s *session) { s.Conn.Queued = answer.Some[int64](101) })},
		{code: "OPEN_ACL", says: "/a, /b, /c and 1 more", member: func(_ *testing.T, p *patient, _ *probe.Reading) {
			for _, path := range []string{"/a", "/b", "/c", "/d"} {
				p.root.acls[path] = proto.OpenACL
			}
		}},
		{code: "OPEN_ACL", says: "/open", tree: []storage.Node{{Path: "/open", ACL: -1}, {Path: "/mine", ACL: 1}},
			member: func(_ *testing.T, p *patient, _ *probe.Reading) { p.root = nil; p.lacks(ofRoot, "no session") }},
		{code: "ADMIN_OPEN", says: "http://10.0.0.2:8080", member: func(_ *testing.T, p *patient, _ *probe.Reading) {
			p.admins = []*adminServer{{"10.0.0.2:8080", false}}
		}},
		{code: "CERTIFICATE_EXPIRES", says: "expires in 1 day", member: func(_ *testing.T, p *patient, _ *probe.Reading) {
			p.ports = []portCertificate{{"zk2:2281", "CN=zk2", p.now.Add(25 * time.Hour)}, {"zk1:2281", "CN=zk1", p.now.Add(365 * 24 * time.Hour)}}
		}},
		{code: "OLD_SNAPSHOT", says: "300001 transactions", member: func(_ *testing.T, p *patient, m *probe.Reading) {
			m.Zxid = answer.Some[answer.Hex](0x100000000 + 300001 + 9)
		}},
		{code: "INIT_LIMIT", says: "20 MiB/s; initLimit is 20s", member: reading(func(r *probe.Reading) { r.DataSize = answer.Some[int64](500 << 20) })},

		{code: "CONFIG_INVALID", says: "initLimit", cfg: []string{"initLimit=10", "initLimit=ten"}},
		{code: "CONFIG_WARNING", says: "jute.maxbuffer", cfg: []string{"clientPort", "jute.maxbuffer=4000000\nclientPort"}},
		{code: "UNKNOWN_KEY", says: "zoo.cfg:1: tickTim; did you mean tickTime?", cfg: []string{"tickTime=2000", "tickTim=3000\ntickTime=2000"}},
		{code: "MYID", says: "myid file is missing", files: func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "data", "myid")) }},
		{code: "MYID", says: "there is no server.7", files: func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "data", "myid"), "7\n") }},
		{code: "MYID", says: "serverid one", files: func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "data", "myid"), "one\n") }},
		{code: "NO_AUTOPURGE", says: "not set", cfg: []string{"autopurge.purgeInterval=24\n", ""}},
		{code: "DATA_IN_TMP", says: "/tmp/", member: func(_ *testing.T, p *patient, _ *probe.Reading) { p.config.DataLogDir = "/tmp/log" }},
		{code: "ANY_ADDRESS", says: "server.1=0.0.0.0", cfg: []string{"server.1=zk1:", "server.1=0.0.0.0:"}},
		{code: "DUPLICATE_ADDRESS", says: "zk1:2888 is the quorum address of server.1 and the quorum address of server.2", cfg: []string{"server.2=zk2:", "server.2=zk1:"}},
		{code: "DUPLICATE_ADDRESS", says: "ZK1:2888 is the quorum address of server.1 and the quorum address of server.2", cfg: []string{"server.2=zk2:", "server.2=ZK1:"}},
		{code: "DUPLICATE_ADDRESS", says: "zk3:2888 is the quorum address of server.3 and the client address of server.3", cfg: []string{"zk3:2888:3888", "zk3:2888:3888;2888"}},
		{code: "DUPLICATE_ADDRESS", says: "port 3888 is the election address of server.1 and the client address of server.1", cfg: []string{"clientPort=2181", "clientPort=3888"}},
		{code: "DUPLICATE_ADDRESS", says: "port 2181 is the client address of server.1 and secureClientPort", cfg: []string{"clientPort", "secureClientPort=2181\nclientPort"}},
		{code: "DUPLICATE_ADDRESS", says: "127.0.0.1:2181 is the client address of server.1 and admin.serverPort", cfg: []string{"clientPort", "admin.enableServer=true\nadmin.serverPort=2181\nclientPort"}},
		{code: "DUPLICATE_ADDRESS", says: "127.0.0.1:8080 is admin.serverPort and metricsProvider.httpPort",
			cfg: []string{"clientPort", "admin.enableServer=true\nmetricsProvider.className=" + zoocfg.PrometheusProvider + "\nmetricsProvider.httpPort=8080\nclientPort"}},
		{code: "DUPLICATE_ID", says: "zoo.cfg:9: server.2", cfg: []string{"server.3=zk3:2888:3888", "server.3=zk3:2888:3888\nserver.2=zk2:2888:3888"}},
		{code: "SESSION_TIMEOUTS", says: "1m30s", cfg: []string{"clientPort", "maxSessionTimeout=90000\nclientPort"}},
		{code: "SERVER_ID", says: "extendedTypesEnabled", cfg: []string{"server.3", "extendedTypesEnabled=true\nserver.255"}},
		{code: "SERVER_ID", says: "/ttl has a time to live", cfg: []string{"server.3", "server.255"}, tree: []storage.Node{{Path: "/ttl", ACL: 1, Stat: proto.StatPersisted{EphemeralOwner: proto.TTLOwner(1000)}}}},
		{code: "WORDS_OPEN", says: "whitelist=*", cfg: []string{"clientPort", "4lw.commands.whitelist=*\nclientPort"}},

		{code: "LOG_WITH_DATA", says: "are /srv/data", cfg: []string{"dataLogDir=DIR/log\n", ""}},
		{code: "LOG_WITH_DATA", says: "on one disk", member: func(_ *testing.T, p *patient, _ *probe.Reading) { p.dirs.shared = answer.Some(true) }},
		{code: "DISK_SPACE", says: "5 percent", member: func(_ *testing.T, p *patient, _ *probe.Reading) {
			p.dirs.space[p.dirs.folders[0]] = disk.Space{Free: 50 << 20, Total: 1000 << 20}
		}},
		{code: "DATA_DAMAGED", says: "snapshot.100000005", files: func(t *testing.T, dir string) {
			name := filepath.Join(dir, "data", "version-2", "snapshot.100000005")
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, name, string(text[:len(text)-20]))
		}},
		{code: "DATA_DAMAGED", says: "currentEpoch", files: func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "data", "version-2", "currentEpoch"), "many")
		}},
		{code: "CHILD_LIST", says: "/wide has a list of children of 94.4", tree: wide("/wide", 10_000, 95)},
		{code: "ZNODE_SIZE", says: "/large has data of 95", tree: []storage.Node{{Path: "/large", ACL: 1, Data: make([]byte, 1_000_000)}}},
		{code: "CHILDREN", says: "/many has 100001 children", tree: wide("/many", 100_001, 1)},
	}
}

// wide returns a znode with n children whose names have at least the given number of bytes.
func wide(path string, n, length int) []storage.Node {
	list := []storage.Node{{Path: path, ACL: 1}}
	for i := range n {
		list = append(list, storage.Node{Path: fmt.Sprintf("%s/%0*d", path, length, i), ACL: 1})
	}
	return list
}

// Each code is raised by its ailment and by nothing in a healthy ensemble. A rule that no ailment raises fails the test.
func TestEachCodeIsRaised(t *testing.T) {
	raised := map[string]bool{}
	for _, a := range ailments() {
		raised[a.code] = true
		t.Run(a.code, func(t *testing.T) {
			dir := server(t, tree(t, a.tree...), a.cfg...)
			if a.files != nil {
				a.files(t, dir)
			}
			p := patientOf(t, dir)
			if a.member != nil {
				a.member(t, p, p.survey.Readings[1])
			}
			got := codes(p)
			said := slices.ContainsFunc(p.found, func(f finding) bool { return f.Code == a.code && strings.Contains(f.Evidence, a.says) })
			if !said {
				t.Errorf("%q is not said; %v is raised: %+v, %v", a.says, got, p.found, p.problem)
			}
		})
	}
	for _, r := range rules() {
		if !raised[r.Code] {
			t.Errorf("nothing raises %s", r.Code)
		}
		if r.Meaning == "" || r.Fix == "" || r.from == 0 || (r.unit != "") != (r.Limit != 0) {
			t.Errorf("%s lacks its meaning, its fix, its source, or the unit of its limit", r.Code)
		}
	}
	clean := patientOf(t, server(t, tree(t)))
	if got := codes(clean); got != nil || clean.skipped != nil {
		t.Errorf("a clean ensemble has %+v, skipped %v, %v", clean.found, clean.skipped, clean.problem)
	}
}

// The page lists all rules of the table.
func TestDocumentedCodes(t *testing.T) {
	text, err := os.ReadFile("../docs/ensemble.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		if row := fmt.Sprintf("| `%s` | %v | %s | %s |", r.Code, r.Severity, r.limit(), r.Meaning); !strings.Contains(string(text), row) {
			t.Errorf("docs/ensemble.md lacks\n%s", row)
		}
	}
}
func TestDoctor(t *testing.T) {
	e := embedded(t, 3, nil)
	doctor := func(args ...string) output {
		return run(t, newCommand, e.ConnectString(), append([]string{"doctor", "--admin-port", "0", "--set", "LATENCY.limit=1e6"}, args...)...)
	}
	if o := doctor(); o.code != 0 || !strings.HasPrefix(o.out, "No findings.\n") || !strings.Contains(o.out, "not checked, --config names no zoo.cfg: CONFIG_INVALID ") || !strings.Contains(o.out, "not checked, --dir names no data directory: DISK_SPACE ") {
		t.Errorf("%+v", o)
	}
	o := doctor("--set", "ZNODES.limit=1", "--only", "ZNODES", "-o", "json")
	var doc struct {
		Findings []struct{ Code, Severity, Evidence, Meaning, Fix string }
	}
	if err := json.Unmarshal([]byte(o.out), &doc); err != nil || o.code != ui.ExitFailed || len(doc.Findings) != 3 || doc.Findings[0].Severity != "warning" || doc.Findings[0].Fix == "" {
		t.Errorf("%v: %+v", err, o)
	}
	if o := doctor("--set", "ZNODES.limit=1", "--fail-on", "critical"); o.code != 0 || !strings.Contains(o.out, "3 findings.") {
		t.Errorf("%+v", o)
	}
	if o := doctor("--set", "ZNODES.limit=1", "--skip", "znodes"); o.code != 0 {
		t.Errorf("%+v", o)
	}
	if o := doctor("--list"); o.code != 0 || !strings.Contains(o.out, "EVEN_VOTERS") {
		t.Errorf("%+v", o)
	}
	for _, args := range [][]string{{"--only", "LATNCY"}, {"--set", "LATENCY=3"}, {"--set", "NO_QUORUM.limit=3"}, {"--set", "LATENCY.limit=NaN"},
		{"--fail-on", "bad"}, {"--no-members"}, {"--no-members", "--dir", "/none/such"}, {"--only", "ZNODES", "--skip", "ZNODES"}, {"--nonsense"}} {
		if o := doctor(args...); o.code != exitUnknown || o.out != "" {
			t.Errorf("%v: %+v", args, o)
		}
	}
	alone := filepath.Join(t.TempDir(), "zoo.cfg")
	writeFile(t, alone, "dataDir=/srv/none\nclientPort=2181\n")
	if o := doctor("--no-members", "--config", alone, "--only", "NO_FAILURE_TOLERATED"); o.code != ui.ExitFailed || !strings.Contains(o.out, alone+" has no server lines: the server runs alone\n") {
		t.Errorf("%+v", o)
	}
	if o := doctor("--no-members", "--config", filepath.Join(t.TempDir(), "none.cfg")); o.code != ui.ExitFailed || !strings.Contains(o.out, "critical CONFIG_INVALID: ") {
		t.Errorf("%+v", o)
	}
	// The file may be a pipe that nobody writes to.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := new(patient).loadConfig(ctx, alone); !errors.Is(err, context.Canceled) {
		t.Errorf("Ctrl-C while the file is read: %v", err)
	}
}

// outside returns an address of this machine that is not the loopback interface's, or "127.0.0.1" if there is none.
func outside(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	return "127.0.0.1"
}

// What members are asked for, and what is in their files, reaches the rules.
func TestDoctorLooks(t *testing.T) {
	t.Parallel()
	host, dir := outside(t), t.TempDir()
	admin, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	e, err := localserver.Start(t.Context(), localserver.Options{Host: host, TLS: true, DataDir: dir, Properties: map[string]string{
		"admin.enableServer": "true", "admin.serverAddress": host, "admin.serverPort": strconv.Itoa(admin), "maxClientCnxns": "20", "snapCount": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c, err := client.Open(client.Config{Servers: e.ConnectString(), SessionTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, path := range []string{"/a", "/a/b", "/a/c", "/d"} {
		mode := proto.Persistent
		if path != "/a" {
			mode = proto.Ephemeral
		}
		if _, _, err := c.Create(t.Context(), path, []byte("x"), proto.OpenACL, mode, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exists(t.Context(), path, true); err != nil {
			t.Fatal(err)
		}
	}
	tight := []string{"--admin-port", strconv.Itoa(admin), "--dir", dir}
	for _, set := range []string{"CONNECTIONS", "CLIENT_CONNECTIONS", "CLIENT_WATCHES", "CLIENT_EPHEMERALS", "OLD_SNAPSHOT", "CHILDREN", "CHILD_LIST", "ZNODE_SIZE"} {
		tight = append(tight, "--set", set+".limit=-1")
	}
	tight = append(tight, "--set", "CERTIFICATE_EXPIRES.limit=1e5", "--set", "DISK_SPACE.limit=101")
	o := run(t, newCommand, e.ConnectString(), append([]string{"doctor"}, tight...)...)
	for _, want := range []string{
		"CONNECTIONS: " + e.ConnectString() + ": ", "CLIENT_CONNECTIONS: " + host + ": ", "CLIENT_WATCHES: " + host + ": 4 watches", "CLIENT_EPHEMERALS: " + host + ": 3 znodes",
		"OPEN_ACL: /a, /d, of those at " + e.ConnectString(), "CERTIFICATE_EXPIRES: ", "OLD_SNAPSHOT: ", "LOG_WITH_DATA: on one disk: ", "DISK_SPACE: ",
		"CHILDREN: / has ", "CHILD_LIST: / has ", "ZNODE_SIZE: /", "NO_FAILURE_TOLERATED: one server that runs alone",
	} {
		if !strings.Contains(o.out, want) {
			t.Errorf("%q is not in\n%s%s", want, o.out, o.err)
		}
	}
	if open := strings.Contains(o.out, "ADMIN_OPEN: http://"+host); open != (host != "127.0.0.1") {
		t.Errorf("at %s the AdminServer is open: %v", host, open)
	}
	if strings.Contains(o.out, "DATA_DAMAGED") || strings.Contains(o.out, "CLOCK_SKEW") {
		t.Errorf("%s", o.out)
	}
}

// The certificates in key stores are checked, and missing stores are named.
func TestDoctorReadsStores(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ends := time.Now().Add(-48 * time.Hour)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "zk1"}, NotBefore: ends.Add(-time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := server(t, tree(t), "clientPort", "secureClientPort=2281\nssl.keyStore.location=DIR/key.pem\nssl.trustStore.location=DIR/none.pem\nclientPort")
	writeFile(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))+
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	o := run(t, newCommand, "", "doctor", "--no-members", "--config", filepath.Join(dir, "zoo.cfg"), "--only", "CERTIFICATE_EXPIRES")
	for _, want := range []string{"key.pem: the certificate of CN=zk1 expired at ", "ssl.trustStore.location=", "none.pem is not on this machine: CERTIFICATE_EXPIRES"} {
		if o.code != ui.ExitFailed || !strings.Contains(o.out, want) {
			t.Errorf("%q is not in\n%s%s", want, o.out, o.err)
		}
	}
}
