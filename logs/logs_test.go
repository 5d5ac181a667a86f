package logs

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/ui"
)

var update = flag.Bool("update", false, "write the expected output anew")

func TestMain(m *testing.M) {
	time.Local = time.UTC // that of the expected files
	os.Exit(apachetest.Main(m))
}

// output is what a command printed and its exit code.
type output struct {
	out, err string
	exit     int
}

// run runs the verb, in testdata.
func run(t testing.TB, in string, args ...string) output {
	t.Helper()
	if _, err := os.Stat("testdata"); err == nil {
		t.Chdir("testdata")
	}
	var out, errOut bytes.Buffer
	c := newCommand(&ui.Streams{In: strings.NewReader(in), Out: &out, Err: &errOut, Width: 100})
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	err := c.ExecuteContext(t.Context())
	exit := 0
	if err != nil {
		exit = ui.ExitFailed
		var withCode *ui.ExitError
		if errors.As(err, &withCode) {
			exit = withCode.Code
		}
		if text := err.Error(); text != "" {
			errOut.WriteString(text + "\n")
		}
	}
	return output{out.String(), errOut.String(), exit}
}

// TestGolden compares what verbs print about real logs (host names and addresses are replaced) with testdata/golden.
func TestGolden(t *testing.T) {
	for _, test := range []struct {
		name string
		in   string
		args string
	}{
		{"explain-smaller", "", "explain|Have smaller server identifier, so dropping the connection: (3, 1)"},
		{"explain-http", "", "explain|Len error 1195725856"},
		{"explain-closed", "", "explain|Unable to read additional data from server sessionid 0x0"},
		{"explain-config", "", "explain|Invalid config, exiting abnormally"},
		{"explain-not-serving", "", "explain|-o|json|This ZooKeeper instance is not currently serving requests"},
		{"explain-http-trace", httpTrace, "explain"},
		{"explain-client", "<closed-while-connected.client.log", "explain|-"},
		{"explain-election", "<server-3.4.6/zookeeper.log.7", "explain|-o|json|-"},
		{"summary", "", "summary|closed-while-connected.client.log|closed-while-connected.server3.log|c-client.log|kazoo.log|server-3.4.6"},
		{"timeline", "", "timeline|ensemble/server1.log|ensemble/server3.log"},
		{"timeline-incident", "", "timeline|closed-while-connected.client.log|closed-while-connected.server3.log"},
		{"timeline-json", "", "timeline|-o|json|--kind|session|closed-while-connected.client.log|closed-while-connected.server3.log"},
		{"timeline-rotated", "", "timeline|server-3.4.6"},
		{"merge", "", "merge|closed-while-connected.client.log|closed-while-connected.server3.log"},
		{"grep", "", "grep|persistent ephemeral|closed-while-connected.client.log"},
		{"grep-json", "", "grep|0xff902365d9b70e63|-o|json|closed-while-connected.client.log|closed-while-connected.server3.log"},
		{"grep-count", "", "grep|-c|-i|goodbye|server-3.4.6"},
		{"elections", "", "elections|ensemble/server1.log|ensemble/server3.log"},
		{"elections-follower", "", "elections|ensemble/server1.log"},
		{"elections-3.4.6", "", "elections|server-3.4.6"},
		{"elections-json", "", "elections|-o|json|server-3.4.6"},
		{"elections-waiting", "", "elections|waiting.log"},
		// Three members of Apache 3.8.0, of which the others know an address of the first that does not lead to it.
		{"elections-waiting-3.8", "", "elections|waiting-3.8"},
		{"timeline-waiting-3.8", "", "timeline|--kind|election|waiting-3.8/server1.log"},
		{"sessions", "", "sessions|sessions.log|sessions2.log"},
		{"sessions-all", "", "sessions|--all|sessions.log|sessions2.log"},
		{"sessions-json", "", "sessions|-o|json|sessions.log|sessions2.log"},
		{"sessions-incident", "", "sessions|closed-while-connected.client.log|closed-while-connected.server3.log"},
		{"summary-json", "", "summary|-o|json|server-3.4.6"},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := test.in
			if name, ok := strings.CutPrefix(in, "<"); ok {
				text, err := os.ReadFile(filepath.Join("testdata", name))
				if err != nil {
					t.Fatal(err)
				}
				in = string(text)
			}
			got := run(t, in, strings.Split(test.args, "|")...)
			if got.err != "" || got.exit != 0 {
				t.Errorf("exit %d: %s", got.exit, got.err)
			}
			golden(t, test.name, got.out)
		})
	}
}

// golden compares a text with a file of golden, in the current folder.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("golden", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./logs -update writes it anew):\n%s", path, got)
	}
}

const httpTrace = `2024-06-25 19:56:12,970 [myid:1] - WARN  [NIOServerCxn.Factory:0.0.0.0/0.0.0.0:2181:NIOServerCnxn@373] - Exception causing close of session 0x0 due to java.io.IOException: Len error 1195725856
2024-06-25 19:56:13,000 [myid:1] - WARN  [NIOWorkerThread-1:NIOServerCnxn@371] - Unexpected exception
java.io.IOException: Len error. A message from /192.0.2.7:1234 with advertised length of 1195725856 is either a malformed message or too large to process (length is greater than jute.maxbuffer=1048575)
	at org.apache.zookeeper.server.NIOServerCnxn.readLength(NIOServerCnxn.java:559)
`

func TestAmbiguousDates(t *testing.T) {
	dir := t.TempDir()
	path := writeFile(t, dir, "a.log", "05/06/2024 19:56:12,970 INFO [main] a.B: LEADING\n")
	got := run(t, "", "summary", path)
	if got.exit != 1 || !strings.Contains(got.err, "--dates "+path+"=dmy or mdy") {
		t.Error(got.exit, got.err, got.out)
	}
}

func TestDatesAndZones(t *testing.T) {
	dir := t.TempDir()
	path := writeFile(t, dir, "a.log", "05/06/2024 19:56:12,970 INFO [main] a.B: LEADING\n")
	got := run(t, "", "summary", "--dates", "dmy", "--tz", path+"=+08:00", path)
	if got.exit != 0 || !strings.Contains(got.out, "2024-06-05T11:56:12.970Z") {
		t.Error(got.exit, got.err, got.out)
	}
}

func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	const line = "2024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - LEADING\n"
	good := writeFile(t, dir, "a.log", line)
	binary := writeFile(t, dir, "b.log", strings.Repeat("\x01\x02\x7fELF\x03\x04", 100))
	cut := writeFile(t, dir, "c.log.gz", "\x1f\x8b\x08\x00\x00")
	utf16 := writeFile(t, dir, "d.log", "\xff\xfe"+strings.Join(strings.Split(line, ""), "\x00")+"\x00")
	got := run(t, "", "summary", good, binary, good, filepath.Join(dir, ".", "a.log"), utf16)
	if got.exit != 0 || !strings.Contains(got.err, "b.log: it is not a text file; it is skipped") || !strings.Contains(got.out, "2 events") {
		t.Error(got.exit, got.err, got.out)
	}
	t.Run("damaged gzip", func(t *testing.T) {
		got := run(t, "", "summary", good, cut)
		if got.exit != 1 || !strings.Contains(got.err, "c.log.gz: ") || !strings.Contains(got.out, "1 event") {
			t.Error(got.exit, got.err, got.out)
		}
	})
	t.Run("none", func(t *testing.T) {
		got := run(t, "", "summary", filepath.Join(dir, "none.log"))
		if got.exit != 1 || !strings.Contains(got.err, "none.log") {
			t.Error(got.exit, got.err, got.out)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		got := run(t, "", "explain", "session establishment failed on purpose")
		if got.exit != 1 || !strings.Contains(got.out, "unknown: ") || !strings.Contains(got.err, "--list") {
			t.Error(got.exit, got.err, got.out)
		}
	})
}

func writeFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestClockSetBack: a time earlier than that of the line before is reported by file and line, in whatever part of the file it is.
func TestClockSetBack(t *testing.T) {
	dir := t.TempDir()
	const tail = " [myid:1] - INFO  [main:A@1] - LOOKING\n"
	path := writeFile(t, dir, "a.log", "2024-06-25 10:00:00,000"+tail+"2024-06-25 09:59:59,000"+tail+"2024-06-25 11:00:00,000"+tail+
		"2024-06-25 08:00:00,000"+tail+"2024-06-25 07:00:00,000"+tail)
	got := run(t, "", "summary", path)
	if want := "time goes back 2 times, first at " + path + ":4, by 3h 0m: "; !strings.Contains(got.out, want) {
		t.Errorf("%q lacks %q", got.out, want)
	}
	if got = run(t, "", "summary", "-o", "json", path); !strings.Contains(got.out, `"backwards":2`) {
		t.Error(got.out)
	}
}

// TestShapeIsBounded: a message is grouped by its first bytes, however long its words are.
func TestShapeIsBounded(t *testing.T) {
	for text, want := range map[string]string{strings.Repeat("w", 100_000): strings.Repeat("w", mostShape), strings.Repeat("a ", 1000): strings.Repeat("a ", mostShape/2),
		"x" + strings.Repeat("é", 1000): "x" + strings.Repeat("é", (mostShape-1)/2), "from 192.0.2.1:2181 on": "from # on"} {
		if got := string(appendShape(nil, []byte(text))); got != want {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	}
}

// TestStretch has lengths that a time.Duration cannot hold.
func TestStretch(t *testing.T) {
	for ms, want := range map[int64]string{0: "0ms", 999: "999ms", 1500: "1.5s", 61_000: "1m 1s", 3_600_000: "1h 0m", 90_000_000: "1d 1h", 251_693_013_599_999: "2913113d 13h"} {
		if got := ui.Duration(ms); got != want {
			t.Errorf("%d: %s, want %s", ms, got, want)
		}
	}
}

// TestGuessedDates: an order of dates that is not certain is asked about, or named.
func TestGuessedDates(t *testing.T) {
	const tail = " INFO [main] a.B: LEADING\n"
	dir := t.TempDir()
	months := writeFile(t, dir, "months.log", "05/06/2024 19:56:12,970"+tail+"05/07/2024 19:56:12,970"+tail)
	got := run(t, "", "merge", months)
	if got.exit != 0 || !strings.Contains(got.err, months+": 05/06/2024 can be read in 2 ways; taken as month, day, year, because that puts the dates closest together (if not, say --dates "+months+"=dmy)") {
		t.Error(got.exit, got.err)
	}
	for _, verb := range []string{"summary", "timeline", "merge", "elections", "sessions"} {
		if got := run(t, "05/06/2024 19:56:12,970"+tail, verb); got.exit != 1 || !strings.Contains(got.err, "standard input: 05/06/2024: ") || !strings.Contains(got.err, "--dates -=dmy or mdy") {
			t.Error(verb, got.exit, got.err)
		}
	}
	// What comes too late to be looked at when the log is opened has no time, and that is said.
	late := writeFile(t, dir, "late.log", strings.Repeat("2024-06-25 19:56:12,970"+tail, 3000)+"05/06/2024 19:56:12,970"+tail+strings.Repeat("2024-06-25 19:56:13,970"+tail, 3000))
	for _, verb := range []string{"timeline", "merge", "elections", "sessions"} {
		if got := run(t, "", verb, late); got.exit != 0 || !strings.Contains(got.err, late+":3001: the date can be read in several ways") || strings.Count(got.err, "\n") != 1 {
			t.Error(verb, got.exit, got.err)
		}
	}
	// The files that one log was rotated into have one order.
	old := writeFile(t, dir, "app.log.1", "25/06/2024 19:56:12,970"+tail)
	writeFile(t, dir, "app.log", "05/07/2024 19:56:12,970"+tail)
	if got := run(t, "", "summary", old, filepath.Join(dir, "app.log")); got.exit != 0 || got.err != "" || !strings.Contains(got.out, "to 2024-07-05T19:56:12.970Z") {
		t.Error(got.exit, got.err, got.out)
	}
}

// TestSimilar: what is misspelt, or only a word of a phrase, leads to phrases.
func TestSimilar(t *testing.T) {
	for text, want := range map[string]string{
		"GOODBYE": "perhaps goodbye: ", "goodby": "perhaps goodbye: ", "electionn": "election", "smaler server identifer": "perhaps smaller-server-identifier: ",
		"Have smaller server identifer so drop": "perhaps smaller-server-identifier: ",
	} {
		got := run(t, "", "explain", text)
		first, _, _ := strings.Cut(strings.TrimPrefix(got.out, "unknown: "+text+"\n"), "\n")
		if got.exit != 1 || !strings.Contains(first, want) {
			t.Errorf("%s: %d %s", text, got.exit, got.out)
		}
	}
	if got := run(t, "", "explain", "-o", "json", "GOODBYE"); !strings.Contains(got.out, `"text":"GOODBYE","similar":["goodbye"`) {
		t.Error(got.out)
	}
	if got := run(t, "", "explain", "xyzzy plugh"); strings.Contains(got.out, "perhaps") {
		t.Error(got.out)
	}
}

func TestExplainRecords(t *testing.T) {
	got := run(t, "2024-06-25 19:56:12,970 [myid:1] - INFO  [main:QuorumPeer@1] - LOOKING\n2024-06-25 19:56:13,970 [myid:1] - INFO  [main:A@1] - odd\n", "explain", "-o", "json")
	for _, want := range []string{`{"time":1719345372970,"file":"-","line":1,"member":"1","level":"INFO","class":"QuorumPeer"`, `{"time":1719345373970,"file":"-","line":2,"member":"1","level":"INFO","class":"A","thread":"main","text":"odd"}`} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %s in %s", want, got.out)
		}
	}
}

// TestUnaskedEnds: a session that was closed while its client used it ended badly.
func TestUnaskedEnds(t *testing.T) {
	dir := t.TempDir()
	const client, server = "2024-06-25 10:00:%02d,000 [main] INFO org.apache.zookeeper.ClientCnxn: %s\n", "2024-06-25 10:00:%02d,000 [myid:3] - INFO  [p:PrepRequestProcessor@494] - %s\n"
	established := fmt.Sprintf(client, 0, "Session establishment complete on server zk/192.0.2.1:2181, sessionid = 0x1000000000a0001, negotiated timeout = 4000")
	lost := fmt.Sprintf("2024-06-25 10:00:07,000 [main] WARN org.apache.zookeeper.ClientCnxn: %s\norg.apache.zookeeper.ClientCnxn$EndOfStreamException: Unable to read additional data from server sessionid 0x1000000000a0001, likely server has closed socket\n",
		"Session 0x1000000000a0001 for server zk/192.0.2.1:2181, Closing socket connection. Attempting reconnect except it is a SessionExpiredException.")
	expired := fmt.Sprintf(client, 8, "Unable to reconnect to ZooKeeper service, session 0x1000000000a0001 has expired")
	asked := fmt.Sprintf(client, 9, "Session: 0x1000000000a0001 closed")
	ended := fmt.Sprintf(server, 6, "Processed session termination for sessionid: 0x1000000000a0001")
	again := fmt.Sprintf(client, 5, "Session establishment complete on server zk/192.0.2.1:2181, sessionid = 0x1000000000a0001, negotiated timeout = 4000")
	before := strings.Replace(lost, "10:00:07", "10:00:04", 1)
	for _, test := range []struct{ name, client, want string }{
		{"it came back too late", established + expired, "unasked"},
		{"it lost the connection", established + lost, "unasked"},
		{"it closed it", established + asked, "closed"},
		{"it had lost the connection before", established + before + again, "closed"},
	} {
		got := run(t, "", "sessions", "-o", "json", writeFile(t, dir, "c.log", test.client), writeFile(t, dir, "s.log", ended))
		if !strings.Contains(got.out, `"end":"`+test.want+`"`) {
			t.Errorf("%s: %s%s", test.name, got.out, got.err)
		}
	}
}
