package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// read returns the events of a log, a line each.
func read(t testing.TB, log string, clock Clock) (found []string) {
	t.Helper()
	r := NewReader(strings.NewReader(log), clock)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, describe(e))
	}
}

func describe(e *Event) string {
	at := "-"
	if e.Timed {
		at = time.UnixMilli(e.Time).UTC().Format("2006-01-02T15:04:05.000")
	}
	s := fmt.Sprintf("%d %s %s %v m=%s t=%s c=%s %q", e.Line, at, e.Layout, e.Level, e.Member, e.Thread, e.Class, e.Text)
	if len(e.More) > 0 {
		s += fmt.Sprintf(" + %q", e.More)
	}
	return s
}

const at = "2024-06-25T19:56:12.970 "

// layouts are lines of all programs that the package promises to read.
var layouts = []struct{ name, line, want string }{
	{"ZooKeeper 3.4", `2024-06-25 19:56:12,970 [myid:3] - INFO  [ProcessThread(sid:3 cport:-1)::PrepRequestProcessor@494] - Processed`,
		at + `log4j INFO m=3 t=ProcessThread(sid:3 cport:-1) c=PrepRequestProcessor "Processed"`},
	{"ZooKeeper 3.4, one space", `2024-06-25 19:56:12,970 [myid:3] - INFO [QuorumPeer[myid=3]/0:0:0:0:0:0:0:0:2181:QuorumPeer@714] - LOOKING`,
		at + `log4j INFO m=3 t=QuorumPeer[myid=3]/0:0:0:0:0:0:0:0:2181 c=QuorumPeer "LOOKING"`},
	{"ZooKeeper, standalone", `2024-06-25 19:56:12,970 [myid:] - WARN  [main:QuorumPeerMain@113] - Either`, at + `log4j WARN m= t=main c=QuorumPeerMain "Either"`},
	{"ZooKeeper without myid", `2024-06-25 19:56:12,970 - INFO  [Thread-2:QuorumCnxManager$Listener@504] - My`, at + `log4j INFO m= t=Thread-2 c=QuorumCnxManager$Listener "My"`},
	{"logback of 3.8", `2024-06-25 19:56:12,970 [myid:] - INFO  [main:o.a.z.s.q.QuorumPeerConfig@177] - Reading`, at + `log4j INFO m= t=main c=QuorumPeerConfig "Reading"`},
	{"client of 3.8", `2024-06-25 19:56:12,970 [myid:127.0.0.1:2181] - WARN  [main-SendThread(127.0.0.1:2181):ClientCnxn$SendThread@1292] - Session`, at + `log4j WARN m= t=main-SendThread(127.0.0.1:2181) c=ClientCnxn$SendThread "Session"`},
	{"tracefile", `2024-06-25 19:56:12,970 [myid:1] - DEBUG [main:A@1][x] - text`, at + `log4j DEBUG m=1 t=main c=A "text"`},
	{"zklog", `2024-06-25 19:56:12,970 [myid:1] - INFO  [zab:leader@210] - LEADING`, at + `log4j INFO m=1 t=zab c=leader "LEADING"`},
	{"Hadoop's order", `24/06/25 19:56:12,970 [main-SendThread(zk3.example.test:2181)] INFO ClientCnxn: Unable to`, at + `log4j INFO m= t=main-SendThread(zk3.example.test:2181) c=ClientCnxn "Unable to"`},
	{"Spark", `24/06/25 19:56:12 INFO ZooKeeper: Client environment:a=b`, `2024-06-25T19:56:12.000 log4j INFO m= t= c=ZooKeeper "Client environment:a=b"`},
	{"Hadoop", `2024-06-25 19:56:12,970 INFO org.apache.zookeeper.ClientCnxn: Session 0x1 for server null, unexpected error`, at + `log4j INFO m= t= c=ClientCnxn "Session 0x1 for server null, unexpected error"`},
	{"HBase", `2024-06-25 19:56:12,970 INFO  [main-SendThread(h:2181)] zookeeper.ClientCnxn: Opening`, at + `log4j INFO m= t=main-SendThread(h:2181) c=ClientCnxn "Opening"`},
	{"Solr", `2024-06-25 19:56:12.970 INFO  (main) [   ] o.a.s.c.c.ConnectionManager Waiting`, at + `log4j INFO m= t=main c=ConnectionManager "Waiting"`},
	{"Solr, with a thread that has parentheses", `2024-06-25 19:56:12.970 INFO  (main-SendThread(zk1:2181)) [c:a s: r: x:] o.a.z.ClientCnxn Opening`, at + `log4j INFO m= t=main-SendThread(zk1:2181) c=ClientCnxn "Opening"`},
	{"Spring", `2024-06-25 19:56:12.970  INFO 1234 --- [main] o.a.z.ClientCnxn   : Opening`, at + `log4j INFO m= t=main c=ClientCnxn "Opening"`},
	{"NiFi", `2024-06-25 19:56:12,970 INFO [main] o.a.zookeeper.ClientCnxn Opening`, at + `log4j INFO m= t=main c=ClientCnxn "Opening"`},
	{"logger with a place", `2024-06-25 19:56:12,970 [main] INFO  org.apache.zookeeper.ClientCnxn (ClientCnxn.java:1299) - Opening`, at + `log4j INFO m= t=main c=ClientCnxn "Opening"`},
	{"Exhibitor", `2024-06-25 19:56:12.970 INFO org.mortbay.log - Started`, at + `log4j INFO m= t= c=log "Started"`},
	{"zone", `2024-06-25T21:56:12.970+02:00 INFO [main] a.b.C: text`, at + `log4j INFO m= t=main c=C "text"`},
	{"zone without colon", `2024-06-25 21:56:12,970 +0200 INFO  a.b.C - text`, at + `log4j INFO m= t= c=C "text"`},
	{"level first", `INFO  2024-06-25 19:56:12,970 [main] a.b.C - text`, at + `log4j INFO m= t=main c=C "text"`},
	{"level in brackets", `2024-06-25 19:56:12,970 [INFO] a.b.C - text`, at + `log4j INFO m= t= c=C "text"`},
	{"log4j's DATE", `25 Jun 2024 19:56:12,970 INFO a.b.C - text`, at + `log4j INFO m= t= c=C "text"`},
	{"slf4j's simple logger", `[main] INFO org.apache.zookeeper.ZooKeeper - Initiating`, `- log4j INFO m= t=main c=ZooKeeper "Initiating"`},
	{"Kafka", `[2024-06-25 19:56:12,970] INFO Reading configuration from: /etc/kafka/zookeeper.properties (org.apache.zookeeper.server.quorum.QuorumPeerConfig)`,
		at + `kafka INFO m= t= c=QuorumPeerConfig "Reading configuration from: /etc/kafka/zookeeper.properties"`},
	{"Kafka, brackets in the message", `[2024-06-25 19:56:12,970] WARN Session 0x1 for server a/192.0.2.1:2181, x (b) (org.apache.zookeeper.ClientCnxn)`,
		at + `kafka WARN m= t= c=ClientCnxn "Session 0x1 for server a/192.0.2.1:2181, x (b)"`},
	{"C client", `2024-06-25 19:56:12,970:5866(0x7fd1f7ef5700):ZOO_INFO@check_events@1760: initiated connection to server [192.0.2.163:2181]`,
		at + `c INFO m= t=5866(0x7fd1f7ef5700) c=check_events "initiated connection to server [192.0.2.163:2181]"`},
	{"kazoo", `INFO:kazoo.client:Zookeeper connection lost`, `- python INFO m= t= c=kazoo.client "Zookeeper connection lost"`},
	{"kazoo with a time", `2024-06-25 19:56:12,970 - kazoo.client - WARNING - Connection dropped: x`, at + `log4j WARN m= t= c=client "Connection dropped: x"`},
	{"kazoo, level first", `2024-06-25 19:56:12,970 WARNING kazoo.client: Connection dropped: x`, at + `log4j WARN m= t= c=client "Connection dropped: x"`},
	{"go-zookeeper", `2024/06/25 19:56:12 connected to 192.0.2.1:2181`, `2024-06-25T19:56:12.000 go  m= t= c= "connected to 192.0.2.1:2181"`},
	{"go-zookeeper, with a place", `2024/06/25 19:56:12.970123 structs.go:22: Authenticated: id=1, timeout=4000`, at + `go  m= t= c=structs.go "Authenticated: id=1, timeout=4000"`},
	{"go-zookeeper, with a long place", `2024/06/25 19:56:12 /go/zk/structs.go:22: recv loop terminated: EOF`, `2024-06-25T19:56:12.000 go  m= t= c=structs.go "recv loop terminated: EOF"`},
	{"logrus", `time="2024-06-25T21:56:12+02:00" level=warning msg="recv loop terminated: \"x\"" component=zk`, `2024-06-25T19:56:12.000 go WARN m= t= c=zk "recv loop terminated: \"x\""`},
	{"slog", `time=2024-06-25T19:56:12.970Z level=INFO source=/go/app/main.go:12 msg="connected to zk1:2181"`, at + `go INFO m= t= c=main.go:12 "connected to zk1:2181"`},
	{"klog", `W0625 19:56:12.970123     812 conn.go:392] failed to connect to zk1:2181: x`, at + `go WARN m= t= c=conn.go "failed to connect to zk1:2181: x"`},
	{"pairs that are no log", `session=0x1 user=x operation=create`, `- plain  m= t= c= "session=0x1 user=x operation=create"`},
	{"JSON of logback", `{"@timestamp":"2024-06-25T21:56:12.970+02:00","message":"a \"b\"","logger_name":"a.b.C","thread_name":"main","level":"INFO","stack_trace":"x\ny\n"}`,
		at + `json INFO m= t=main c=C "a \"b\"" + "x\ny\n"`},
	{"JSON of log4j 2", `{"instant":{"epochSecond":1719345372,"nanoOfSecond":970000000},"thread":"main","level":"WARN","loggerName":"a.b.C","message":"text"}`,
		`2024-06-25T19:56:12.000 json WARN m= t=main c=C "text"`},
	{"JSON of ECS", `{"@timestamp":"2024-06-25T19:56:12.970Z","log.level":"ERROR","message":"text","process.thread.name":"t","log.logger":"a.C"}`, at + `json ERROR m= t=t c=C "text"`},
	{"Docker", `{"log":"2024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - text\n","stream":"stdout","time":"2024-06-25T19:56:12.970999999Z"}`, at + `log4j INFO m=1 t=main c=A "text"`},
	{"docker logs -t", `2024-06-25T19:56:12.970999999Z 2024-06-25 21:56:12,970 [myid:1] - INFO  [main:A@1] - text`, at + `log4j INFO m=1 t=main c=A "text"`},
	{"docker compose", "zoo1-1  | 2024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - text", at + `log4j INFO m=1 t=main c=A "text"`},
	{"docker compose, coloured", "\x1b[36mzoo1_1  |\x1b[0m 2024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - text", at + `log4j INFO m=1 t=main c=A "text"`},
	{"Kubernetes", `2024-06-25T19:56:12.970999999Z stdout F 2024-06-25 21:56:12,000 [myid:1] - INFO  [main:A@1] - text`, at + `log4j INFO m=1 t=main c=A "text"`},
	{"kubectl logs --prefix", `[pod/zk-0/zookeeper] 2024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - text`, at + `log4j INFO m=1 t=main c=A "text"`},
	{"journald", `Jun 25 19:56:13 zk1 zookeeper[812]: 2024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - text`, at + `log4j INFO m=1 t=main c=A "text"`},
	{"journald, short-iso", `2024-06-25T21:56:12+0200 zk1 zkServer.sh[812]: 2024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - text`, `2024-06-25T19:56:12.000 log4j INFO m=1 t=main c=A "text"`},
	{"journald's JSON", `{"_HOSTNAME":"zk1","MESSAGE":"2024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - text","__REALTIME_TIMESTAMP":"1719345372970000"}`, at + `log4j INFO m=1 t=main c=A "text"`},
	{"syslog without a process id", `Jun 25 19:56:13 zk1 zookeeper: 2024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - text`, at + `log4j INFO m=1 t=main c=A "text"`},
	{"Python, a level without a name", `Level 5:kazoo.client:ZK loop started`, `- python TRACE m= t= c=kazoo.client "ZK loop started"`},
	{"syslog", `<14>Jun 25 19:56:13 zk1 zookeeper[812]: LEADING`, `2024-06-25T19:56:13.000 plain  m= t= c= "LEADING"`},
	{"syslog of RFC 5424", `<14>1 2024-06-25T19:56:12.970Z zk1 zookeeper 812 - - LEADING`, at + `plain  m= t= c= "LEADING"`},
	{"nothing known", `Have smaller server identifier`, `- plain  m= t= c= "Have smaller server identifier"`},
	{"spaces that do not break", "2024-06-25 19:56:12,970 [myid:1] -\u00a0INFO\u00a0\u00a0[main:A@1]\u00a0- a\u00a0 b", at + `log4j INFO m=1 t=main c=A "a  b"`},
	{"CRLF and NUL bytes", "\x00\x00\x002024-06-25 19:56:12,970 [myid:1] - INFO  [main:A@1] - text\r", at + `log4j INFO m=1 t=main c=A "text"`},
}

var testClock = Clock{Order: YMD, Last: time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)}

func TestLayouts(t *testing.T) {
	for _, test := range layouts {
		t.Run(test.name, func(t *testing.T) {
			got := read(t, test.line+"\n", testClock)
			if len(got) != 1 || got[0] != "1 "+test.want {
				t.Errorf("got  %s\nwant 1 %s", strings.Join(got, "\n     "), test.want)
			}
		})
	}
}

func TestContinuedLines(t *testing.T) {
	const first = "2024-06-25 19:56:12,970 [myid:1] - WARN  [main:A@1] - Unexpected\n"
	const trace = "java.io.IOException: x\n\tat a.B.c(B.java:1)\nCaused by: java.net.ConnectException: y\n\n\t... 5 more\n"
	got := read(t, first+trace+first, testClock)
	if len(got) != 2 || !strings.HasSuffix(got[0], fmt.Sprintf(" + %q", trace)) || !strings.HasPrefix(got[1], "7 ") {
		t.Error(strings.Join(got, "\n"))
	}
	// In a container's log each line has the prefix.
	b := &strings.Builder{}
	for line := range strings.Lines(first + trace) {
		b.WriteString("2024-06-25T19:56:12.970999999Z stdout F " + line)
	}
	got = read(t, b.String()+first, testClock)
	if len(got) != 2 || !strings.HasSuffix(got[0], fmt.Sprintf(" + %q", trace)) {
		t.Error(strings.Join(got, "\n"))
	}
	// A paste without headers is an event a line.
	if got = read(t, "LOOKING\n\nLEADING\n", testClock); len(got) != 2 {
		t.Error(strings.Join(got, "\n"))
	}
}

func TestLongLines(t *testing.T) {
	const first = "2024-06-25 19:56:12,970 [myid:1] - WARN  [main:A@1] - "
	long := io.MultiReader(strings.NewReader(first), io.LimitReader(endless('x'), 100<<20), strings.NewReader("\n"+first+"end\n"))
	r := NewReader(long, testClock)
	e, err := r.Next()
	if err != nil || len(e.Raw) != mostLine || e.Cut != 100<<20+int64(len(first))-mostLine+1 {
		t.Error(err, len(e.Raw), e.Cut)
	}
	if e, err = r.Next(); err != nil || string(e.Text) != "end" || e.Line != 2 {
		t.Error(err, e)
	}
	// An event of many lines is bounded, too.
	r = NewReader(io.MultiReader(strings.NewReader(first+"\n"), io.LimitReader(endless('\n'), 1<<20), strings.NewReader(first+"end\n")), testClock)
	if e, err = r.Next(); err != nil || len(e.Raw) > mostEvent || e.Cut == 0 {
		t.Error(err, len(e.Raw), e.Cut)
	}
}

type endless byte

func (c endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

func TestJudgeDates(t *testing.T) {
	written := time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name, log string
		written   time.Time
		want      string
	}{
		{"days pass", "24/06/19 01:02:03,004 x\n24/06/25 01:02:03,004 x\n", time.Time{}, "ymd"},
		{"days pass, day first", "19/06/24 01:02:03,004 x\n25/06/24 01:02:03,004 x\n", time.Time{}, "dmy"},
		{"month 13", "24/13/06 01:02:03 x\n", time.Time{}, "unknown"},
		{"one day, two digits", "24/06/25 01:02:03,004 x\n", time.Time{}, "ymd assumed"},
		{"one day, the other is in the future", "24/06/25 01:02:03,004 x\n", written, "ymd"},
		{"year at the end, one day", "05/06/2024 01:02:03 x\n", written, "unknown"},
		{"year at the end, day 25", "25/06/2024 01:02:03 x\n", written, "dmy"},
		{"year at the end, days pass", "[06/05/2024 01:02:03] x\n[06/06/2024 01:02:03] x\n[06/07/2024 01:02:03] x\n", written, "mdy"},
		{"months pass, or days", "05/06/24 01:02:03 x\n05/07/24 01:02:03 x\n", time.Time{}, "mdy guessed"},
		{"two days, one of which is no month", "06/12/2024 01:02:03 x\n06/13/2024 01:02:03 x\n", time.Time{}, "mdy"},
		{"no year", "05-20 05:28:52.223 INFO x\n", written, "mdy"},
		{"no year, one day", "05-06 05:28:52.223 INFO x\n", written, "unknown"},
		{"certain", "2024-06-25 19:56:12,970 x\n", written, "unknown"},
	} {
		d := JudgeDates(test.written, []byte(test.log))
		got := d.Order.String()
		got += [...]string{"", " assumed", " guessed"}[d.Guess]
		if got != test.want {
			t.Errorf("%s: %s %v, want %s", test.name, got, d.Fits, test.want)
		}
		if test.name == "certain" && d.Ambiguous() {
			t.Errorf("%s: ambiguous", test.name)
		}
	}
}

func TestZones(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	c := Clock{Zone: berlin}
	for _, test := range []struct{ text, want string }{
		{"2024-06-25 19:56:12,970", "2024-06-25T17:56:12.970Z"},
		{"2024-01-25 19:56:12", "2024-01-25T18:56:12.000Z"},
		{"2024-03-31 01:59:59,999", "2024-03-31T00:59:59.999Z"},
		{"2024-03-31 03:00:00,000", "2024-03-31T01:00:00.000Z"},
		{"2024-06-25T19:56:12.970-0330", "2024-06-25T23:26:12.970Z"},
	} {
		s, ok := c.scan([]byte(test.text))
		if got := time.UnixMilli(c.absolute(&s)).UTC().Format("2006-01-02T15:04:05.000Z"); !ok || got != test.want || s.n != len(test.text) {
			t.Errorf("%s is %s, want %s", test.text, got, test.want)
		}
	}
	// The calendar is the standard library's.
	for day := int64(-700000); day < 800000; day += 97 {
		d := time.Unix(day*86400, 0).UTC()
		if got := civil(d.Year(), int(d.Month()), d.Day()); got != day {
			t.Fatalf("%v is day %d, not %d", d, got, day)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, test := range layouts {
		f.Add([]byte(test.line+"\n"+test.line+"\n\tat x\n"), byte(1))
	}
	f.Fuzz(func(t *testing.T, log []byte, order byte) {
		clock := Clock{Order: Order(order % 4), Zone: time.Local}
		r := NewReader(bytes.NewReader(log), clock)
		total := 0
		for {
			e, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				break
			}
			if total += len(e.Raw); total > len(log) {
				t.Fatal("more comes out than went in")
			}
			if e.Line < 1 || e.Line > r.Lines {
				t.Fatal("line", e.Line)
			}
		}
		JudgeDates(time.Time{}, log)
		in, err := Stream(t.Context(), "x", bytes.NewReader(log))
		if err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(in, 1<<20))
			in.Close()
		}
	})
}

func BenchmarkReader(b *testing.B) {
	var log bytes.Buffer
	for log.Len() < 4<<20 {
		for _, test := range layouts[:12] {
			log.WriteString(test.line + " some more text that makes the line as long as lines are\n")
		}
	}
	b.SetBytes(int64(log.Len()))
	for b.Loop() {
		r := NewReader(bytes.NewReader(log.Bytes()), testClock)
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}

// Wherever a file is cut, its parts have the events that it has.
func TestParts(t *testing.T) {
	const first = "2024-06-25 19:56:12,970 [myid:1] - WARN  [main:A@1] - Unexpected\n"
	log := first + "java.io.IOException: x\n\tat a.B.c(B.java:1)\n" + first + first + "\tat a.B.c(B.java:1)\n" + first
	want := strings.Join(read(t, log, testClock), "\n")
	for cut := 1; cut < len(log); cut++ {
		var got []string
		var lines int64
		for i, from := range []int{0, cut} {
			length := []int{cut, len(log) - cut}[i]
			if i > 0 { // as the package's user does, so that a part that starts with a line has it
				from, length = from-1, length+1
			}
			r := NewPartReader(strings.NewReader(log[from:]), testClock, i == 0, int64(length))
			for {
				e, err := r.Next()
				if err != nil {
					break
				}
				e.Line += lines
				got = append(got, describe(e))
			}
			lines += r.Lines
		}
		if strings.Join(got, "\n") != want {
			t.Fatalf("cut at %d:\n%s\nwant\n%s", cut, strings.Join(got, "\n"), want)
		}
		if lines != int64(strings.Count(log, "\n")) {
			t.Errorf("cut at %d: %d lines", cut, lines)
		}
	}
}

// TestWrongDates: a line with a date or time that does not exist is an event without a time, not a part of the one before.
func TestWrongDates(t *testing.T) {
	for _, when := range []string{"2024-02-30 10:00:00,000", "2023-02-29 10:00:00,000", "2024-13-45 10:00:00,000", "2024-06-25 25:61:61,999", "0000-00-00 00:00:00,000", "30/02/2024 10:00:00,000"} {
		log := "2024-06-25 19:56:12,970 [myid:3] - INFO  [main:A@1] - first\n" + when + " [myid:3] - INFO  [main:A@1] - second\n"
		r := NewReader(strings.NewReader(log), Clock{Order: DMY})
		var found []string
		for {
			e, err := r.Next()
			if err != nil {
				break
			}
			found = append(found, describe(e))
		}
		if len(found) != 2 || !strings.HasPrefix(found[1], "2 - ") || !strings.HasSuffix(found[1], `m=3 t=main c=A "second"`) || r.Unclear != 1 {
			t.Errorf("%s: %d %s", when, r.Unclear, found)
		}
	}
	for _, when := range []string{"2024-02-29 10:00:00,000", "2000-02-29 23:59:60,000", "2024-06-30 24:00:00,000"} {
		if got := read(t, when+" [myid:3] - INFO  [main:A@1] - x\n", Clock{}); strings.Contains(got[0], " - ") {
			t.Errorf("%s: %s", when, got)
		}
	}
}

// TestLongJSON: an object whose end is left out is an event all the same.
func TestLongJSON(t *testing.T) {
	const head = `{"@timestamp":"2024-06-25T19:56:12.970Z","level":"WARN","message":"`
	for _, line := range []string{head + strings.Repeat("x", 2*mostLine) + `"}`, head + `text","more":"` + strings.Repeat(`\"`, mostLine) + `"}`,
		head + `text","more":[` + strings.Repeat(`1,`, mostLine) + `1]}`, head + `text",` + strings.Repeat(`"a":1,`, mostLine) + `"b":2}`} {
		got := read(t, strings.Replace(head, "WARN", "INFO", 1)+"first\"}\n"+line+"\n"+head+"last\"}\n", Clock{})
		if len(got) != 3 || !strings.HasPrefix(got[1], "2 "+at+"json WARN") || !strings.HasPrefix(got[2], "3 "+at+"json WARN") {
			t.Errorf("%.90s: %.300s", line, got)
		}
	}
}
