package ensemble

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]decoded{
		"0x10000221ceb0000":  {Session: 0x10000221ceb0000, Server: 1, Uptime: answer.Some[int64](2235627), Ordinal: 0}, // of 3.8.0
		"0x1677ff59a0e0005":  {Session: 0x1677ff59a0e0005, Server: 1, Started: answer.Some(time.Date(2018, 12, 5, 20, 1, 1, 454e6, time.UTC).UnixMilli()), Ordinal: 5},
		"72057740551979009":  {Session: 0x10000221ceb0001, Server: 1, Uptime: answer.Some[int64](2235627), Ordinal: 1},
		"0xffffffffffffffff": {Session: -1, Server: 255, Started: answer.Some[int64](1<<41 - 1), Ordinal: 0xffff, Signed: true},
	} {
		id, err := parseSession(text)
		if got := decode(id); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0x", "x1", "0x10000000000000000", "1.5"} {
		if _, err := parseSession(text); err == nil {
			t.Errorf("%q is taken for a session", text)
		}
	}
	if o := run(t, newSessionCommand, "", "decode", "0x10000221ceb0000", "-o", "json"); o.code != 0 || !strings.Contains(o.out, `"session":"0x10000221ceb0000","serverId":1,"started":null`) {
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

	o := run(t, newSessionCommand, e.Members()[0].Addr(), "ls", "--admin-port", "0", "-o", "json")
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
	o = run(t, newSessionCommand, e.Members()[0].Addr(), "show", id, "--admin-port", "0")
	for _, want := range []string{"session   " + id, "server    2", "member    " + member.Addr(), "timeout   10s", "  /lock\n", "  /watched\n", "expires   2"} {
		if o.code != 0 || !strings.Contains(o.out, want) {
			t.Errorf("%+v lacks %q", o, want)
		}
	}
	o = run(t, newSessionCommand, e.Members()[0].Addr(), "owner", "/lock", "/zookeeper", "--admin-port", "0")
	if lines := strings.Split(o.out, "\n"); o.code != 0 || len(lines) != 4 || !strings.Contains(lines[1], id) || !strings.HasSuffix(lines[1], member.Addr()) || !strings.Contains(lines[2], "not ephemeral") {
		t.Errorf("%+v", o)
	}
	if o := run(t, newSessionCommand, e.Members()[0].Addr(), "owner", "/none", "--admin-port", "0"); o.code != ui.ExitFailed || !strings.Contains(o.err, "/none") {
		t.Errorf("%+v", o)
	}
	if o := run(t, newSessionCommand, e.Members()[0].Addr(), "show", "0x123", "--admin-port", "0"); o.code != ui.ExitFailed || !strings.Contains(o.err, "no session 0x123") {
		t.Errorf("%+v", o)
	}
}

func TestSessionsThatNobodyTells(t *testing.T) {
	e := embedded(t, 1, map[string]string{"4lw.commands.whitelist": "srvr"})
	o := run(t, newSessionCommand, e.Members()[0].Addr(), "ls", "--admin-port", "0")
	if o.code != exitUnknown || strings.Count(o.out, "\n") != 1 || !strings.Contains(o.err, "4lw.commands.whitelist=cons,dump,wchc") {
		t.Errorf("%+v", o)
	}
}
