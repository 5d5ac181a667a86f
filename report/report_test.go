package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/logformatter"
	"github.com/zkctl/zkctl/logs"
	"github.com/zkctl/zkctl/report"
	"github.com/zkctl/zkctl/snapshot"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

var verb = report.Verb(report.Readers{Logs: logs.Survey, Writes: logformatter.Survey, Tree: snapshot.Survey})

// run runs a verb.
func run(t testing.TB, v command.Verb, args ...string) (out, stderr string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	env := &command.Env{Streams: &ui.Streams{In: strings.NewReader(""), Out: &o, Err: &e, Width: 100}}
	c := v.New(env)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	err = c.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

// page writes a report and returns it.
func page(t testing.TB, args ...string) *document {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	if out, stderr, err := run(t, verb, append(args, "-O", path)...); err != nil {
		t.Fatal(out, stderr, err)
	}
	return read(t, path)
}

func read(t testing.TB, path string) *document {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := parse(b)
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	return d
}

// document is a page, parsed.
type document struct {
	raw    []byte
	tables map[string][][]string // by caption: the rows, without the head
	ids    []string
	links  []string
	text   string
	style  string
	csp    string
}

// elements are those that a page may have.
var elements = strings.Fields(`html head meta title style body a header h1 h2 h3 p time nav ul li main section dl div dt dd ol span strong b br pre
	figure svg g title rect line circle text details summary table caption thead tbody tr th td data`)

// attributes are those that an element may have. Neither scripts, nor styles, nor addresses are among them.
var attributes = strings.Fields(`lang charset http-equiv content name class href id aria-labelledby aria-label aria-hidden tabindex role scope value viewBox
	preserveAspectRatio x y x1 x2 y1 y2 cx cy r width height`)

// parse reads a page as strictly as XML, which is stricter than what browsers forgive, and refuses what a page may not have.
func parse(b []byte) (*document, error) {
	d := &document{raw: b, tables: map[string][][]string{}}
	x := xml.NewDecoder(bytes.NewReader(b))
	x.Strict = true
	var open []string
	var caption string
	var rows [][]string
	var cell *strings.Builder
	var text strings.Builder
	for {
		token, err := x.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch k := token.(type) {
		case xml.StartElement:
			name := k.Name.Local
			if !slices.Contains(elements, name) {
				return nil, fmt.Errorf("the element %s", name)
			}
			for _, a := range k.Attr {
				switch {
				case !slices.Contains(attributes, a.Name.Local):
					return nil, fmt.Errorf("%s has the attribute %s=%q", name, a.Name.Local, a.Value)
				case a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#"):
					return nil, fmt.Errorf("a link to %q", a.Value)
				case a.Name.Local == "href":
					d.links = append(d.links, a.Value[1:])
				case a.Name.Local == "id":
					d.ids = append(d.ids, a.Value)
				case a.Name.Local == "content" && strings.Contains(a.Value, "default-src"):
					d.csp = a.Value
				}
			}
			open = append(open, name)
			switch name {
			case "table":
				rows, caption = nil, ""
			case "tr":
				rows = append(rows, nil)
			case "td", "th", "caption":
				cell = &strings.Builder{}
			case "data":
				cell = nil
				for _, a := range k.Attr {
					rows[len(rows)-1] = append(rows[len(rows)-1], a.Value)
				}
			}
		case xml.EndElement:
			open = open[:len(open)-1]
			switch {
			case k.Name.Local == "table":
				if len(rows) == 0 || len(rows[0]) == 0 {
					return nil, fmt.Errorf("the table %q has no head", caption)
				}
				d.tables[caption] = rows[1:]
			case cell == nil:
			case k.Name.Local == "caption":
				caption, cell = cell.String(), nil
			case k.Name.Local == "td" || k.Name.Local == "th":
				rows[len(rows)-1] = append(rows[len(rows)-1], cell.String())
				cell = nil
			}
		case xml.CharData:
			if cell != nil {
				cell.Write(k)
			}
			if len(open) > 0 && open[len(open)-1] == "style" {
				d.style += string(k)
			} else {
				text.Write(k)
			}
		case xml.Comment, xml.ProcInst:
			return nil, fmt.Errorf("%T %q", token, token)
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("open elements %v", open)
	}
	d.text = text.String()
	for _, l := range d.links {
		if !slices.Contains(d.ids, l) {
			return nil, fmt.Errorf("a link to #%s, which does not exist", l)
		}
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(d.ids))); len(unique) != len(d.ids) {
		return nil, fmt.Errorf("ids are not unique: %v", d.ids)
	}
	sum := sha256.Sum256([]byte(d.style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
	if d.csp != want {
		return nil, fmt.Errorf("the policy is %q, want %q", d.csp, want)
	}
	if regexp.MustCompile(`(?i)url\(|@import|expression|https?:`).MatchString(d.style) {
		return nil, errors.New("the style loads something")
	}
	return d, nil
}

// number reads a number as a table has it.
func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.ReplaceAll(s, ",", ""), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNumbersAreThoseOfStats compares the page with txnlog stats on the same files.
func TestNumbersAreThoseOfStats(t *testing.T) {
	const dir = "../logformatter/testdata/standalone"
	for _, args := range [][]string{nil, {"--since", "2026-11-22T03:07:06Z"}, {"--top", "3", "--depth", "1"}} {
		d := page(t, append([]string{dir}, args...)...)
		stats := append([]string{"stats", "-o", "json"}, args...)
		if !slices.Contains(args, "--depth") {
			stats = append(stats, "--depth", "3", "--top", "20")
		}
		out, stderr, err := run(t, logformatter.Verb, append(stats, dir)...)
		if err != nil {
			t.Fatal(stderr, err)
		}
		var want survey.Writes
		if err := json.Unmarshal([]byte(out), &want); err != nil {
			t.Fatal(err)
		}
		if want.Txns == 0 {
			t.Fatal("nothing to compare")
		}
		sources := d.tables["Transaction logs"][0]
		if n := number(t, sources[3]); n != want.Txns || sources[4] != want.FirstZxid || sources[5] != want.LastZxid || number(t, sources[1]) != int64(want.Files) ||
			number(t, sources[2]) != want.FileBytes {
			t.Errorf("%q, want %s", sources, out)
		}
		depth := "3"
		if slices.Contains(args, "--depth") {
			depth = "1"
		}
		same := func(caption string, list []survey.WriteCount, others survey.WriteCount, name func(survey.WriteCount) string) {
			t.Helper()
			if others.Txns > 0 {
				others.Path, others.SessionID = "others", "others"
				list = append(slices.Clone(list), others)
			}
			rows := d.tables[caption]
			if len(rows) != len(list) {
				t.Fatalf("%s has %d rows, want %d", caption, len(rows), len(list))
			}
			for i, k := range list {
				if rows[i][0] != name(k) || number(t, rows[i][1]) != k.Txns || number(t, rows[i][4]) != k.Bytes {
					t.Errorf("%s: %q, want %+v", caption, rows[i], k)
				}
			}
		}
		same("Types", want.Types, survey.WriteCount{}, func(k survey.WriteCount) string { return k.Type })
		same("Hot paths, by their first "+depth+" names", want.Paths, want.OtherPaths, func(k survey.WriteCount) string { return k.Path })
		same("Busiest sessions", want.Sessions, want.OtherSessions, func(k survey.WriteCount) string { return k.SessionID })
		rate := d.tables["Transactions per second"]
		if len(rate) != len(want.Rate.Buckets) {
			t.Fatalf("%d intervals, want %d", len(rate), len(want.Rate.Buckets))
		}
		for i, b := range want.Rate.Buckets {
			if rate[i][0] != ui.Time(b.Time) || number(t, rate[i][1]) != b.Txns {
				t.Errorf("%q, want %+v", rate[i], b)
			}
		}
	}
}

// TestNumbersAreThoseOfSummary compares the page with log summary on the same files.
func TestNumbersAreThoseOfSummary(t *testing.T) {
	files := []string{"../logs/testdata/server-3.4.6", "../logs/testdata/kazoo.log", "../logs/testdata/c-client.log", "../logs/testdata/ensemble"}
	for _, args := range [][]string{nil, {"--since", "2026-11-22T03:09:00Z"}, {"--top", "2"}} {
		d := page(t, slices.Concat(files, args)...)
		out, stderr, err := run(t, logs.Verb, slices.Concat([]string{"summary", "-o", "json"}, args, files)...)
		if err != nil {
			t.Fatal(stderr, err)
		}
		phrases := 0
		for line := range strings.Lines(out) {
			var want struct {
				Type, Phrase, Kind, Rank, Cause, Shape string
				Count, First, Last, Events, Bytes      int64
				Levels, Members                        map[string]int64
				Line                                   int64
			}
			if err := json.Unmarshal([]byte(line), &want); err != nil {
				t.Fatal(err)
			}
			find := func(caption, key string) []string {
				t.Helper()
				for _, row := range d.tables[caption] {
					if row[0] == key {
						return row
					}
				}
				t.Fatalf("%s has no %q", caption, key)
				return nil
			}
			switch want.Type {
			case "summary":
				if want.Events == 0 {
					t.Fatal("nothing to compare")
				}
				for name, n := range want.Levels {
					if got := number(t, find("Levels", name)[1]); got != n {
						t.Errorf("level %s: %d, want %d", name, got, n)
					}
				}
				for id, n := range want.Members {
					if got := number(t, find("Servers", id)[1]); got != n {
						t.Errorf("server %s: %d, want %d", id, got, n)
					}
				}
			case "phrase":
				phrases++
				row := find("Known phrases", want.Phrase)
				if number(t, row[1]) != want.Count || row[2] != want.Kind || row[3] != want.Rank || want.First > 0 && (row[4] != ui.Time(want.First) || row[5] != ui.Time(want.Last)) {
					t.Errorf("%q, want %+v", row, want)
				}
			case "exception":
				if row := find("Exceptions by cause", want.Cause); number(t, row[1]) != want.Count || !strings.HasSuffix(row[4], ":"+strconv.FormatInt(want.Line, 10)) {
					t.Errorf("%q, want %+v", row, want)
				}
			case "unknown":
				if row := find("Unknown messages, by shape", want.Shape); number(t, row[1]) != want.Count {
					t.Errorf("%q, want %+v", row, want)
				}
			}
		}
		if n := len(d.tables["Known phrases"]); n != phrases || n == 0 {
			t.Errorf("%d phrases, want %d", n, phrases)
		}
	}
}

// TestEverySection: with logs and data, every part of the page has a chart or a table.
func TestEverySection(t *testing.T) {
	d := page(t, "../logs/testdata/ensemble", "../logs/testdata/sessions.log", "../logs/testdata/sessions2.log", "../snapshot/testdata", "../logformatter/testdata/standalone")
	if strings.Contains(d.text, "Nothing to show") {
		t.Error(d.text)
	}
	for _, caption := range []string{"Events", "Elections", "Election 1", "Sessions that ended badly", "Clients with the most sessions", "Hot paths, by their first 3 names",
		"Largest branches, two levels deep", "Znodes with the most data", "How long things took", "Levels", "Known phrases", "Logs, and how their clocks differ", "Snapshots"} {
		if len(d.tables[caption]) == 0 {
			t.Errorf("no table %q", caption)
		}
	}
	// Each chart is followed by the details that have its table, or by a table itself.
	if n := bytes.Count(d.raw, []byte("<figure>")); n < 7 {
		t.Errorf("%d charts", n)
	}
	for i, at := 0, 0; ; i++ {
		n := bytes.Index(d.raw[at:], []byte("</figure>"))
		if n < 0 {
			break
		}
		at += n + 1
		if rest, _, _ := bytes.Cut(d.raw[at:], []byte("</section>")); !bytes.Contains(rest, []byte("<table>")) {
			t.Errorf("chart %d has no table", i+1)
		}
	}
}

// hostile is a name that would be markup, leave an attribute, or be obeyed by a terminal.
const hostile = `"'><script>document.title='PWNED'</script><img src=x onerror="document.title='PWNED'"><!--]]>&amp;</title></svg></style>` + "\x1b[31m\u202e\x00\xff"

// TestNamesInjectNothing has hostile names of znodes, sessions, files and servers, in logs and data.
func TestNamesInjectNothing(t *testing.T) {
	dir := t.TempDir()
	evil(t, dir)
	d := page(t, dir)
	if n := strings.Count(d.text, "<script>document.title='PWNED'</script>"); n < 10 {
		t.Errorf("the names appear only %d times", n)
	}
	if i := bytes.IndexFunc(d.raw, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' || r == 0x7f }); i >= 0 {
		t.Errorf("a control character at byte %d: %q", i, d.raw[max(i-20, 0):i+20])
	}
}

// evil writes a data directory and logs with hostile names.
func evil(t testing.TB, dir string) {
	t.Helper()
	data := filepath.Join(dir, "version-2")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	name := "/" + strings.ReplaceAll(hostile, "/", "|")
	name = strings.ReplaceAll(name, "<|script>", "<\\script>")
	var txns []proto.TxnEntry
	add := func(session int64, op proto.Op, body jute.Record) {
		txns = append(txns, proto.TxnEntry{Header: proto.TxnHeader{ClientID: session, Cxid: int32(len(txns)), Zxid: int64(len(txns) + 1),
			Time: 1_795_316_825_000 + int64(len(txns))*700, Type: op}, Body: body})
	}
	add(7, proto.OpCreateSession, &proto.CreateSessionTxn{TimeOut: 30000})
	add(7, proto.OpCreate, &proto.CreateTxn{Path: "/<script>document.title='PWNED'<", Data: []byte(hostile), ACL: proto.OpenACL, ParentCVersion: 1})
	add(7, proto.OpCreate, &proto.CreateTxn{Path: "/<script>document.title='PWNED'</script>", Data: []byte(hostile), ACL: proto.OpenACL, ParentCVersion: 1})
	add(7, proto.OpCreate, &proto.CreateTxn{Path: name, Data: bytes.Repeat([]byte(hostile), 9000), ACL: proto.OpenACL, ParentCVersion: 2})
	for i := range 1200 {
		add(7, proto.OpSetData, &proto.SetDataTxn{Path: "/<script>document.title='PWNED'</script>", Data: []byte(hostile), Version: int32(i + 1)})
	}
	writeLog(t, filepath.Join(data, "log.1"), txns)
	writeSnapshot(t, data)
	const head = "2026-11-22 03:07:05,%03d [myid:%s] - %s  [main:A@1] - %s\n"
	var b strings.Builder
	fmt.Fprintf(&b, head, 1, "1", "INFO", "Established session 0x1 with negotiated timeout 1 for client /"+hostile)
	fmt.Fprintf(&b, head, 2, "1", "INFO", "Expiring session 0x1, timeout of 5ms exceeded")
	fmt.Fprintf(&b, head, 3, "1", "ERROR", hostile)
	fmt.Fprintf(&b, head, 4, "1", "WARN", "Exception when following the leader\njava.io.IOException: "+hostile)
	fmt.Fprintf(&b, head, 5, "1", "INFO", "LOOKING")
	fmt.Fprintf(&b, head, 6, hostile, "INFO", "LOOKING")
	fmt.Fprintf(&b, head, 7, "1", "WARN", "Cannot open channel to 2 at election address "+hostile+"\njava.net.ConnectException: "+hostile)
	fmt.Fprintf(&b, head, 8, "1", "INFO", "LEADING - LEADER ELECTION TOOK - 5")
	for _, name := range []string{"a.log", "'\"><script>alert(1)<script>&amp;.log"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func writeLog(t testing.TB, path string, txns []proto.TxnEntry) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := storage.NewRawLogWriter(f, proto.FileHeader{Magic: proto.LogMagic, Version: proto.LogVersion})
	for i := range txns {
		raw := jute.Marshal(&txns[i])
		if err := w.WriteEntry(raw, int64(adler32.Checksum(raw))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func writeSnapshot(t testing.TB, data string) {
	t.Helper()
	if err := storage.WriteSnapshot(filepath.Join(data, "snapshot.0"), ztree.New(), storage.SnapshotOptions{}); err != nil {
		t.Fatal(err)
	}
}
