package answer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/fourletter"
)

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/3.8.0", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWordsAreAll(t *testing.T) {
	var names []string
	for _, w := range Words {
		names = append(names, w.Name)
	}
	if !slices.Equal(names, fourletter.Words) {
		t.Errorf("%v, want %v", names, fourletter.Words)
	}
}

// Each recorded word and command is read, and both doors of one member tell the same.
func TestRecordedAnswers(t *testing.T) {
	for _, w := range Words {
		for _, who := range []string{"follower", "leader"} {
			file := who + "." + w.Name
			if w.Changes {
				continue
			}
			v, err := w.Text(recorded(t, file))
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if who == "follower" || w.Name == "ruok" {
				continue
			}
			o, err := ParseAdmin(recorded(t, "leader."+w.Command+".json"))
			if err != nil {
				t.Errorf("%s: %v", w.Command, err)
				continue
			}
			if got := w.Admin(o); w.Name != "gtmk" && reflect.TypeOf(got) != reflect.TypeOf(v) {
				t.Errorf("%s is read as %T, and %s as %T", w.Name, v, w.Command, got)
			}
		}
	}
}

func TestConnections(t *testing.T) {
	list, err := ParseCons(recorded(t, "leader.cons"))
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %d connections", err, len(list))
	}
	want := &Connection{Address: "127.0.0.1:33546", Interest: Some[int64](1), Queued: Some[int64](0), Received: Some[int64](310), Sent: Some[int64](310),
		Session: Some(Hex(0x30000221db90001)), LastOp: "EXIS", Established: Some[int64](1795931319285), Timeout: Some[int64](10000),
		LastCxid: Some(Hex(0x135)), LastZxid: Some(Hex(0x10000013b)), LastResponse: Some[int64](3557577),
		LastLatency: Some(0.0), MinLatency: Some(0.0), AvgLatency: Some(7.0), MaxLatency: Some(281.0)}
	list[0].line = ""
	if !reflect.DeepEqual(list[0], want) {
		t.Errorf("%+v, want %+v", list[0], want)
	}
	if list[1].Session.Known() || list[1].Timeout.Known() {
		t.Errorf("a connection without a session has %+v", list[1])
	}
	o, err := ParseAdmin(recorded(t, "leader.connections.json"))
	if got := o.Connections(); err != nil || !reflect.DeepEqual(got[0], want) {
		t.Errorf("the AdminServer tells %+v, %v, want %+v", got[0], err, want)
	}
	for line, address := range map[string]string{
		" /0:0:0:0:0:0:0:1:46642[1](queued=0,recved=1,sent=0)":           "[::1]:46642",
		" /10.1.2.3:46642[0](queued=0,recved=1,sent=0)":                  "10.1.2.3:46642",
		" /fe80:0:0:0:1:2:3:4%eth0:55[1](queued=0,recved=1,sent=0)":      "[fe80::1:2:3:4%eth0]:55",
		" /2001:db8:0:0:0:0:0:1:9[1](queued=0,recved=0,sent=0,lop=null)": "[2001:db8::1]:9",
		" /10.1.2.3:1[1](queued=0,recved=1,sent=0,sid=0x0,lop=NA,est=5)": "10.1.2.3:1",
	} {
		list, err := ParseCons([]byte(line + "\n\n"))
		if err != nil || len(list) != 1 || list[0].Address != address || list[0].Session.Known() || list[0].LastOp != "" {
			t.Errorf("%q: %+v, %v", line, list, err)
		}
	}
}

func TestConsAfter(t *testing.T) {
	line := func(port, received int) string {
		return fmt.Sprintf(" /127.0.0.1:%d[1](queued=0,recved=%d,sent=0,sid=0x%x)\n", port, received, port)
	}
	read := func(before []*Connection, text ...string) []*Connection {
		t.Helper()
		answer := []byte(strings.Join(text, "") + "\n")
		got, err := ConsAfter(before).Text(answer)
		anew, _ := ParseCons(answer)
		if err != nil || !reflect.DeepEqual(got, any(anew)) {
			t.Fatalf("%v, %v, want %v", got, err, anew)
		}
		return got.([]*Connection)
	}
	first := read(nil, line(1, 1), line(2, 1), line(3, 1), line(4, 1), line(5, 1))
	// 1 has ended, 3 has received more, 6 is new.
	then := read(first, line(2, 1), line(3, 2), line(6, 1), line(4, 1), line(5, 1))
	if then[0] != first[1] || then[1] == first[2] || then[3] != first[3] || then[4] != first[4] {
		t.Error("what has not changed was parsed again, or what has changed was not")
	}
	var many []string
	for port := range 1000 {
		many = append(many, line(1000+port, 1))
	}
	all := read(nil, many...)
	read(all, many[500:]...) // half of them ended at once
	read(all, append(slices.Clone(many[500:]), many[:500]...)...)
}

func TestSrvr(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want Srvr
	}{
		"3.4": {"Zookeeper version: 3.4.14-4c25d480e66aadd371de8bd2fd8da255ac140bcf, built on 03/06/2019 16:18 GMT\n" +
			"Latency min/avg/max: 0/1/12\nReceived: 5\nSent: 4\nConnections: 1\nOutstanding: 0\nZxid: 0x500000002\nMode: follower\nNode count: 4\n",
			Srvr{Version: "3.4.14-4c25d480e66aadd371de8bd2fd8da255ac140bcf", Built: "03/06/2019 16:18 GMT",
				LatencyMin: Some(0.0), LatencyAvg: Some(1.0), LatencyMax: Some(12.0), Received: Some[int64](5), Sent: Some[int64](4),
				Connections: Some[int64](1), Outstanding: Some[int64](0), Zxid: Some(Hex(0x500000002)), Mode: "follower", Znodes: Some[int64](4)}},
		"read-only, a comma, no numbers": {"Zookeeper version: 3.6.3, built on x\r\nREAD-ONLY mode; serving only read-only clients\r\n" +
			"Latency min/avg/max: 0/0,25/7\r\nReceived: many\r\nZxid: 0xffffffffffffffff\r\nMode: read-only\r\n",
			Srvr{Version: "3.6.3", Built: "x", ReadOnly: true, LatencyMin: Some(0.0), LatencyAvg: Some(0.25), LatencyMax: Some(7.0),
				Zxid: Some(Hex(-1)), Mode: "read-only"}},
	} {
		got, err := ParseSrvr([]byte(test.text))
		if err != nil || !reflect.DeepEqual(*got, test.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, test.want)
		}
	}
	stat, err := ParseSrvr(recorded(t, "leader.stat"))
	if err != nil || len(stat.Clients) != 2 || stat.Mode != "leader" {
		t.Errorf("%+v, %v", stat, err)
	}
	o, err := ParseAdmin(recorded(t, "leader.server_stats.json"))
	words, _ := ParseSrvr(recorded(t, "leader.srvr"))
	admin := o.Srvr()
	if err != nil || admin.Zxid != words.Zxid || admin.Mode != words.Mode || admin.Znodes != words.Znodes || admin.Version != words.Version || !admin.Uptime.Known() {
		t.Errorf("%+v, %v, want %+v", admin, err, words)
	}
}

func TestMntr(t *testing.T) {
	// As 3.4 and 3.5 print it, with what no release prints.
	m, err := ParseMntr([]byte("zk_version\t3.4.6-1569965, built on 02/20/2014 09:09 GMT\nzk_avg_latency\t0\nzk_server_state\tleader\n" +
		"zk_synced_followers\t2.0\nzk_new_key\tNaN\n\nnonsense\nzk_followers\t2\nzk_followers\t3\n"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Int("zk_synced_followers") != Some[int64](2) || m.Int("zk_followers") != Some[int64](2) || m.Int("zk_new_key").Known() ||
		m.Text("zk_new_key") != "NaN" || m.Int("zk_uptime").Known() {
		t.Errorf("%+v", m.List)
	}
	text, err := json.Marshal(m)
	if want := `{"zk_version":"3.4.6-1569965, built on 02/20/2014 09:09 GMT","zk_avg_latency":0,"zk_server_state":"leader","zk_synced_followers":2,"zk_new_key":"NaN","zk_followers":2}`; string(text) != want || err != nil {
		t.Errorf("%s, %v", text, err)
	}
	o, err := ParseAdmin(recorded(t, "leader.monitor.json"))
	words, _ := ParseMntr(recorded(t, "leader.mntr"))
	if err != nil || len(o.Metrics().List) < len(words.List)-20 || o.Metrics().Int("zk_znode_count") != words.Int("zk_znode_count") {
		t.Errorf("%d metrics, %v, want %d", len(o.Metrics().List), err, len(words.List))
	}
}

func TestConf(t *testing.T) {
	s, err := ParseSettings(recorded(t, "leader.conf"))
	if err != nil || s.Get("serverId") != "3" || !strings.HasPrefix(s.Membership, "server.1=127.0.0.1:41011:41021:participant;127.0.0.1:41001\n") || !strings.HasSuffix(s.Membership, "version=0") {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = ParseSettings([]byte("clientPort=2181\ndataDir=/a=b\n")) // of 3.4
	if err != nil || s.Get("dataDir") != "/a=b" || s.Membership != "" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestDump(t *testing.T) {
	leader, err := ParseDump(recorded(t, "leader.dump"))
	if err != nil || len(leader.Sessions) != 3 || len(leader.Expiries) != 5 || len(leader.Expiries[4].Sessions) != 2 {
		t.Fatalf("%+v, %v", leader, err)
	}
	if at := leader.Expiries[3].At; at != Some[int64](1795931332000) {
		t.Errorf("expiry at %v", at)
	}
	if e := leader.Ephemerals; len(e) != 1 || e[0].Session != 0x30000221db90001 || !slices.Equal(e[0].Paths, []string{"/app/lock two", "/app/größe", "/app/lock"}) {
		t.Errorf("ephemerals %+v", e[0])
	}
	follower, err := ParseDump(recorded(t, "follower.dump"))
	if err != nil || len(follower.Sessions) != 3 || follower.Sessions[0].Timeout != Some[int64](10000) || follower.Expiries != nil {
		t.Errorf("%+v, %v", follower, err)
	}
	old, err := ParseDump([]byte("SessionTracker dump:\norg.apache.zookeeper.server.quorum.LearnerSessionTracker@1f3a\nephemeral nodes dump:\nSessions with Ephemerals (1):\n0x1:\n\t/a\n"))
	if err != nil || len(old.Sessions) != 0 || len(old.Ephemerals) != 1 {
		t.Errorf("3.4: %+v, %v", old, err)
	}
	o, err := ParseAdmin(recorded(t, "leader.dump.json"))
	if d := o.Dump(); err != nil || len(d.Sessions) != 3 || !reflect.DeepEqual(d.Ephemerals, leader.Ephemerals) {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestWatchesAndDigests(t *testing.T) {
	bySession, err := ParseWchc(recorded(t, "leader.wchc"))
	want := []*SessionPaths{{0x30000221db90001, []string{"/app", "/app/x"}}}
	if err != nil || !reflect.DeepEqual(bySession, want) {
		t.Errorf("%+v, %v", bySession, err)
	}
	o, err := ParseAdmin(recorded(t, "leader.watches.json"))
	if got := o.WatchesBySession(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	byPath, err := ParseWchp(recorded(t, "leader.wchp"))
	o, adminErr := ParseAdmin(recorded(t, "leader.watches_by_path.json"))
	if err != nil || adminErr != nil || len(byPath) != 2 || !reflect.DeepEqual(o.WatchesByPath(), byPath) {
		t.Errorf("%+v, %v; %+v, %v", byPath, err, o.WatchesByPath(), adminErr)
	}
	digests, err := ParseHash(recorded(t, "leader.hash"))
	if err != nil || len(digests) != 2 || *digests[0] != (Digest{Zxid: 0x100000080, Digest: 8584481497}) {
		t.Errorf("%+v, %v", digests, err)
	}
	if none, err := ParseHash(nil); err != nil || len(none) != 0 {
		t.Errorf("a young tree has %v, %v", none, err)
	}
}

func TestAdminServer(t *testing.T) {
	names := CommandsOf(recorded(t, "commands.html"))
	if len(names) < 20 || names[0] != "configuration" || !slices.Contains(names, "zabstate") {
		t.Errorf("%v", names)
	}
	var failed *AdminError
	if _, err := ParseAdmin([]byte(`{"command":"x","error":"Unknown command: x"}`)); !errors.As(err, &failed) || failed.Command != "x" {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "{", "[]", "<html>", `{"a":1}`, `{"command":"x","error":null} {}`, "null", `{"command":null}`} {
		if _, err := ParseAdmin([]byte(text)); !errors.Is(err, ErrNotUnderstood) {
			t.Errorf("%q: %v", text, err)
		}
	}
	o, err := ParseAdmin([]byte(`{"server_id":-7,"client_port":null,"command":"configuration","error":null}`))
	if err != nil || o.ClientPort().Known() || o.ServerID() != Some[int64](-7) {
		t.Errorf("%v, %v", o, err)
	}
}

// Nothing that a port says is taken for an answer, and an unknown number is never 0.
func TestStrangersAreNotUnderstood(t *testing.T) {
	for _, text := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x50", "SSH-2.0-OpenSSH_9.2\r\n", "\x00\x00\x00\x00", "-ERR unknown command 'srvr'\r\n",
		"\x9fXj\t\xca\xfd-\n\x03\xc8=\xb2\n", "HTTP/1.1 302 Found\r\nSet-Cookie: a=b;\tc=d\r\n\r\n"} {
		for _, w := range Words {
			if w.Changes && w.Name != "stmk" || w.Name == "ruok" {
				continue
			}
			if v, err := w.Text([]byte(text)); !errors.Is(err, ErrNotUnderstood) {
				t.Errorf("%s takes %q for %v, %v", w.Name, text, v, err)
			}
		}
	}
	text, err := json.Marshal(Srvr{})
	if want := `{"latencyMin":null,"latencyAvg":null,"latencyMax":null,"received":null,"sent":null,"connections":null,"outstanding":null,"zxid":null,"nodeCount":null}`; string(text) != want || err != nil {
		t.Errorf("%s, %v", text, err)
	}
}

// FuzzWords runs each text through the parsers of all words.
func FuzzWords(f *testing.F) {
	files, _ := filepath.Glob("testdata/3.8.0/*.????")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, w := range Words {
			v, err := w.Text(text)
			if err != nil {
				continue
			}
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("%s: %v", w.Name, err)
			}
		}
	})
}

// FuzzAdmin runs each text through the readers of all commands.
func FuzzAdmin(f *testing.F) {
	files, _ := filepath.Glob("testdata/3.8.0/*.json")
	for _, file := range append(files, "testdata/3.8.0/commands.html") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		CommandsOf(text)
		o, err := ParseAdmin(text)
		if err != nil {
			return
		}
		o.ClientPort()
		o.ServerID()
		if _, err := json.Marshal(o); err != nil {
			t.Error(err)
		}
		for _, w := range Words {
			if _, err := json.Marshal(w.Admin(o)); err != nil {
				t.Errorf("%s: %v", w.Name, err)
			}
		}
	})
}
