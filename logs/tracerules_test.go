package logs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/proto"
)

const traced = "0x100000000010001"

// at is a line of a Java program at a second of the minute 10:00.
func at(second float64, class, thread, text string) string {
	ms := int(second*1000 + 0.5)
	return fmt.Sprintf("2024-06-25 10:00:%02d,%03d [myid:] - INFO  [%s:%s@1] - %s\n", ms/1000, ms%1000, thread, class, text)
}

func server(second float64, text string) string {
	return strings.Replace(at(second, "ZooKeeperServer", "main", text), "[myid:]", "[myid:1]", 1)
}

func client(second float64, text string) string {
	return strings.Replace(at(second, "ClientCnxn", "main-SendThread(zk1:2181)", text), "[myid:] - ", "", 1)
}

func txnAt(second float64, op proto.Op, zxid int64, cxid int32) *proto.TxnEntry {
	id, _ := proto.ParseHex(traced)
	e := &proto.TxnEntry{Header: proto.TxnHeader{ClientID: id, Cxid: cxid, Zxid: zxid, Time: 1719309600000 + int64(second*1000), Type: op}}
	if op == proto.OpCreateSession {
		e.Body = &proto.CreateSessionTxn{TimeOut: 6000}
	}
	return e
}

// TestTraceRules gives each rule what its cause leaves, and what another cause leaves that looks alike.
func TestTraceRules(t *testing.T) {
	const (
		made     = "Session establishment complete on server zk1/192.0.2.1:2181, session id = " + traced + ", negotiated timeout = 6000"
		commit   = "Committing global session " + traced
		expiring = "Expiring session " + traced + ", timeout of 6000ms exceeded"
		missed   = "Client session timed out, have not heard from server in %dms for session id " + traced
		gone     = "Unable to reconnect to ZooKeeper service, session " + traced + " has expired"
		closedBy = "Unable to read additional data from server sessionid " + traced + ", likely server has closed socket"
		fsync    = "fsync-ing the write ahead log in SyncThread:1 took 4500ms which will adversely effect operation latency. File size is 1 bytes. See the ZooKeeper troubleshooting guide"
	)
	reign := server(1, "Starting server") + server(2, commit)
	late := client(2, made) + client(25, closedBy) + client(26, gone)
	for _, test := range []struct {
		name           string
		server, client string
		txns           []*proto.TxnEntry
		want           string
	}{
		{"a client that learns it late was paused", reign + server(15, expiring) + server(30, "x"), late, nil, clientPaused},
		{"but not if nobody knows its clock", server(15, expiring) + server(30, "x"), late, nil, expiredSilently},
		{"one that heard nothing for long was paused", reign + server(15, expiring), client(2, made) + client(15.5, fmt.Sprintf(missed, 11000)) + client(16, gone), nil, clientPaused},
		{"but not if it was connecting: names take time, too", reign + server(15, expiring),
			client(2, made) + client(10, fmt.Sprintf(missed, 4000)) + client(15.5, fmt.Sprintf(missed, 11000)) + client(16, gone), nil, expiredSilently},
		{"a slow disk that the client missed", reign + server(12, fsync) + server(17, expiring), client(2, made) + client(11.5, fmt.Sprintf(missed, 4000)), nil, slowDisk},
		{"a slow disk alone tells nothing", reign + server(12, fsync) + server(17, expiring), "", nil, expiredSilently},
		{"a pause alone tells nothing", reign + server(12, "Detected pause in JVM or host machine (eg GC): pause of approximately 7000ms") + server(17, expiring), "", nil, expiredSilently},
		{"a client that counts from 0 closes with cxid 0", reign + server(20, "x"), client(2, made) + at(10, "ZooKeeper", "main", "Session: "+traced+" closed"),
			[]*proto.TxnEntry{txnAt(1.9, proto.OpCreateSession, 1, 0), txnAt(10, proto.OpCloseSession, 2, 0)}, closedByClient},
		{"a member that sends it on without a reason was asked", reign + server(10, "Submitting global closeSession request for session "+traced) + server(20, "x"), "",
			[]*proto.TxnEntry{txnAt(1.9, proto.OpCreateSession, 1, 0), txnAt(10, proto.OpCloseSession, 2, 0)}, closedByHolder},
		{"an administrator's, by the leader's whole log", reign + server(9, "Expiring session 0x1, timeout of 1ms exceeded") + server(20, "x"), "",
			[]*proto.TxnEntry{txnAt(1.9, proto.OpCreateSession, 1, 0), txnAt(10, proto.OpCloseSession, 2, 0)}, closedByAdmin},
		{"which must reach beyond the end", reign + server(9, "Expiring session 0x1, timeout of 1ms exceeded"), "",
			[]*proto.TxnEntry{txnAt(1.9, proto.OpCreateSession, 1, 0), txnAt(10, proto.OpCloseSession, 2, 0)}, unknownEnd},
		{"a program that closes after another has closed", reign, client(2, made) + client(10.02, closedBy) + at(10.03, "ZooKeeper", "main", "Session: "+traced+" closed"),
			[]*proto.TxnEntry{txnAt(1.9, proto.OpCreateSession, 1, 0), txnAt(10, proto.OpCloseSession, 2, 7)}, closedByHolder},
		{"a program that closes after it lost the connection", reign, client(2, made) + client(8, closedBy) + at(10.03, "ZooKeeper", "main", "Session: "+traced+" closed"),
			[]*proto.TxnEntry{txnAt(1.9, proto.OpCreateSession, 1, 0), txnAt(10, proto.OpCloseSession, 2, 7)}, closedAfterLoss},
		{"transaction logs that go on", reign, client(2, made), []*proto.TxnEntry{txnAt(1.9, proto.OpCreateSession, 1, 0), otherTxn(40, 2)}, stillOpen},
		{"but not if they begin later", reign, client(2, made), []*proto.TxnEntry{otherTxn(40, 2)}, unknownEnd},
		{"nor if one is missing", reign, client(2, made), []*proto.TxnEntry{txnAt(1.9, proto.OpCreateSession, 1, 0), otherTxn(40, 7)}, unknownEnd},
		{"a follower that restarts is no change of the leader", reign + server(8, "LOOKING") + server(19, "Have quorum of supporters, sids: [ 1,2 ]; starting up and setting last processed zxid: 0x500000000") +
			server(27, expiring), client(2, made) + client(12, fmt.Sprintf(missed, 4000)), nil, expiredSilently},
		{"restored data", server(5, "Restored to a new database. lastProcessedZxid=1, nodeCount=3, sessionCount=0") + server(10, "Invalid session "+traced+" for client /192.0.2.7:1, probably expired"), client(10, gone), nil, unknownAfterRestore},
		{"unknown without them", server(10, "Invalid session "+traced+" for client /192.0.2.7:1, probably expired"), client(10, gone), nil, unknownEnd},
		{"a wrong password", server(10, "Incorrect password from /192.0.2.7:1 for session "+traced), "", nil, wrongPassword},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{traced, writeFile(t, dir, "server.log", test.server)}
			if test.client != "" {
				args = append(args, writeFile(t, dir, "client.log", test.client))
			}
			if test.txns != nil {
				args = append(args, writeTxns(t, test.txns...))
			}
			if v := verdictOf(t, args...); v.Verdict != test.want {
				t.Errorf("%s, want %s:\n%s", v.Verdict, test.want, runTraceIn(t, Members{}, "", args...).out)
			}
		})
	}
}

func otherTxn(second float64, zxid int64) *proto.TxnEntry {
	e := txnAt(second, proto.OpCreateSession, zxid, 0)
	e.Header.ClientID = 99
	return e
}

// TestTraceByPath finds the sessions that made an ephemeral znode, in transaction logs and in audit logs.
func TestTraceByPath(t *testing.T) {
	create := func(second float64, zxid int64, id int64) *proto.TxnEntry {
		e := txnAt(second, proto.OpCreate, zxid, 1)
		e.Header.ClientID, e.Body = id, &proto.CreateTxn{Path: "/lock", Ephemeral: true, ParentCVersion: 1}
		return e
	}
	remove := txnAt(6, proto.OpDelete, 2, 5)
	remove.Header.ClientID, remove.Body = 8, &proto.DeleteTxn{Path: "/lock"}
	id, _ := proto.ParseHex(traced)
	dir := writeTxns(t, create(5, 1, 7), remove, create(7, 3, id), txnAt(9, proto.OpCloseSession, 4, 3))
	got := runTraceIn(t, Members{}, "", "--path", "/lock", dir)
	for _, want := range []string{"0x7                2024-06-25T10:00:05.000Z  2024-06-25T10:00:06.000Z  by session 0x8", traced + "  2024-06-25T10:00:07.000Z  2024-06-25T10:00:09.000Z  with its session",
		"session " + traced, "verdict  closed by a holder"} {
		if got.exit != 0 || !strings.Contains(got.out, want) {
			t.Errorf("%q is missing: %d %s\n%s", want, got.exit, got.err, got.out)
		}
	}
	audit := "2024-06-25 10:00:05,000 INFO audit.Slf4jAuditLogger: session=" + traced + "\tuser=u\tip=192.0.2.7\toperation=create\tznode=/lock\tznode_type=ephemeral\tresult=success\n" +
		"2024-06-25 10:00:09,000 INFO audit.Slf4jAuditLogger: session=" + traced + "\tuser=u\tip=192.0.2.7\toperation=" + endOfEphemeral + "\tznode=/lock\tresult=success\n"
	got = runTraceIn(t, Members{}, audit, "--path", "/lock", "-")
	if got.exit != 0 || !strings.Contains(got.out, "10:00:05.000Z  2024-06-25T10:00:09.000Z  with its session") || !strings.Contains(got.out, "1 ephemeral znode went with it\n    /lock") {
		t.Errorf("%d %s\n%s", got.exit, got.err, got.out)
	}
}

// TestTraceLive asks members.
func TestTraceLive(t *testing.T) {
	members := func(l Live, err error) Members {
		return Members{AddFlags: func(*cobra.Command) {}, Session: func(context.Context, int64) (Live, error) { return l, err }}
	}
	if got := runTraceIn(t, members(Live{Found: true, State: "connected", Timeout: 6000}, nil), "", traced, "--live"); got.exit != 0 || !strings.Contains(got.out, "verdict  the session has not ended (certain)") {
		t.Error(got)
	}
	log := writeFile(t, t.TempDir(), "a.log", client(2, "Unable to read additional data from server sessionid "+traced+", likely server has closed socket"))
	if got := runTraceIn(t, members(Live{}, nil), "", traced, "--live", log); got.exit != 0 || strings.Contains(got.out, "has not ended") || !strings.Contains(got.out, "no member has it now") {
		t.Error(got)
	}
	if got := runTraceIn(t, members(Live{Partial: true}, nil), "", traced, "--live", log); got.exit != 0 || !strings.Contains(got.out, "unknown: the session has not ended") {
		t.Error(got)
	}
	if got := runTraceIn(t, members(Live{}, fmt.Errorf("no member serves")), "", traced, "--live", log); got.exit == 0 || !strings.Contains(got.err, "no member serves") {
		t.Error(got)
	}
}

// TestTraceAuditedEnd: an audit log that tells that an ephemeral znode went with the session tells when it ended.
func TestTraceAuditedEnd(t *testing.T) {
	log := writeFile(t, t.TempDir(), "audit.log", at(2, "audit.Slf4jAuditLogger", "main", "session="+traced+"\tuser=u\tip=192.0.2.7\toperation=create\tznode=/x\tznode_type=ephemeral\tresult=success")+
		at(9, "audit.Slf4jAuditLogger", "main", "session="+traced+"\toperation="+endOfEphemeral+"\tznode=/x\tresult=success"))
	v := verdictOf(t, traced, log)
	if v.Verdict != unknownEnd || slices.Contains(v.Candidates, stillOpen) || len(v.Candidates) == 0 || len(v.Because) != 1 || strings.Contains(strings.Join(v.Notes, " "), "no source") {
		t.Errorf("%+v", v)
	}
	if got := runTraceIn(t, Members{}, "", traced, log); strings.Contains(got.out, "has not ended") || !strings.Contains(got.out, "an ephemeral znode went with it") {
		t.Error(got.out)
	}
}

// TestTraceNobodyKnows: a session that nothing tells of has no verdict, whatever else the sources tell.
func TestTraceNobodyKnows(t *testing.T) {
	log := writeFile(t, t.TempDir(), "a.log", server(1, "Expiring session 0x2, timeout of 6000ms exceeded")+server(2, "Committing global session "+traced))
	none := func(partial bool) Members {
		return Members{AddFlags: func(*cobra.Command) {}, Session: func(context.Context, int64) (Live, error) { return Live{Partial: partial}, nil }}
	}
	for _, test := range []struct {
		members Members
		args    []string
		want    string
	}{
		{Members{}, []string{"0x123", log}, "no source tells of session 0x123\n"},
		{Members{}, []string{"0x123", "testdata/ensemble"}, "no source tells of session 0x123\n"},
		{none(false), []string{"0x123", log, "--live"}, "no source tells of session 0x123, and no member has it now\n"},
		{none(true), []string{"0x123", "--live"}, "some do not tell them\n"},
		{Members{}, []string{strings.TrimPrefix(traced, "0x"), log}, "if it is hexadecimal, write " + traced + "\n"},
	} {
		if got := runTraceIn(t, test.members, "", test.args...); got.exit != 1 || got.out != "" || !strings.Contains(got.err, test.want) {
			t.Errorf("%v: %d %s\n%s", test.args, got.exit, got.err, got.out)
		}
	}
}
