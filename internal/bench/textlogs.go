package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	textLogSize = 1 << 30
	// summaryMemory is what `log summary` may take, whatever the size of the logs.
	summaryMemory = 64 << 20
	// traceMemory is what `session trace` may take.
	traceMemory = 96 << 20
	// overRipgrep is how many times as long as counting lines with rg it may take.
	overRipgrep = 8
	// underLnav is how many times faster than lnav it must be.
	underLnav = 10
)

// alternatives are phrases of which rg counts the lines.
var alternatives = []string{"Expiring session", "Unable to read additional data", "Established session", "Closed socket connection", "LEADER ELECTION TOOK", "GOODBYE",
	"fsync-ing", "Too many connections", "unexpected error", "Session establishment complete", "Have smaller server identifier", "Got user-level KeeperException"}

// runLogs measures `log summary` beside rg and lnav, and `session trace`, on mixed logs of 1 GiB: rg counts the lines with a dozen
// alternatives; lnav groups by the same phrases and, for the rest, by shape, which is a part of what the summary does.
func (b *bench) runLogs(ctx context.Context) error {
	for _, tool := range []string{"rg", "lnav"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w (Debian: apt-get install ripgrep lnav)", err)
		}
	}
	dir, err := os.MkdirTemp("", "zkctl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	log := filepath.Join(dir, "mixed.log")
	progress("writing logs of 1 GiB")
	if err := writeTextLog(log, textLogSize); err != nil {
		return err
	}
	query := filepath.Join(dir, "query.lnav")
	if err := os.WriteFile(query, []byte(lnavQuery(filepath.Join(dir, "lnav.csv"))), 0o600); err != nil {
		return err
	}
	var results []result
	for _, tool := range []struct {
		name string
		runs int
		argv []string
	}{
		{"`rg -c` with a dozen alternatives", b.runs, []string{"rg", "-c", strings.Join(alternatives, "|"), log}},
		{"`log summary`", b.runs, []string{b.zkctl, "log", "summary", log}},
		{"`lnav` doing the same query", 1, []string{"lnav", "-n", "-f", query, log}},
		{"`session trace`", 1, []string{b.zkctl, "session", "trace", firstSession, log}},
	} {
		var runs []result
		for i := range tool.runs {
			progress("%s, run %d of %d", tool.name, i+1, tool.runs)
			r, err := measure(ctx, tool.argv, append(os.Environ(), "HOME="+dir, "TERM=xterm"), wholeDigest)
			if err != nil {
				return err
			}
			if r.exit != 0 {
				return fmt.Errorf("%s: exit %d: %s", tool.name, r.exit, r.stderr)
			}
			runs = append(runs, r)
		}
		results = append(results, median(runs))
		b.alone = append(b.alone, alone{name: tool.name, got: results[len(results)-1], bytes: textLogSize})
	}
	ours := &b.alone[1]
	ours.memory = summaryMemory
	b.alone[3].memory = traceMemory
	times := float64(ours.got.wall) / float64(results[0].wall)
	faster := float64(results[2].wall) / float64(ours.got.wall)
	ours.note = fmt.Sprintf("%.1f times as long as rg (≤ %d), %.0f times faster than lnav (≥ %d)", times, overRipgrep, faster, underLnav)
	b.facts = []string{
		fmt.Sprintf("%s: %d cores; logs of servers and clients in six layouts, a tenth of the events with stack traces", runtime.GOOS, runtime.NumCPU()),
		fmt.Sprintf("medians of %d runs, lnav's of one", b.runs),
	}
	if times > overRipgrep || faster < underLnav {
		fmt.Print(b.report())
		return fmt.Errorf("log summary: %s", ours.note)
	}
	return nil
}

// firstSession is the session of the first line that writeTextLog writes.
const firstSession = "0x10000ad077dec6c"

// lnavQuery groups by phrase as the summary does.
func lnavQuery(out string) string {
	q := &strings.Builder{}
	q.WriteString(";SELECT CASE")
	for _, a := range alternatives {
		fmt.Fprintf(q, " WHEN log_text REGEXP '%s' THEN '%s'", a, a)
	}
	fmt.Fprintf(q, " ELSE regexp_replace(log_body,'[0-9]+','#') END AS phrase, count(*), min(log_time), max(log_time) FROM all_logs GROUP BY phrase\n:write-csv-to %s\n", out)
	return q.String()
}

// writeTextLog writes mixed logs, the same each time.
func writeTextLog(path string, size int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for written := 0; written < size; {
		at = at.Add(time.Duration(r.IntN(50)) * time.Millisecond)
		n, err := w.WriteString(textEvent(r, at.Format("2006-01-02 15:04:05,000")))
		if err != nil {
			return err
		}
		written += n
	}
	return w.Flush()
}

func textEvent(r *rand.Rand, at string) string {
	session := fmt.Sprintf("0x%x", 1<<56+r.Int64N(1<<40))
	addr := fmt.Sprintf("192.0.2.%d:%d", r.IntN(254)+1, 30000+r.IntN(30000))
	switch n := r.IntN(100); {
	case n < 25:
		return at + " [myid:1] - INFO  [NIOServerCxn.Factory:0.0.0.0/0.0.0.0:2181:NIOServerCnxn@1001] - Closed socket connection for client /" + addr + " which had sessionid " + session + "\n"
	case n < 45:
		return at + " [myid:1] - INFO  [CommitProcessor:1:ZooKeeperServer@694] - Established session " + session + " with negotiated timeout 30000 for client /" + addr + "\n"
	case n < 60:
		return at + " [myid:1] - INFO  [NIOServerCxn.Factory:0.0.0.0/0.0.0.0:2181:NIOServerCnxnFactory@192] - Accepted socket connection from /" + addr + "\n"
	case n < 70:
		return fmt.Sprintf("%s [myid:1] - INFO  [ProcessThread(sid:1 cport:-1)::PrepRequestProcessor@645] - Got user-level KeeperException when processing sessionid:%s type:create cxid:%#x zxid:%#x txntype:-1 reqpath:n/a Error Path:/app/locks/%d Error:KeeperErrorCode = NodeExists for /app/locks/%[5]d\n",
			at, session, r.IntN(1<<20), r.Int64N(1<<36), r.IntN(100000))
	case n < 80:
		return fmt.Sprintf("[%s] INFO [Partition test-%d broker=%d] Log loaded for partition with initial high watermark %d (kafka.cluster.Partition)\n", at, r.IntN(1000), r.IntN(9), r.IntN(1<<30))
	case n < 90:
		return at + " WARN  [main-SendThread(zk1:2181)] zookeeper.ClientCnxn: Session " + session + " for server zk1.example.test/" + addr + ", unexpected error, closing socket connection and attempting reconnect\n" +
			"java.net.ConnectException: Connection refused\n\tat sun.nio.ch.SocketChannelImpl.checkConnect(Native Method)\n" +
			"\tat org.apache.zookeeper.ClientCnxnSocketNIO.doTransport(ClientCnxnSocketNIO.java:361)\n\tat org.apache.zookeeper.ClientCnxn$SendThread.run(ClientCnxn.java:1081)\n"
	case n < 95:
		return at + ":5866(0x7fd1f7ef5700):ZOO_INFO@check_events@1760: initiated connection to server [" + addr + "]\n"
	}
	return `{"@timestamp":"` + strings.Replace(strings.Replace(at, " ", "T", 1), ",", ".", 1) + `Z","level":"INFO","logger_name":"org.apache.zookeeper.server.ZooKeeperServer","thread_name":"SessionTracker","message":"Expiring session ` + session + `, timeout of 30000ms exceeded"}` + "\n"
}
