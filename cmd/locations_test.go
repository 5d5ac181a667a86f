package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adrg/xdg"

	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/internal/await/awaittest"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
	"github.com/zkctl/zkctl/internal/ui"
)

// visited is a server that records what clients tell it: their identities and the paths that they ask
// for.
type visited struct {
	addr string
	mu   sync.Mutex
	told []string
}

func newVisited(t *testing.T) *visited {
	v := &visited{}
	v.addr = wiretest.Serve(t, func(_ int, p *wiretest.Peer) {
		first, err := p.R.Peek(1)
		if err != nil { // a second attempt to connect, on a busy machine
			return
		}
		if first[0] != 0 { // the length of a packet
			v.tell("not the plain protocol")
			return
		}
		p.Welcome(30 * time.Second)
		for {
			h, body, ok := p.Request()
			switch {
			case !ok:
				return
			case h.Type == proto.OpAuth:
				var a proto.AuthPacket
				_ = jute.Unmarshal(body, &a)
				v.tell(a.Scheme + ":" + string(a.Auth))
				p.Reply(h)
			case h.Type == proto.OpMultiRead:
				var req proto.MultiRequest
				_ = jute.Unmarshal(body, &req)
				var res proto.MultiResponse
				for _, op := range req.Ops {
					v.tell(op.Request.(*proto.PathWatchRequest).Path)
					res.Results = append(res.Results, proto.MultiResult{Type: op.Type})
				}
				p.Reply(h, &res)
			case h.Type == proto.OpCloseSession:
				p.Reply(h)
				return
			default:
				p.Fail(h, proto.ErrUnimplemented)
			}
		}
	})
	return v
}

func (v *visited) tell(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.told = append(v.told, what)
}

// heard returns what it was told, sorted, and forgets it.
func (v *visited) heard() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	slices.Sort(v.told)
	told := strings.Join(v.told, " ")
	v.told = nil
	return told
}

// ownState gives the test a folder of its own for what zkctl keeps.
func ownState(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	xdg.Reload()
	t.Cleanup(xdg.Reload)
}

// TestIdentitiesStayWhereTheyBelong: what the command line says of identities, TLS and the chroot is for plain paths; a
// name brings its own, and zk:// has none.
func TestIdentitiesStayWhereTheyBelong(t *testing.T) {
	ownState(t)
	here, there := newVisited(t), newVisited(t)
	config := writeFile(t, "config.yaml", fmt.Sprintf("default-profile: here\nprofiles:\n"+
		"  here:\n    server: %s/chroot\n    auth: digest:here:1\n"+
		"  there:\n    server: %s/below\n    auth: digest:there:2\n"+
		"  bare: {server: %q}\n", here.addr, there.addr, there.addr), 0o600)
	own := []string{"-config", config, "-auth", "digest:line:3"}
	secure := append(slices.Clone(own), "-tls", "-tls-truststore", newAuthority(t).Path(authority.CertFile))
	for _, tc := range []struct {
		name        string
		args        []string
		location    string
		here, there string
	}{
		{"a plain path", own, "/app", "/chroot/app digest:line:3", ""},
		{"a profile", own, "there:/app", "", "/below/app digest:there:2"},
		{"a profile without an identity", own, "bare:/app", "", "/app"},
		{"servers", own, "zk://" + there.addr + "/app", "", "/app"},
		{"the same servers", own, "zk://" + here.addr + "/app", "/app", ""},
		{"a profile, beside TLS", secure, "there:/app", "", "/below/app digest:there:2"},
		{"servers, beside TLS", secure, "zk://" + there.addr + "/app", "", "/app"},
		{"a profile that is not the given one", []string{"-config", config, "-profile", "there"}, "bare:/app", "", "/app"},
		{"a file", own, "file:" + writeFile(t, "snapshot.1", "x", 0o600), "", ""},
	} {
		for _, script := range []bool{false, true} {
			var out, errOut bytes.Buffer
			s := &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut}
			args := append(slices.Clone(tc.args), "find", tc.location)
			if script {
				s.In = strings.NewReader("find '" + tc.location + "'\n")
				args = tc.args
			}
			Execute(t.Context(), args, s)
			if got := here.heard(); got != tc.here {
				t.Errorf("%s: the ensemble at hand hears %q, want %q: %s", tc.name, got, tc.here, errOut.String())
			}
			if got := there.heard(); got != tc.there {
				t.Errorf("%s: the other ensemble hears %q, want %q: %s", tc.name, got, tc.there, errOut.String())
			}
		}
	}
}

// TestCompletionOfOthers: completion asks another ensemble with what its location brings, and a silent one does not hold
// it up.
func TestCompletionOfOthers(t *testing.T) {
	ownState(t)
	there := newVisited(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	config := writeFile(t, "config.yaml", fmt.Sprintf("profiles:\n  there:\n    server: %s\n    auth: digest:there:2\n  silent: {server: %q}\n", there.addr, silent.Addr()), 0o600)
	for location, want := range map[string]string{"there:/": "digest:there:2", "zk://" + there.addr + "/": "", "silent:/": ""} {
		a := newApp(discard())
		if err := a.flags.Parse([]string{"--config=" + config, "--auth=digest:line:3"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), completionPatience)
		began := awaittest.Start()
		a.candidates(ctx, []string{"find"}, location)
		cancel()
		if took, late := began.Late(completionPatience + time.Second); late {
			t.Errorf("%s: took %v", location, took)
		}
		if got := there.heard(); got != want {
			t.Errorf("%s: the ensemble hears %q, want %q", location, got, want)
		}
	}
}

// TestNamesOfLocations: what a name can stand for, and what the errors advise.
func TestNamesOfLocations(t *testing.T) {
	ownState(t)
	server := newVisited(t)
	config := writeFile(t, "config.yaml", "profiles:\n  prod: {server: \""+server.addr+"\"}\n  twice: {server: a}\n", 0o600)
	twice := filepath.Join(string(localHome()), "twice", "server.json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(twice), 0o700), os.WriteFile(twice, []byte("{}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]string{
		"prdo:/app":      `read as NAME:/path, a profile or a local server: no profile or local server is named "prdo" (did you mean prod?)`,
		"localhost:/app": "for a host, write zk://localhost:2181/path",
		"twice:/app":     `"twice" is both a profile and a local server`,
	} {
		var out, errOut bytes.Buffer
		if code := Execute(t.Context(), []string{"-config", config, "find", location}, &ui.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut}); code != 1 || !strings.Contains(errOut.String(), want) {
			t.Errorf("%s: exit code %d: %s", location, code, errOut.String())
		}
	}
	for _, name := range []string{"p", "file", "ZK"} {
		if _, err := readConfig(writeFile(t, "config.yaml", "profiles:\n  "+name+": {}\n", 0o600), true); err == nil || !strings.Contains(err.Error(), "invalid name") {
			t.Errorf("a profile named %s: %v", name, err)
		}
	}
}
