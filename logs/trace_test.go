package logs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// runTraceIn runs session trace.
func runTraceIn(t testing.TB, members Members, in string, args ...string) output {
	t.Helper()
	var out, errOut bytes.Buffer
	c := NewTraceCommand(&ui.Streams{In: strings.NewReader(in), Out: &out, Err: &errOut, Width: 100}, members)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	err := c.ExecuteContext(t.Context())
	if err != nil {
		if text := err.Error(); text != "" {
			errOut.WriteString(text + "\n")
		}
		return output{out.String(), errOut.String(), ui.ExitFailed}
	}
	return output{out.String(), errOut.String(), 0}
}

// found is the verdict in JSON.
type found struct {
	Type, Verdict, End, Confidence, Text string
	Candidates, Because, Notes, Decides  []string
	Ephemerals                           []string
	SavedWithin                          int64
	Timeout, Asked                       int64
}

// verdictOf runs session trace and returns its verdict.
func verdictOf(t testing.TB, args ...string) (v found) {
	t.Helper()
	got := runTraceIn(t, Members{}, "", append(args, "-o", "json")...)
	if got.exit != 0 || got.err != "" {
		t.Errorf("exit %d: %s", got.exit, got.err)
	}
	for line := range strings.Lines(got.out) {
		var one found
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Error(err, line)
		}
		if one.Type == "verdict" {
			v = one
		}
	}
	return v
}

// writeTxns writes a transaction log into a new folder.
func writeTxns(t testing.TB, txns ...*proto.TxnEntry) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "version-2")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w := storage.NewLogWriter(dir, storage.LogOptions{Preallocate: 4 << 10, NoSync: true})
	for _, txn := range txns {
		if err := w.Append(txn); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// incidentTxns are the transactions of the session in the incident's logs; its end has this cxid.
func incidentTxns(t testing.TB, cxid int32) string {
	id, err := proto.ParseHex("ff902365d9b70e63")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) int64 {
		when, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return when.UnixMilli()
	}
	begin := at("2024-06-19T14:55:35.980Z")
	end := at("2024-06-25T19:56:12.967Z")
	return writeTxns(t,
		&proto.TxnEntry{Header: proto.TxnHeader{ClientID: id, Zxid: 0x500000001, Time: begin, Type: proto.OpCreateSession}, Body: &proto.CreateSessionTxn{TimeOut: 60000}},
		&proto.TxnEntry{Header: proto.TxnHeader{ClientID: id, Cxid: 1, Zxid: 0x500000002, Time: begin + 900, Type: proto.OpCreate},
			Body: &proto.CreateTxn{Path: "/kyuubi_demo/serviceUri=app1", Data: []byte("x"), Ephemeral: true, ParentCVersion: 1}},
		&proto.TxnEntry{Header: proto.TxnHeader{ClientID: id, Cxid: cxid, Zxid: 0x500000003, Time: end, Type: proto.OpCloseSession}},
		&proto.TxnEntry{Header: proto.TxnHeader{ClientID: 7, Zxid: 0x500000004, Time: end + 5000, Type: proto.OpCreateSession}, Body: &proto.CreateSessionTxn{TimeOut: 30000}},
	)
}

// leaderLog is the log of server 3, which leads in epoch 5, around the incident's end; extra is what it says before.
func leaderLog(t testing.TB, dir, extra string) string {
	two, err := os.ReadFile("closed-while-connected.server3.log")
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, dir, "server3.log", `2024-06-18 10:00:00,000 [myid:3] - INFO  [QuorumPeer[myid=3]/0:0:0:0:0:0:0:0:2181:QuorumPeer@863] - LEADING
2024-06-18 10:00:00,200 [myid:3] - INFO  [QuorumPeer[myid=3]/0:0:0:0:0:0:0:0:2181:Leader@962] - Have quorum of supporters, sids: [ 1,3 ]; starting up and setting last processed zxid: 0x500000000
2024-06-25 19:40:00,000 [myid:3] - INFO  [SessionTracker:ZooKeeperServer@355] - Expiring session 0xff902365d9b70000, timeout of 40000ms exceeded
`+extra+string(two)+`2024-06-25 19:57:00,000 [myid:3] - INFO  [SessionTracker:ZooKeeperServer@355] - Expiring session 0xff902365d9b70001, timeout of 40000ms exceeded
`)
}

// TestTraceIncident: a client learns that its session has expired, while it was connected. What ended it is unknown from
// the logs; the transaction log and the leader's complete log decide it.
func TestTraceIncident(t *testing.T) {
	t.Chdir("testdata")
	const session, client, server = "0xff902365d9b70e63", "closed-while-connected.client.log", "closed-while-connected.server3.log"
	const expiring = "2024-06-25 19:56:12,967 [myid:3] - INFO  [SessionTracker:ZooKeeperServer@355] - Expiring session 0xff902365d9b70e63, timeout of 60000ms exceeded\n"
	const jmx = "2024-06-25 19:56:12,967 [myid:3] - INFO  [RMI TCP Connection(2)-192.0.2.9:ZooKeeperServer@334] - Closing session 0xff902365d9b70e63\n"
	dir := t.TempDir()
	for _, test := range []struct {
		name    string
		sources []string
	}{
		{"alone", []string{client, server}},
		{"holder", []string{client, server, incidentTxns(t, 0x3f)}},
		{"undecided", []string{client, server, incidentTxns(t, 0)}},
		{"expired", []string{client, leaderLog(t, filepath.Join(dir), expiring), incidentTxns(t, 0)}},
		{"administrator", []string{client, leaderLog(t, t.TempDir(), ""), incidentTxns(t, 0)}},
		{"jmx", []string{client, leaderLog(t, t.TempDir(), jmx)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := runTraceIn(t, Members{}, "", append([]string{session}, test.sources...)...)
			if got.exit != 0 || got.err != "" {
				t.Errorf("exit %d: %s", got.exit, got.err)
			}
			golden(t, "trace-incident-"+test.name, got.out)
		})
	}
	if v := verdictOf(t, session, client, server); v.Verdict != unknownEnd || strings.Join(v.Candidates, " ") != "closed-by-holder closed-by-administrator" {
		t.Errorf("%+v", v)
	}
}
