package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestHelpFitsTheTerminal(t *testing.T) {
	for _, width := range []int{40, 60, 80, 200} {
		var out bytes.Buffer
		env := &command.Env{Commands: All, Streams: &ui.Streams{Out: &out, Err: &out, Width: width}}
		lines := []string{"help"}
		for _, c := range All {
			lines = append(lines, "help "+c.Name)
		}
		for _, line := range lines {
			out.Reset()
			if err := command.Run(context.Background(), env, command.Args(strings.Fields(line)...)); err != nil {
				t.Fatal(err)
			}
			for l := range strings.Lines(out.String()) {
				l = strings.TrimSuffix(l, "\n")
				if len([]rune(l)) > width && len(strings.Fields(l)) > 1 {
					t.Errorf("%s at %d columns: %q", line, width, l)
				}
				if strings.HasSuffix(l, " ") {
					t.Errorf("%s: blanks at the end of %q", line, l)
				}
			}
		}
	}
}

func TestGetOnATerminal(t *testing.T) {
	b := newBench(t)
	conn, err := b.session.Conn()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"/json": `{"b":1,"a":[1e400]}`, "/text": "größe\n", "/bytes": "\x00\xff", "/escape": "a\x1b[2J", "/almost": "{not json",
	} {
		if _, _, err := conn.Create(b.ctx, name, []byte(data), proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.must("get /bytes"); got != "\x00\xff\n" {
		t.Errorf("in a pipe: %q", got)
	}
	if got := b.must("get -n /bytes"); got != "\x00\xff" {
		t.Errorf("raw: %q", got)
	}
	if got := b.must("get -o json /bytes"); !strings.HasPrefix(got, `{"path":"/bytes","data":"AP8=","encoding":"base64","czxid":"0x`) {
		t.Errorf("as JSON: %s", got)
	}
	b.env.Streams.OutTTY = true
	for path, want := range map[string]string{
		"/json":   "{\n  \"b\": 1,\n  \"a\": [\n    1e400\n  ]\n}\n",
		"/text":   "größe\n\n",
		"/bytes":  ui.HexDump([]byte("\x00\xff"), 16) + "\n",
		"/escape": ui.HexDump([]byte("a\x1b[2J"), 16) + "\n",
		"/almost": "{not json\n",
	} {
		if got := b.must("get " + path); got != want {
			t.Errorf("%s on a terminal: %q", path, got)
		}
	}
	long := strings.Repeat("\x00\xff", 5000)
	if _, err := conn.Set(b.ctx, "/bytes", []byte(long), -1); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"get /bytes":    ui.HexDump([]byte(long[:4096]), 16) + "\n",
		"get -x /bytes": ui.HexDump([]byte(long), 16) + "\n",
		"get -n /bytes": long,
	} {
		got, stderr, _ := b.run(line)
		more := ""
		if line == "get /bytes" {
			more = "and 5,904 more bytes; get -x shows all of them, get -n > file writes them to a file\n"
		}
		if got != want || stderr != more {
			t.Errorf("%s of 10,000 bytes on a terminal: %d bytes, %q", line, len(got), stderr)
		}
	}
	if _, err := conn.Set(b.ctx, "/bytes", []byte("\x00\xff"), -1); err != nil {
		t.Fatal(err)
	}
	b.env.Streams.Width = 60
	if got := b.must("get /bytes"); got != ui.HexDump([]byte("\x00\xff"), 8)+"\n" {
		t.Errorf("on a narrow terminal:\n%s", got)
	}
}

// plant creates a znode with n children, with many requests in flight.
func plant(t *testing.T, b *bench, parent string, n int) {
	t.Helper()
	conn, err := b.session.Conn()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Create(b.ctx, parent, nil, proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < n; at += 1000 {
		var ops []proto.MultiOp
		for i := at; i < min(at+1000, n); i++ {
			ops = append(ops, client.CreateOp(fmt.Sprintf("%s/%05d", parent, i), nil, proto.OpenACL, proto.Persistent, 0))
		}
		if _, err := conn.Multi(b.ctx, ops); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListALargeTree(t *testing.T) {
	b := newBench(t)
	plant(t, b, "/big", 10500)
	out := b.must("ls -R /big")
	if n := strings.Count(out, "\n"); n != 10501 || !strings.HasPrefix(out, "/big\n/big/00000\n") || !strings.HasSuffix(out, "/big/10499\n") {
		t.Errorf("%d lines", n)
	}
	var doc struct {
		Path   string
		Znodes []string
	}
	if err := json.Unmarshal([]byte(b.must("ls -R -o json /big")), &doc); err != nil || len(doc.Znodes) != 10501 || doc.Path != "/big" {
		t.Errorf("JSON of %d znodes: %v", len(doc.Znodes), err)
	}

	s := b.env.Streams
	s.InTTY, s.OutTTY = true, true
	s.In = strings.NewReader("n\n")
	out, errOut, exit := b.run("ls -R /big")
	if out != "" || exit != ui.ExitFailed || !strings.Contains(errOut, "There are 10,500 znodes below /big. List all of them? [y/N]") {
		t.Errorf("asked and refused: %d bytes, exit %d, %s", len(out), exit, errOut)
	}
	s.In = strings.NewReader("y\n")
	if out = b.must("ls -R /big"); strings.Count(out, "\n") != 10501 {
		t.Errorf("asked and agreed: %d bytes", len(out))
	}
	s.In = strings.NewReader("")
	if out = b.must("ls -R -y /big"); strings.Count(out, "\n") != 10501 {
		t.Errorf("with -y: %d bytes", len(out))
	}
}

// cancelWriter cancels a context with the first byte written to it.
type cancelWriter struct {
	cancel context.CancelFunc
	bytes.Buffer
}

func (w *cancelWriter) Write(p []byte) (int, error) {
	w.cancel()
	return w.Buffer.Write(p)
}

func TestListIsInterrupted(t *testing.T) {
	b := newBench(t)
	plant(t, b, "/big", 9000)
	ctx, cancel := context.WithCancel(b.ctx)
	w := &cancelWriter{cancel: cancel}
	b.env.Streams.Out = w
	err := command.Run(ctx, b.env, command.Args("ls", "-R", "/big"))
	var exit *ui.ExitError
	if !errors.As(err, &exit) || exit.Code != ui.ExitInterrupted || !strings.Contains(err.Error(), "znodes were listed") {
		t.Errorf("error %v", err)
	}
	if !strings.HasPrefix(w.String(), "/big\n/big/00000\n") {
		t.Errorf("listed: %.60q", w.String())
	}
}

func TestWatchesAndEvents(t *testing.T) {
	b := newBench(t)
	texts := make(chan string, 100)
	b.session.OnWatch = func(e client.Event) { texts <- session.EventText(e) }
	wait := func(want string) {
		t.Helper()
		timeout := time.After(20 * time.Second)
		for {
			select {
			case text := <-texts:
				if text == want {
					return
				}
			case <-timeout:
				t.Fatalf("no event %q", want)
			}
		}
	}
	plant(t, b, "/a", 0)
	wait("WATCHER::\n\nWatchedEvent state:SyncConnected type:None path:null")
	conn, err := b.session.Conn()
	if err != nil {
		t.Fatal(err)
	}
	set := func() {
		t.Helper()
		if _, err := conn.Set(b.ctx, "/a", []byte("x"), -1); err != nil {
			t.Fatal(err)
		}
	}
	const changed = "WATCHER::\n\nWatchedEvent state:SyncConnected type:NodeDataChanged path:/a"
	b.must("get -w /a")
	set()
	wait(changed)
	b.must("addWatch /a")
	set()
	wait(changed)
	set()
	wait(changed)

	b.must("printwatches off")
	if out := b.must("printwatches"); out != "printwatches is off\n" {
		t.Errorf("printwatches: %q", out)
	}
	set()
	b.must("removewatches /a")
	b.must("printwatches on")
	_, errOut, exit := b.run("removewatches /a")
	if exit != 1 || !strings.HasPrefix(errOut, "KeeperErrorCode = No such watcher for /a") {
		t.Errorf("removewatches without watches: exit %d, %s", exit, errOut)
	}
}

func TestCloseAndConnect(t *testing.T) {
	b := newBench(t)
	plant(t, b, "/a", 0)
	b.env.Dir = "/a"
	b.must("close")
	if _, errOut, exit := b.run("ls /"); exit != 1 || !strings.HasPrefix(errOut, "Not connected; `connect") {
		t.Errorf("ls after close: exit %d, %s", exit, errOut)
	}
	if b.session.State() != client.Closed {
		t.Errorf("state %s", b.session.State())
	}
	b.must("connect")
	if out := b.must("ls /"); out != "[a]\n" || b.env.Dir != "/a" {
		t.Errorf("ls after connect: %q in %s", out, b.env.Dir)
	}
	first, _ := b.session.Conn()
	b.must("connect " + b.session.Servers())
	if second, err := b.session.Conn(); err != nil || second == first || b.env.Dir != "/" {
		t.Errorf("connect with servers: %v, in %s", err, b.env.Dir)
	}
	if _, _, exit := b.run("connect 'a b:x'"); exit != 1 {
		t.Errorf("a connect string that cannot work: exit %d", exit)
	}
	if out := b.must("ls /"); out != "[a]\n" {
		t.Errorf("after a connect that failed: %q", out)
	}
}

// A failed connect keeps the previous session, with everything that belongs to it.
func TestFailedConnectKeepsTheSession(t *testing.T) {
	b := newBench(t)
	b.env.Shell = &fakeShell{}
	b.must("create -e /mine")
	plant(t, b, "/a", 0)
	b.env.Dir = "/a"
	before, err := b.session.Conn()
	if err != nil {
		t.Fatal(err)
	}
	servers := b.session.Servers()
	b.session.Named = func(name string) (client.Config, bool, error) {
		switch name {
		case "broken":
			return client.Config{}, false, errors.New("broken: its trust store is missing")
		case "again":
			return client.Config{Servers: servers, Auth: []client.Auth{{Scheme: "digest", Data: []byte("bob:pw")}}}, true, nil
		}
		return client.Config{}, false, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // refuses from now on
	for line, want := range map[string]string{
		"connect " + l.Addr().String(): "connection refused; the session with " + servers + " stays",
		"connect 'a b'":                "the session with " + servers + " stays",
		"connect broken":               "its trust store is missing; the session with",
	} {
		_, stderr, exit := b.run(line)
		if exit != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s", line, exit, stderr)
		}
		after, err := b.session.Conn()
		if err != nil || after != before || b.env.Dir != "/a" || b.session.Servers() != servers {
			t.Errorf("%s: another session, or none: %v", line, err)
		}
	}
	cancelled, stop := context.WithCancel(b.ctx)
	stop()
	if err := command.Run(cancelled, b.env, command.Args("connect")); err == nil {
		t.Error("an interrupted connect succeeds")
	}
	if out := b.must("getEphemerals"); out != "[/mine]\n" {
		t.Errorf("the session's ephemeral znodes: %q", out)
	}

	// A name brings its own identities, and they stay with it.
	b.must("connect again")
	if out := b.must("whoami"); !strings.Contains(out, "digest: bob") {
		t.Errorf("as a name says: %s", out)
	}
	b.must("connect")
	if out := b.must("whoami"); !strings.Contains(out, "digest: bob") {
		t.Errorf("the same again: %s", out)
	}
	b.must("connect " + servers)
	if out := b.must("whoami"); strings.Contains(out, "digest: bob") {
		t.Errorf("other servers get a name's identity: %s", out)
	}
}

type fakeShell struct {
	lines []string
	redo  int
	quit  bool
}

func (s *fakeShell) History() ([]string, int)             { return s.lines, 5 }
func (s *fakeShell) Redo(_ context.Context, n int) error  { s.redo = n; return nil }
func (s *fakeShell) Source(context.Context, string) error { return nil }
func (s *fakeShell) Quit()                                { s.quit = true }

func TestShellCommands(t *testing.T) {
	var out bytes.Buffer
	shell := &fakeShell{}
	for i := range 20 {
		shell.lines = append(shell.lines, fmt.Sprintf("ls /%d", i))
	}
	env := &command.Env{Commands: All, Streams: &ui.Streams{Out: &out, Err: &out}, Shell: shell}
	run := func(args ...string) string {
		t.Helper()
		out.Reset()
		if err := command.Run(context.Background(), env, command.Args(args...)); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := run("history"); strings.Count(got, "\n") != 11 || !strings.HasPrefix(got, "14 - ls /9\n") || !strings.HasSuffix(got, "24 - ls /19\n") {
		t.Errorf("history: %s", got)
	}
	if got := run("history", "2"); got != "23 - ls /18\n24 - ls /19\n" {
		t.Errorf("history 2: %s", got)
	}
	run("redo", "7")
	run("exit")
	if shell.redo != 7 || !shell.quit {
		t.Errorf("redo %d, quit %v", shell.redo, shell.quit)
	}
	env.Shell = nil
	if err := command.Run(context.Background(), env, command.Args("history")); !errors.Is(err, errOnlyInShell) {
		t.Errorf("history outside a shell: %v", err)
	}
}

func TestGetEphemerals(t *testing.T) {
	b := newBench(t)
	plant(t, b, "/a", 0)
	conn, err := b.session.Conn()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Create(b.ctx, "/a/e", nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"getEphemerals":           "[/a/e]\n",
		"getEphemerals /a":        "[/a/e]\n",
		"getEphemerals /b":        "[]\n",
		"getEphemerals -o json /": `{"ephemerals":["/a/e"]}` + "\n",
	} {
		if got := b.must(line); got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// TestListGoesOn: zkCli stops at the first znode that may not be read; here the rest is listed.
func TestListGoesOn(t *testing.T) {
	b := newBench(t)
	for _, line := range []string{
		"create /a", "create /a/1", "create /a/1/x", "create /a/2", "create /a/2/y", "create /a/3", "create /a/3/z",
		"setAcl -y /a/2 ip:10.255.255.255:cdrwa",
	} {
		b.must(line)
	}
	out, errOut, exit := b.run("ls -R /a")
	if want := "/a\n/a/1\n/a/2\n/a/3\n/a/1/x\n/a/3/z\n"; out != want || exit != 1 || !strings.HasPrefix(errOut, "Insufficient permission : /a/2") {
		t.Errorf("%q, exit %d, %s", out, exit, errOut)
	}
	if watched, _, _ := b.run("ls -R -w /a"); watched != out {
		t.Errorf("with -w: %q", watched)
	}
}

// TestTooLongLists: a list of children that is too long for one reply is named, and what is elsewhere is read; tree does not read
// what it hides.
func TestTooLongLists(t *testing.T) {
	b := newBench(t)
	for _, line := range []string{"create /a", "create /a/1", "create /a/1/x", "create /a/wide", "create /a/z", "create /a/z/y"} {
		b.must(line)
	}
	for i := range 20 {
		b.must(fmt.Sprintf("create /a/wide/%s%04d", strings.Repeat("long", 60), i))
	}
	small := &bench{t: t, ctx: b.ctx, session: session.New(func() (client.Config, error) {
		return client.Config{Servers: b.session.Servers(), MaxPacket: 4096}, nil
	})}
	defer small.session.Close()
	small.env = &command.Env{Commands: All, Session: small.session, Dir: "/", Output: ui.Text,
		Streams: &ui.Streams{In: strings.NewReader(""), Out: &small.out, Err: &small.err, Width: 80}}
	for line, want := range map[string]string{
		"ls -R /a":                         "\n/a/1/x\n/a/z/y\n",
		"ls -R -l /a":                      "/a/z/y\n",
		"find /a":                          "/a\n/a/1\n/a/1/x\n/a/wide\n/a/z\n/a/z/y\n",
		"find /a --size 0":                 "/a\n/a/1\n/a/1/x\n/a/wide\n/a/z\n/a/z/y\n",
		"tree /a":                          "└── z\n    └── y\n\n6 znodes\n",
		"du --children /a":                 "6\t/a\n",
		"grep -l --names '(x|wide|y)$' /a": "/a/1/x\n/a/wide\n/a/z/y\n",
		"summary /a":                       "6",
	} {
		out, errOut, exit := small.run(line)
		if !strings.Contains(out, want) || exit == 0 || !strings.Contains(errOut, "the list of children of /a/wide is too long for one reply (raise -jute-maxbuffer)") {
			t.Errorf("%s: exit %d, %s%s", line, exit, out, errOut)
		}
	}
	if out, errOut, exit := small.run("tree --max-children 1 /a"); exit != 0 || !strings.Contains(out, "… 2 more") {
		t.Errorf("tree --max-children reads what it hides: exit %d, %s%s", exit, out, errOut)
	}
}

// TestLongList: kinds, sizes and times, at any width.
func TestLongList(t *testing.T) {
	b := newBench(t)
	events := make(chan client.Event, 10)
	b.session.OnWatch = func(e client.Event) {
		if e.Path != "" {
			events <- e
		}
	}
	for _, line := range []string{"create /a x", "create -e /a/e hello", "create /a/p", "create /a/p/kid data"} {
		b.must(line)
	}
	date := regexp.MustCompile(`\d{4}-\d\d-\d\dT\S+|\d\d-\d\d \d\d:\d\d`)
	run := func(line string) string {
		out, errOut, exit := b.run(line)
		if exit != 0 {
			t.Errorf("%s: exit %d, %s", line, exit, errOut)
		}
		return date.ReplaceAllString(out, "DATE")
	}
	for line, want := range map[string]string{
		"ls -l /a":    "KIND SIZE CHILDREN MODIFIED NAME ephemeral 5 0 DATE e persistent 0 1 DATE p",
		"ls -l -R /a": "KIND SIZE CHILDREN MODIFIED NAME persistent 1 2 DATE /a ephemeral 5 0 DATE /a/e persistent 0 1 DATE /a/p persistent 4 0 DATE /a/p/kid",
	} {
		if got := strings.Join(strings.Fields(run(line)), " "); got != want {
			t.Errorf("%s: %q, not %q", line, got, want)
		}
	}
	if out := run("ls -l -s /a"); !strings.Contains(out, "numChildren = 2") {
		t.Errorf("ls -l -s: %s", out)
	}
	if out := run("ls -l /a -o json"); strings.Count(out, "\n") != 2 || !strings.Contains(out, `{"path":"/a/e","kind":"ephemeral","czxid":`) {
		t.Errorf("as JSON: %s", out)
	}
	if out, errOut, exit := b.run("ls -l /none"); exit != 1 || strings.Contains(out, "persistent") || !strings.Contains(errOut, "Node does not exist: /none") {
		t.Errorf("of nothing: %s%s", out, errOut)
	}
	run("ls -l -w /a")
	run("create /a/new")
	select {
	case e := <-events:
		if e.Type != proto.EventNodeChildrenChanged || e.Path != "/a" {
			t.Errorf("after ls -l -w: %+v", e)
		}
	case <-time.After(20 * time.Second):
		t.Error("ls -l -w leaves no watch")
	}
	b.env.Streams.OutTTY, b.env.Streams.Width = true, 60
	for _, row := range strings.Split(run("ls -l /a"), "\n") {
		if len(row) > 40 {
			t.Errorf("at 60 columns: %q", row)
		}
	}
}
