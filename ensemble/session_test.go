package ensemble

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// sessionVerb is the verb run in the shell, at the znode /app.
func sessionVerb(s *ui.Streams, connect Connect) *cobra.Command {
	return newSessionCommand(s, connect, within{dir: "/app", shell: true})
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]decoded{
		"0x10000221ceb0000":  {Session: 0x10000221ceb0000, Server: 1, Uptime: answer.Some[int64](2235627), Ordinal: 0}, // of 3.8.0
		"0x1677ff59a0e0005":  {Session: 0x1677ff59a0e0005, Server: 1, Started: answer.Some(time.Date(2018, 12, 5, 20, 1, 1, 454e6, time.UTC).UnixMilli()), Ordinal: 5},
		"72057740551979009":  {Session: 0x10000221ceb0001, Server: 1, Uptime: answer.Some[int64](2235627), Ordinal: 1},
		"0xffffffffffffffff": {Session: -1, Server: 255, Started: answer.Some[int64](1<<41 - 1), Ordinal: 0xffff, Signed: true},
	} {
		id, err := command.ParseSessionID(text)
		if got := decode(id); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0x", "x1", "0x10000000000000000", "1.5"} {
		if _, err := command.ParseSessionID(text); err == nil {
			t.Errorf("%q is taken for a session", text)
		}
	}
	if o := run(t, sessionVerb, "", "decode", "0x10000221ceb0000", "-o", "json"); o.code != 0 || !strings.Contains(o.out, `"session":"0x10000221ceb0000","serverId":1,"started":null`) {
		t.Errorf("%+v", o)
	}
}

func TestSessions(t *testing.T) {
	e := embedded(t, 3, nil)
	var conns []*client.Conn
	for _, m := range e.Members() {
		c, err := client.Open(client.Config{Servers: m.Addr(), SessionTimeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.WaitConnected(t.Context()); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if _, _, err := conns[1].Create(t.Context(), "/lock", nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := conns[1].Exists(t.Context(), "/watched", true); err != nil && !errors.Is(err, proto.ErrNoNode) {
		t.Fatal(err)
	}
	id := fmt.Sprintf("0x%x", uint64(conns[1].SessionID()))
	member := e.Members()[1]

	o := run(t, sessionVerb, e.Members()[0].Addr(), "ls", "--admin-port", "0", "-o", "json")
	var doc struct {
		Sessions []struct {
			Session, State, Client, Member string
			Timeout, Ephemerals, Watches   *int64
		}
	}
	if err := json.Unmarshal([]byte(o.out), &doc); err != nil || o.code != 0 {
		t.Fatalf("%v: %+v", err, o)
	}
	found := false
	for _, s := range doc.Sessions {
		if s.Session == id {
			found = s.State == "connected" && s.Member == member.Addr() && s.Client != "" && *s.Timeout == 10000 && *s.Ephemerals == 1 && *s.Watches == 1
		}
	}
	if !found {
		t.Errorf("%s", o.out)
	}
	o = run(t, sessionVerb, e.Members()[0].Addr(), "show", id, "--admin-port", "0")
	for _, want := range []string{"session   " + id, "server    2", "member    " + member.Addr(), "timeout   10s", "  /lock\n", "  /watched\n", "expires   2"} {
		if o.code != 0 || !strings.Contains(o.out, want) {
			t.Errorf("%+v lacks %q", o, want)
		}
	}
	o = run(t, sessionVerb, e.Members()[0].Addr(), "owner", "/lock", "/zookeeper", "--admin-port", "0")
	if lines := strings.Split(o.out, "\n"); o.code != 0 || len(lines) != 4 || !strings.Contains(lines[1], id) || !strings.HasSuffix(lines[1], member.Addr()) || !strings.Contains(lines[2], "not ephemeral") {
		t.Errorf("%+v", o)
	}
	if o := run(t, sessionVerb, e.Members()[0].Addr(), "owner", "/none", "--admin-port", "0"); o.code != ui.ExitFailed || !strings.Contains(o.err, "/none") {
		t.Errorf("%+v", o)
	}
	if o := run(t, sessionVerb, e.Members()[0].Addr(), "show", "0x123", "--admin-port", "0"); o.code != ui.ExitFailed || !strings.Contains(o.err, "no session 0x123") {
		t.Errorf("%+v", o)
	}
}

// A session whose client is gone is on no member and expires when the leader reports; a relative path starts at the current
// znode.
func TestDisconnectedSession(t *testing.T) {
	t.Parallel()
	e := embedded(t, 3, nil)
	var broken sync.Mutex // the client reaches nobody after its first connection
	dials := 0
	c, err := client.Open(client.Config{Servers: e.Members()[1].Addr(), SessionTimeout: 10 * time.Second, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		broken.Lock()
		defer broken.Unlock()
		if dials++; dials > 1 {
			return nil, errors.New("gone")
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WaitConnected(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/app", "/app/lock"} {
		mode := map[bool]proto.CreateMode{true: proto.Persistent, false: proto.Ephemeral}[path == "/app"]
		if _, _, err := c.Create(t.Context(), path, nil, proto.OpenACL, mode, 0); err != nil {
			t.Fatal(err)
		}
	}
	id := fmt.Sprintf("0x%x", uint64(c.SessionID()))
	if n := e.DropConnections(); n == 0 {
		t.Fatal("nobody was connected")
	}
	o := run(t, sessionVerb, e.ConnectString(), "ls", "--admin-port", "0", "--sample", "0s")
	if line := lineWith(o.out, id); o.code != 0 || !strings.Contains(line, "disconnected, expires in ") {
		t.Errorf("%q: %+v", line, o)
	}
	o = run(t, sessionVerb, e.ConnectString(), "owner", "lock", "../app/lock", "--admin-port", "0")
	if o.code != 0 || strings.Count(o.out, "/app/lock  "+id) != 2 || !strings.Contains(o.out, "disconnected") {
		t.Errorf("%+v", o)
	}
	o = run(t, sessionVerb, e.ConnectString(), "show", id, "--admin-port", "0", "-o", "json", "--sample", "0s")
	var doc struct {
		State   string
		Expires int64
	}
	if err := json.Unmarshal([]byte(o.out), &doc); err != nil || doc.State != "disconnected" || time.Until(time.UnixMilli(doc.Expires)) > 12*time.Second || time.Until(time.UnixMilli(doc.Expires)) < 0 {
		t.Errorf("%v: %+v", err, o)
	}
	_ = e.Close()
	_ = c.Close()
}

func lineWith(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return line
		}
	}
	return ""
}

// Two samples show how long a client has been silent, and how much it sends.
func TestIdle(t *testing.T) {
	conn := func(id, received, last int64) *answer.Connection {
		return &answer.Connection{Address: fmt.Sprint("10.0.0.1:", id), Session: answer.Some(answer.Hex(id)), Received: answer.Some(received), LastResponse: answer.Some(last)}
	}
	at := time.Now()
	r := &probe.Reading{Member: probe.Member{Addresses: []client.Address{{Host: "zk1", Port: 2181}}}}
	for _, test := range []struct {
		name          string
		first, second []*answer.Connection
		idle          []string // of the sessions
		rate          float64  // of the first
	}{
		{"one is busy", []*answer.Connection{conn(1, 10, 50_000), conn(2, 5, 20_000)}, []*answer.Connection{conn(1, 30, 51_900), conn(2, 5, 20_000)}, []string{"0s", "31s"}, 10},
		{"all are silent", []*answer.Connection{conn(1, 10, 50_000), conn(2, 5, 20_000)}, []*answer.Connection{conn(1, 10, 50_000), conn(2, 5, 20_000)}, []string{"2s+", "32s+"}, 0},
		{"another client has the port now", []*answer.Connection{conn(1, 10, 50_000)}, []*answer.Connection{conn(3, 1, 52_000)}, []string{"0s+"}, 0},
	} {
		g := &gathering{conns: test.first, consAt: at}
		l := &sessions{found: map[*probe.Reading]*gathering{r: g}}
		l.connections(r, g)
		l.compare(r, g, &look{conns: test.second, at: at.Add(2 * time.Second)})
		for i, want := range test.idle {
			if got := l.list[i].idle(); got != want {
				t.Errorf("%s: session %d is idle for %s, want %s", test.name, i+1, got, want)
			}
		}
		if got := l.list[0].Rate.Or(0); got != test.rate {
			t.Errorf("%s: %v a second", test.name, got)
		}
	}
}

// An expiry is close to now, whatever the time zone or clock it is reported in.
func TestExpiry(t *testing.T) {
	due := time.Now().Add(8 * time.Second).UnixMilli()
	g := &gathering{conns: []*answer.Connection{{LastResponse: answer.Some[int64](70_000)}}, consAt: time.Now()}
	for name, e := range map[string]*answer.Expiry{
		"UTC": {At: answer.Some(due)}, "Tokyo": {Wall: answer.Some(due + 9*3600_000)}, "Kathmandu": {Wall: answer.Some(due + 345*60_000)},
		"Marquesas": {Wall: answer.Some(due - 570*60_000)}, "the member's own clock": {At: answer.Some[int64](78_000)},
	} {
		if at, ok := (&sessions{}).expiry(e, g).Get(); !ok || at < due-500 || at > due+500 {
			t.Errorf("%s: %d, want %d", name, at, due)
		}
	}
	if (&sessions{}).expiry(&answer.Expiry{At: answer.Some[int64](78_000)}, &gathering{}).Known() {
		t.Error("a clock that nobody told is known")
	}
}

// Ids are completed with those of connected clients.
func TestSessionIDsAreCompleted(t *testing.T) {
	t.Parallel()
	e := embedded(t, 1, nil)
	c, err := client.Open(client.Config{Servers: e.ConnectString(), SessionTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.WaitConnected(t.Context()); err != nil {
		t.Fatal(err)
	}
	connect := func() (client.Config, error) { return client.Config{Servers: e.ConnectString()}, nil }
	list := knownSessionIDs(connect, within{})
	if want := fmt.Sprintf("0x%x\t127.0.0.1:", uint64(c.SessionID())); !slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, want) }) {
		t.Errorf("%q lacks %q", list, want)
	}
	nobody := func() (client.Config, error) { return client.Config{Servers: "127.0.0.1:1"}, nil }
	if list := knownSessionIDs(nobody, within{shell: true}); list != nil {
		t.Errorf("%q", list)
	}
}

// A session may be on a member that does not answer, which serves its clients all the same.
func TestSessionsOnASilentMember(t *testing.T) {
	t.Parallel()
	e := embedded(t, 3, nil)
	silent := followerOf(t, e)
	c, err := client.Open(client.Config{Servers: silent.Addr(), SessionTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Create(t.Context(), "/lock", nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
		t.Fatal(err)
	}
	if err := silent.Pause(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Resume() }()
	id := fmt.Sprintf("0x%x", uint64(c.SessionID()))
	for _, args := range []string{"ls", "ls -o json", "show " + id, "show -o json " + id, "owner /lock", "owner /lock -o json"} {
		o := run(t, sessionVerb, e.ConnectString(), append(strings.Fields(args), "--admin-port", "0", "--timeout", "1s")...)
		told := strings.Contains(args, "json") || strings.Contains(o.err, silent.Addr()+" does not tell its connections: no answer in time")
		if o.code != exitUnknown || strings.Contains(o.out, "disconnected") || !strings.Contains(o.out, id) || !told || strings.Contains(o.err, "whitelist") {
			t.Errorf("%s: %+v", args, o)
		}
	}
	clients, err := Clients(t.Context(), client.Config{Servers: e.ConnectString()})
	if _, known := clients[c.SessionID()]; known || err == nil || !strings.Contains(err.Error(), silent.Addr()+" does not answer") {
		t.Errorf("%v, %v", clients, err)
	}
}

func TestSessionsThatNobodyTells(t *testing.T) {
	e := embedded(t, 1, map[string]string{"4lw.commands.whitelist": "srvr"})
	if o := run(t, sessionVerb, e.ConnectString(), "ls", "--sample", "-1s"); o.code != ui.ExitFailed || !strings.Contains(o.err, "--sample: invalid value -1s") {
		t.Errorf("%+v", o)
	}
	o := run(t, sessionVerb, e.Members()[0].Addr(), "ls", "--admin-port", "0")
	if o.code != exitUnknown || strings.Count(o.out, "\n") != 1 || !strings.Contains(o.err, "4lw.commands.whitelist=cons,dump,wchc") {
		t.Errorf("%+v", o)
	}
}
