package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver"
)

// TestMirrorSparesOthers changes what the mirror has just written, and what it was killed at: neither is the mirror's any more.
func TestMirrorSparesOthers(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server}
	c := open(t, cfg)
	ctx := testContext(t)
	from, to := at+"/from", at+"/to"
	set := func(path, data string) {
		t.Helper()
		if _, err := c.Set(ctx, path, []byte(data), -1); err != nil {
			t.Fatal(err)
		}
	}
	theirs := func() {
		t.Helper()
		if data, _, err := c.Get(ctx, to+"/x", false); string(data) != "theirs" {
			t.Errorf("their change was overwritten by %q, %v", data, err)
		}
	}
	create(t, c, from, "", proto.OpenACL, proto.Persistent)
	state := filepath.Join(t.TempDir(), "state")
	m := startMirror(t, cfg, from, to, "--state", state)
	same(t, cfg, from, to)
	create(t, c, from+"/x", "1", proto.OpenACL, proto.Persistent)
	same(t, cfg, from, to)
	set(to+"/x", "theirs")
	set(from+"/x", "2")
	create(t, c, from+"/last", "", proto.OpenACL, proto.Persistent)
	if err := await.Until(ctx, func() bool {
		_, err := c.Exists(ctx, to+"/last", false)
		return err == nil
	}); err != nil {
		t.Fatal(err)
	}
	theirs()
	if err := m.end(); err != nil {
		t.Fatal(err)
	}

	words := []string{"mirror", from, to, "--once", "--state", state}
	if _, stderr, err := run(t, cfg, append(words, "--force")...); err != nil {
		t.Fatal(stderr, err)
	}
	f, err := os.OpenFile(state, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "%s\t%q\n", linePending, from+"/x") // as if it was killed
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := run(t, cfg, words...); err != nil {
		t.Fatal(stderr, err)
	}
	set(to+"/x", "theirs")
	set(from+"/x", "3")
	if _, _, err := run(t, cfg, words...); err == nil || !strings.Contains(err.Error(), "somebody else has changed 1 znode") {
		t.Error(err)
	}
	theirs()
}

// TestMirrorKilledBeforeACL kills a mirror while the topmost znode still has the ACL with which the mirror creates its children.
func TestMirrorKilledBeforeACL(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server, Auth: []client.Auth{scott}}
	c := open(t, cfg)
	from, to := at+"/from", at+"/to"
	forest(t, c, from, 8)
	mine := []proto.ACL{{Perms: proto.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}}, {Perms: proto.PermAll, ID: proto.ID{Scheme: "auth"}}}
	if _, err := c.SetACL(testContext(t), from, mine, -1); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("mirror %s %s --once --rate 1000 --state %s", from, to, filepath.Join(t.TempDir(), "state"))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), child+"="+line, child+"_SERVER="+server, child+"_AUTH="+string(scott.Data))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	underWay(t, c, to+"/004", nil)
	_ = cmd.Process.Kill() // it may have ended
	_ = cmd.Wait()
	if _, stderr, err := run(t, cfg, strings.Fields(line)...); err != nil {
		t.Fatal(stderr, err)
	}
	if a, b := describe(t, cfg, from), describe(t, cfg, to); !slices.Equal(a, b) {
		t.Errorf("there is\n%s\nof\n%s", b[0], a[0])
	}
}

// TestMirrorRecreated deletes a znode that stays at the destination, and creates it anew.
func TestMirrorRecreated(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server}
	c := open(t, cfg)
	from, to := at+"/from", at+"/to"
	words := []string{"mirror", from, to, "--once", "--state", filepath.Join(t.TempDir(), "state")}
	once := func(znodes string, more ...string) {
		t.Helper()
		if stdout, stderr, err := run(t, cfg, append(words, more...)...); err != nil || !strings.HasPrefix(stdout, "in step; "+znodes) {
			t.Fatal(stdout, stderr, err)
		}
	}
	remove := func() {
		t.Helper()
		if err := c.Delete(testContext(t), from+"/x", -1); err != nil {
			t.Fatal(err)
		}
	}
	create(t, c, from, "", proto.OpenACL, proto.Persistent)
	create(t, c, from+"/x", "1", proto.OpenACL, proto.Persistent)
	once("2 znodes")
	remove()
	for range 2 {
		once("1 znode")
	}
	create(t, c, from+"/x", "2", proto.OpenACL, proto.Persistent)
	once("2 znodes")
	same(t, cfg, from, to)
	remove()
	once("1 znode")
	once("1 znode", "--delete")
	if _, err := c.Exists(testContext(t), to+"/x", false); !errors.Is(err, proto.ErrNoNode) {
		t.Error(err)
	}
}

// TestMirrorEphemeralInTheWay: --force does not overwrite an ephemeral znode, and nothing says so. One in the place of what is gone at the
// source is in nobody's way.
func TestMirrorEphemeralInTheWay(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server}
	c := open(t, cfg)
	from, to := at+"/from", at+"/to"
	words := []string{"mirror", from, to, "--once", "--delete", "--state", filepath.Join(t.TempDir(), "state")}
	remove := func(path string) {
		t.Helper()
		if err := c.Delete(testContext(t), path, -1); err != nil {
			t.Fatal(err)
		}
	}
	inStep := func(znodes string) {
		t.Helper()
		if stdout, stderr, err := run(t, cfg, words...); err != nil || stderr != "" || !strings.HasPrefix(stdout, "in step; "+znodes) {
			t.Fatal(stdout, stderr, err)
		}
	}
	blocked := func() {
		t.Helper()
		create(t, c, to+"/x", "", proto.OpenACL, proto.Ephemeral)
		for _, more := range [][]string{nil, {"--force"}} {
			stdout, stderr, err := run(t, cfg, append(words, more...)...)
			if err == nil || err.Error() != "1 znode could not be mirrored" || !strings.Contains(stdout, "; 1 failed\n") || strings.Contains(stdout, "changed by others") ||
				!strings.Contains(stderr, to+"/x: is an ephemeral znode of session") || strings.Contains(stderr, "--force") {
				t.Errorf("%q: %s%s%v", more, stdout, stderr, err)
			}
		}
		remove(to + "/x")
	}
	for _, path := range []string{from, from + "/x", to} {
		create(t, c, path, "", proto.OpenACL, proto.Persistent)
	}
	blocked()
	inStep("2 znodes")
	remove(to + "/x") // after it was mirrored
	if _, err := c.Set(testContext(t), from+"/x", []byte("new"), -1); err != nil {
		t.Fatal(err)
	}
	blocked()
	inStep("2 znodes")
	remove(to + "/x")
	create(t, c, to+"/x", "", proto.OpenACL, proto.Ephemeral)
	remove(from + "/x")
	for range 2 {
		inStep("1 znode")
	}
	if _, err := c.Exists(testContext(t), to+"/x", false); err != nil {
		t.Error(err)
	}
}

// TestMirrorWholeServer mirrors all that a server has: what is the servers' own does not count.
func TestMirrorWholeServer(t *testing.T) {
	server := func() (*localserver.Ensemble, *client.Conn) {
		e, err := localserver.Start(t.Context(), localserver.Options{Ephemeral: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		return e, open(t, client.Config{Servers: e.ConnectString()})
	}
	a, c := server()
	create(t, c, "/x", "", proto.OpenACL, proto.Persistent)
	create(t, c, "/zookeeper/quota/x", "", proto.OpenACL, proto.Persistent)
	for _, to := range []string{"/", "/copy"} {
		b, _ := server()
		for range 2 {
			stdout, stderr, err := run(t, client.Config{Servers: a.ConnectString()}, "mirror", "/", "zk://"+b.ConnectString()+to, "--once", "--delete",
				"--state", filepath.Join(t.TempDir(), "state"))
			if err != nil || stderr != "" || !strings.HasPrefix(stdout, "in step; 2 znodes") {
				t.Errorf("%s: %s%s%v", to, stdout, stderr, err)
			}
		}
	}
}

// TestMirrorComparesBusySource changes an ACL while the source is never idle.
func TestMirrorComparesBusySource(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server, Auth: []client.Auth{scott}}
	c := open(t, cfg)
	ctx := testContext(t)
	from, to := at+"/from", at+"/to"
	forest(t, c, from, 1)
	m := startMirror(t, cfg, from, to, "--verify-every", "300ms")
	same(t, cfg, from, to)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = c.Set(ctx, fmt.Sprintf("%s/000/%03d", from, i%100), nil, -1)
			}
		})
	}
	if _, err := c.SetACL(ctx, from+"/000", []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "auth"}}}, -1); err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := await.Until(soon, func() bool {
		_, stat, err := c.GetACL(ctx, to+"/000")
		return err == nil && stat.Aversion > 0
	}); err != nil {
		t.Errorf("%v: %s", err, m.log.String())
	}
	close(stop)
	writers.Wait()
}
