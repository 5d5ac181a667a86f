package transfer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// TestMirrorRefused mirrors what one of the ends does not let it read: it names those znodes as failed, mirrors the others,
// and ends.
func TestMirrorRefused(t *testing.T) {
	t.Run("Apache", func(t *testing.T) {
		server, at := home(t)
		mirrorRefused(t, server, at, true)
	})
	t.Run("embedded", func(t *testing.T) { // its exists needs permission, too (ZOOKEEPER-2590)
		e, err := localserver.Start(t.Context(), localserver.Options{Ephemeral: true})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		c := open(t, client.Config{Servers: e.ConnectString()})
		create(t, c, "/at", "", proto.OpenACL, proto.Persistent)
		mirrorRefused(t, e.ConnectString(), "/at", false)
	})
}

// mirrorRefused does it on a server. tells says whether that tells the stat of what may not be read.
func mirrorRefused(t *testing.T, server, at string, tells bool) {
	from, to := at+"/from", "zk://"+server+at+"/to" // there it has no identity
	known := client.Config{Servers: server, Auth: []client.Auth{scott}}
	stranger := client.Config{Servers: server}
	c := open(t, known)
	mine := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "auth"}}}
	create(t, c, from, "", proto.OpenACL, proto.Persistent)
	create(t, c, from+"/closed", "1", mine, proto.Persistent)
	create(t, c, from+"/open", "1", proto.OpenACL, proto.Persistent)
	words := []string{"mirror", from, to, "--once", "--delete", "--state", t.TempDir() + "/state"}

	once := func(cfg client.Config, failed bool, wantOut, wantErr string) {
		t.Helper()
		stdout, stderr, err := run(t, cfg, words...)
		var exit *ui.ExitError
		if failed != (errors.As(err, &exit) && exit.Code == ui.ExitFailed && strings.Contains(err.Error(), "1 znode could not be mirrored")) ||
			!failed && err != nil || !strings.Contains(stdout, wantOut) || !strings.Contains(stderr, wantErr) || wantErr == "" && stderr != "" {
			t.Errorf("%s%s%v", stdout, stderr, err)
		}
	}
	set := func(path, data string) {
		t.Helper()
		if _, err := c.Set(testContext(t), path, []byte(data), -1); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(path, want string) {
		t.Helper()
		if data, _, err := c.Get(testContext(t), at+"/to"+path, false); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
	for range 2 { // the state remembers that it is not mirrored
		once(stranger, true, "2 znodes", at+"/to/closed: could not be read at the source: Insufficient permission : "+from+"/closed")
	}
	once(known, false, "3 znodes", "") // created without being read
	holds("/closed", "1")
	set(from+"/closed", "2")
	set(from+"/open", "2")
	once(known, true, "1 failed", at+"/to/closed: exists there, and this session may not read it")
	holds("/closed", "1")
	holds("/open", "2")
	if err := c.Delete(testContext(t), from+"/closed", -1); err != nil {
		t.Fatal(err)
	}
	if !tells {
		once(known, true, "1 failed", at+"/to/closed: exists there, and this session may not read it")
		return
	}
	once(known, false, "2 znodes", "")
	if _, err := c.Exists(testContext(t), at+"/to/closed", false); !errors.Is(err, proto.ErrNoNode) {
		t.Error(err)
	}
}

// TestMirrorBelowUnreadable mirrors znodes below one that may not be read: neither are they gone at the source, nor did somebody else
// delete them at the destination.
func TestMirrorBelowUnreadable(t *testing.T) {
	server, at := home(t)
	known := client.Config{Servers: server, Auth: []client.Auth{scott}}
	c := open(t, known)
	from, to := at+"/from", at+"/to"
	create(t, c, from, "", proto.OpenACL, proto.Persistent)
	create(t, c, from+"/closed", "", []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "auth"}}}, proto.Persistent)
	for i := range 12 { // more than may be gone at once
		create(t, c, fmt.Sprintf("%s/closed/%d", from, i), "", proto.OpenACL, proto.Persistent)
	}
	words := []string{"mirror", from, "zk://" + server + to, "--once", "--delete", "--state", t.TempDir() + "/state"}
	for range 2 { // the destination has no identity
		if stdout, stderr, err := run(t, known, words...); err != nil || stderr != "" || !strings.HasPrefix(stdout, "in step; 14 znodes") {
			t.Fatal(stdout, stderr, err)
		}
	}
	if _, err := c.Set(testContext(t), from+"/closed/0", []byte("new"), -1); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := run(t, client.Config{Servers: server}, words...) // nor has the source
	if err == nil || !strings.Contains(err.Error(), "1 znode could not be mirrored") || !strings.HasPrefix(stdout, "in step; 14 znodes") {
		t.Error(stdout, stderr, err)
	}
	if a, b := describe(t, known, from), describe(t, known, to); !slices.Equal(a, b) {
		t.Errorf("there is\n%s\nof\n%s", strings.Join(b, "\n"), strings.Join(a, "\n"))
	}
}

// TestMirrorExtraRefused: what is to be deleted and may not be read, not even its stat (ZOOKEEPER-2590), has failed.
func TestMirrorExtraRefused(t *testing.T) {
	e, err := localserver.Start(t.Context(), localserver.Options{Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := open(t, client.Config{Servers: e.ConnectString(), Auth: []client.Auth{scott}})
	for _, path := range []string{"/from", "/to", "/to/above", "/to/open"} {
		create(t, c, path, "", proto.OpenACL, proto.Persistent)
	}
	create(t, c, "/to/above/closed", "", []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "auth"}}}, proto.Persistent)
	words := []string{"mirror", "/from", "/to", "--once", "--delete"}
	for _, test := range []struct {
		words []string
		want  string
	}{{words, "; 2 changed by others; 1 failed\n"}, {append(words, "--force"), "every 5m0s; 2 failed\n"}} { // with the one above it
		stdout, stderr, err := run(t, client.Config{Servers: e.ConnectString()}, test.words...)
		if err == nil || !strings.Contains(err.Error(), "could not be mirrored") || !strings.Contains(stdout, test.want) ||
			strings.Count(stderr, "/to/above/closed: exists there, and this session may not read it") != 1 {
			t.Errorf("%q: %s%s%v", test.words, stdout, stderr, err)
		}
	}
	if _, err := c.Exists(testContext(t), "/to/open", false); !errors.Is(err, proto.ErrNoNode) {
		t.Error(err)
	}
}

// TestMirrorStartsWithoutTrace starts a mirror again and again between the same paths of two ensembles: that it finds out
// whether they are one must not raise a counter at the destination.
func TestMirrorStartsWithoutTrace(t *testing.T) {
	server, at := home(t)
	other, err := localserver.Start(t.Context(), localserver.Options{Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	cfg := client.Config{Servers: server}
	c := open(t, cfg)
	create(t, c, at+"/kid", "", proto.OpenACL, proto.Persistent)
	far := open(t, client.Config{Servers: other.ConnectString()})
	next := func(c *client.Conn, path string) int32 {
		t.Helper()
		stat, err := c.Exists(testContext(t), path, false)
		if err != nil {
			t.Fatal(err)
		}
		return source.NextSequence(&stat)
	}
	root := next(far, "/")
	for range 3 {
		if _, stderr, err := run(t, cfg, "mirror", at, "zk://"+other.ConnectString()+at, "--once"); err != nil {
			t.Fatal(stderr, err)
		}
	}
	if a, b := next(c, at), next(far, at); a != b {
		t.Errorf("the next number is %d at the source, %d at the destination", a, b)
	}
	if n := next(far, "/"); n != root+1 {
		t.Errorf("the next number of the destination's root has become %d from %d", n, root)
	}
}

// TestMirrorOnceGivesUp cuts a mirror off that is to end by itself.
func TestMirrorOnceGivesUp(t *testing.T) {
	server, at := home(t)
	c := open(t, client.Config{Servers: server})
	create(t, c, at+"/from", "", proto.OpenACL, proto.Persistent)
	for i := range 50 {
		create(t, c, fmt.Sprintf("%s/from/%d", at, i), "", proto.OpenACL, proto.Persistent)
	}
	var g gate
	var log sharedio.Buffer
	env, end := environ(client.Config{Servers: server, Dial: g.dial}, io.Discard, &log)
	defer end()
	o := &mirrorOptions{env: env, once: true, verify: verifyEvery, rate: 10, metrics: "127.0.0.1:0", patience: 10 * time.Millisecond}
	ended := make(chan error, 1)
	go func() { ended <- o.run(testContext(t), at+"/from", at+"/to") }()
	if err := await.Until(testContext(t), func() bool { return strings.Contains(log.String(), "metrics are at") }); err != nil {
		t.Fatal(err)
	}
	g.set(true)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "given up after") {
		t.Error(err)
	}
}
