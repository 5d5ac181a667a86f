package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, cfg client.Config) *client.Conn {
	t.Helper()
	c, err := client.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// home creates a znode for this run of the test on the shared server.
func home(t testing.TB) (server, path string) {
	t.Helper()
	s := apachetest.Shared(t)
	c := open(t, client.Config{Servers: s.Addr()})
	path, _, err := c.Create(testContext(t), "/"+strings.ReplaceAll(t.Name(), "/", "-")+"-", nil, proto.OpenACL, proto.PersistentSequential, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // other tests read the whole server
		c, err := client.Open(client.Config{Servers: s.Addr(), Auth: []client.Auth{scott}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx := context.Background()
		var paths []string
		if err := c.Walk(ctx, path, client.WalkOptions{}, func(z *client.Walked) error {
			paths = append(paths, z.Path)
			return nil
		}); err != nil {
			t.Error(err)
		}
		for _, path := range slices.Backward(paths) {
			if err := c.Delete(ctx, path, -1); err != nil && !errors.Is(err, proto.ErrNoNode) {
				t.Error(err)
			}
		}
	})
	return s.Addr(), path
}

// environ returns an env that has its own session and prints to out and errs. end closes the session.
func environ(cfg client.Config, out, errs io.Writer) (env *command.Env, end func()) {
	s := session.New(func() (client.Config, error) { return cfg, nil })
	streams := &ui.Streams{In: strings.NewReader(""), Out: out, Err: errs, Width: 80}
	return &command.Env{Streams: streams, Verbs: Verbs, Session: s, Dir: "/"}, func() { _ = s.Close() }
}

// run runs a verb on a session with a server, and returns what it prints.
func run(t testing.TB, cfg client.Config, words ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	env, end := environ(cfg, &out, &errs)
	defer end()
	err = command.Run(testContext(t), env, command.Args(words...))
	return out.String(), errs.String(), err
}

func create(t testing.TB, c *client.Conn, path, data string, acl []proto.ACL, mode proto.CreateMode) {
	t.Helper()
	ttl := int64(0)
	if mode.IsTTL() {
		ttl = 3_600_000
	}
	if _, _, err := c.Create(testContext(t), path, []byte(data), acl, mode, ttl); err != nil {
		t.Fatal(err)
	}
}

var scott = client.Auth{Scheme: "digest", Data: []byte("scott:tiger")}

// sample makes a tree with each kind, a closed part and numbers of sequential children, and returns the last zxid.
func sample(t testing.TB, c *client.Conn, root string) int64 {
	t.Helper()
	ctx := testContext(t)
	mine := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "auth"}}}
	create(t, c, root, "root", proto.OpenACL, proto.Persistent)
	create(t, c, root+"/closed", "secret", mine, proto.Persistent)
	create(t, c, root+"/closed/kid", "k", mine, proto.Persistent)
	create(t, c, root+"/container", "", proto.OpenACL, proto.Container)
	create(t, c, root+"/container/kid", "", proto.OpenACL, proto.Persistent)
	create(t, c, root+"/queue", "", proto.OpenACL, proto.Persistent)
	for range 5 {
		create(t, c, root+"/queue/n-", "x", proto.OpenACL, proto.PersistentSequential)
	}
	for _, i := range []int{1, 4} {
		if err := c.Delete(ctx, fmt.Sprintf("%s/queue/n-%010d", root, i), -1); err != nil {
			t.Fatal(err)
		}
	}
	create(t, c, root+"/session", "", proto.OpenACL, proto.Ephemeral)
	create(t, c, root+"/ttl", "later", proto.OpenACL, proto.PersistentTTL)
	stat, err := c.Exists(ctx, root+"/ttl", false)
	if err != nil {
		t.Fatal(err)
	}
	return stat.Czxid
}

// describe lists a tree: paths, data, ACLs, next sequence numbers and, from files, kinds.
func describe(t testing.TB, cfg client.Config, location string) []string {
	t.Helper()
	l, err := source.Parse(location, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := session.New(func() (client.Config, error) { return cfg, nil })
	defer s.Close()
	src, err := source.Open(l, s)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var list []string
	if _, err := src.Walk(testContext(t), source.Options{Stat: true, Data: true, ACL: true}, func(z *source.Znode) error {
		if z.Kind == source.Ephemeral {
			return nil
		}
		kind := string(z.Kind)
		if !src.TellsKinds() {
			kind = ""
		}
		list = append(list, fmt.Sprintf("%s %q %v next %d %s %d", strings.TrimPrefix(z.Path, l.Path), z.Data, z.ACL, source.NextSequence(&z.Stat), kind, z.TTL))
		return nil
	}); err != nil && !errors.Is(err, proto.ErrNoNode) {
		t.Fatal(err)
	}
	return list
}

// TestDeletedTreeComesBack deletes a tree of a running server, and copies it back from the server's own files.
func TestDeletedTreeComesBack(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server, Auth: []client.Auth{scott}}
	c := open(t, cfg)
	root := at + "/config"
	zxid := sample(t, c, root)
	before := describe(t, cfg, root)
	for _, path := range []string{"/closed/kid", "/closed", "/container/kid", "/container", "/queue/n-0000000000", "/queue/n-0000000002", "/queue/n-0000000003", "/queue", "/session", "/ttl", ""} {
		if err := c.Delete(testContext(t), root+path, -1); err != nil {
			t.Fatal(err)
		}
	}
	file := fmt.Sprintf("file:%s@0x%x:%s", source.EncodeFile(apachetest.Shared(t).Dir()), uint64(zxid), root)
	// The session that writes need not be able to read what it writes.
	stdout, stderr, err := run(t, client.Config{Servers: server}, "cp", file, root)
	if err != nil || !strings.HasPrefix(stdout, "created 10, ") || !strings.Contains(stdout, "skipped 1, failed 0") {
		t.Fatalf("%s%s%v", stdout, stderr, err)
	}
	if after := describe(t, cfg, root); !slices.Equal(after, before) {
		t.Errorf("there is\n%s\nwhere there was\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	newest := fmt.Sprintf("file:%s:%s", source.EncodeFile(apachetest.Shared(t).Dir()), root)
	if kinds := describe(t, cfg, newest); !slices.Equal(kinds, describe(t, cfg, file)) {
		t.Errorf("the kinds are\n%s\nwhere they were\n%s", strings.Join(kinds, "\n"), strings.Join(describe(t, cfg, file), "\n"))
	}
	path, _, err := c.Create(testContext(t), root+"/queue/n-", nil, proto.OpenACL, proto.PersistentSequential, 0)
	if err != nil || path != root+"/queue/n-0000000005" {
		t.Errorf("the next sequential znode is %s, %v", path, err)
	}
}

func TestCopyErrors(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server}
	c := open(t, cfg)
	create(t, c, at+"/a", "1", proto.OpenACL, proto.Persistent)
	create(t, c, at+"/a/b", "1", proto.OpenACL, proto.Persistent)
	create(t, c, at+"/other", "2", proto.OpenACL, proto.Persistent)
	file := filepath.Join(t.TempDir(), "a.jsonl")
	if _, stderr, err := run(t, cfg, "export", at+"/a", "-O", file); err != nil {
		t.Fatalf("%s%v", stderr, err)
	}
	for _, test := range []struct {
		words string
		want  string
	}{
		{"cp AT/a AT/a", "the same znode"},
		{"cp AT/a AT/a/b/c", "copied into itself"},
		{"cp AT/a/b AT/a --on-conflict overwrite --delete-extra", "delete the source"},
		{"cp AT/a AT/other", "exists at the destination (--on-conflict skip or overwrite goes on, --resume if"},
		{"cp AT/none AT/x", "Node does not exist"},
		{"cp AT/a AT/none/x", "could not be written"},
		{"cp AT/a file:FILE", "files are only read"},
		{"cp AT/a file:FILE.none", "files are only read"},
		{"cp AT/a AT/x --on-conflict replace", `unknown policy "replace"`},
		{"cp AT/a AT/x --batch 0", "--batch"},
		{"cp AT/a AT/x --acl FILE", "--acl"},
		{"mv AT/a AT/other", "exists"},
		{"mv AT/a/b AT/a", "exists"},
		{"mv AT/a AT/a/x", "into itself"},
		{"mv AT/a /zookeeper/x", "belongs to the servers"},
		{"cp AT/a /zookeeper/x", "belongs to the servers"},
		{"import EXPORT /zookeeper/x", "belongs to the servers"},
		{"mv / AT/x", "/ always exists"},
		{"mv AT/a zk://SERVERAT/a --resume", "the same znode"},
		{"cp zk://SERVERAT/a AT/a --on-conflict overwrite", "the same znode"},
		{"cp zk://SERVERAT/a AT/a/b --on-conflict overwrite", "copied into itself"},
		{"cp AT/a/b zk://SERVERAT/a --on-conflict overwrite --delete-extra", "delete the source"},
		{"import EXPORT AT/x --map AT/a/none=AT/y", "is not in the export; nothing was written"},
		{"import EXPORT AT/x --map AT/a/b=AT/other", "other exists at the destination"},
	} {
		words := strings.NewReplacer("AT", at, "FILE", os.Args[0], "EXPORT", file, "SERVER", server).Replace(test.words)
		stdout, stderr, err := run(t, cfg, strings.Fields(words)...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %s%s%v", test.words, stdout, stderr, err)
		}
	}
	if list := describe(t, cfg, at); len(list) != 4 {
		t.Errorf("something was written: %q", list)
	}
}

func TestMoveVerb(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server, Auth: []client.Auth{scott}}
	c := open(t, cfg)
	sample(t, c, at+"/from")
	if _, _, err := run(t, cfg, "mv", at+"/from", at+"/to"); err == nil || !strings.Contains(err.Error(), "is ephemeral") {
		t.Errorf("with an ephemeral znode: %v", err)
	} else if strings.Count(err.Error(), "nothing was moved") != 1 {
		t.Errorf("with an ephemeral znode: %v", err)
	}
	if err := c.Delete(testContext(t), at+"/from/session", -1); err != nil {
		t.Fatal(err)
	}
	before := describe(t, cfg, at+"/from")
	if stdout, stderr, err := run(t, cfg, "mv", at+"/from", at+"/to"); err != nil || stdout != "" || stderr != "moved 10 znodes\n" {
		t.Fatalf("%s%s%v", stdout, stderr, err)
	}
	// To a session that knows nothing of the first, in steps; --resume does not try it in one transaction.
	for _, words := range [][]string{{at + "/to", "zk://" + server + at + "/again"}, {at + "/to", at + "/again", "--resume"}} {
		_, stderr, err := run(t, cfg, append([]string{"mv"}, words...)...)
		if err == nil != (len(words) == 3) {
			t.Fatalf("%s%v", stderr, err)
		}
	}
	if after := describe(t, cfg, at+"/again"); !slices.Equal(after, before) {
		t.Errorf("there is\n%s\nof\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	if list := describe(t, cfg, at); len(list) != 11 {
		t.Errorf("something is left: %q", list)
	}
}

// TestMoveJSON: mv prints one object, whether it moves at once or in steps, and offers only options that it has.
func TestMoveJSON(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server}
	create(t, open(t, cfg), at+"/a", "", proto.OpenACL, proto.Persistent)
	for _, words := range [][]string{{"mv", at + "/a", at + "/b"}, {"mv", at + "/b", at + "/a", "--resume"}} {
		stdout, stderr, err := run(t, cfg, append(words, "-o", "json")...)
		var o struct{ Created, Moved int }
		if jsonErr := json.Unmarshal([]byte(stdout), &o); err != nil || jsonErr != nil || o.Created != 1 || o.Moved != 1 {
			t.Errorf("%q: %s%s%v, %v", words, stdout, stderr, err, jsonErr)
		}
	}
	create(t, open(t, cfg), at+"/b", "", proto.OpenACL, proto.Persistent)
	for _, words := range [][]string{{"mv", at + "/a", "zk://" + server + at + "/b"}, {"mv", at + "/a", at + "/b", "--dry-run"}} {
		if _, stderr, err := run(t, cfg, words...); err == nil || !strings.Contains(err.Error(), "exists at the destination (--resume goes on if an earlier run was interrupted)") {
			t.Errorf("%q: %s%v", words, stderr, err)
		}
	}
}

// TestMoveProgress: a move says how far it is also while it compares the copy.
func TestMoveProgress(t *testing.T) {
	server, at := home(t)
	c := open(t, client.Config{Servers: server})
	forest(t, c, at+"/from", 1)
	var shown bytes.Buffer
	env, end := environ(client.Config{Servers: server}, io.Discard, &shown)
	defer end()
	env.Streams.ErrTTY = true
	if err := command.Run(testContext(t), env, command.Args("mv", at+"/from", at+"/to", "--resume", "--rate", "150")); err != nil {
		t.Fatalf("%s%v", shown.String(), err)
	}
	if text := shown.String(); !strings.Contains(text, "\rcompared ") {
		t.Errorf("%q", text)
	}
}

// TestMoveWithoutPermission: what may not be deleted is not copied first.
func TestMoveWithoutPermission(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server}
	c := open(t, cfg)
	mine := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: "scott:cAoDZ609duR5dr7zG1X1AFy2t8Q="}},
		{Perms: proto.PermRead | proto.PermCreate, ID: proto.ID{Scheme: "world", ID: "anyone"}}}
	create(t, c, at+"/closed", "", mine, proto.Persistent)
	create(t, c, at+"/closed/from", "", proto.OpenACL, proto.Persistent)
	if _, _, err := run(t, cfg, "mv", at+"/closed/from", at+"/to"); !errors.Is(err, proto.ErrNoAuth) || !strings.HasSuffix(err.Error(), "nothing was moved") {
		t.Errorf("%v", err)
	}
	if list := describe(t, cfg, at); len(list) != 3 {
		t.Errorf("there is %q", list)
	}
	// In steps, that shows only afterwards.
	if _, stderr, err := run(t, cfg, "mv", at+"/closed/from", at+"/to", "--resume"); err == nil || !strings.Contains(stderr, "stays: Insufficient permission") ||
		!strings.HasPrefix(err.Error(), "1 znode of the source could not be deleted") {
		t.Errorf("%s%v", stderr, err)
	}
}

// TestCopyToRefused copies to what this session may not read, not even its stat (ZOOKEEPER-2590): that stays and has failed, and the
// rest is written.
func TestCopyToRefused(t *testing.T) {
	e, err := localserver.Start(t.Context(), localserver.Options{Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := open(t, client.Config{Servers: e.ConnectString(), Auth: []client.Auth{scott}})
	mine := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "auth"}}}
	for _, path := range []string{"/from", "/from/closed", "/from/open", "/to", "/to/a", "/to/above"} {
		create(t, c, path, "1", proto.OpenACL, proto.Persistent)
	}
	for _, path := range []string{"/to/above/extra", "/to/closed", "/to/extra", "/closed"} {
		create(t, c, path, "1", mine, proto.Persistent)
	}
	cfg := client.Config{Servers: e.ConnectString()}
	file := filepath.Join(t.TempDir(), "from.jsonl")
	if _, stderr, err := run(t, cfg, "export", "/from", "-O", file); err != nil {
		t.Fatal(stderr, err)
	}
	const unreadable = ": exists there, and this session may not read it"
	for _, test := range []struct {
		words []string
		want  string
		named []string
	}{
		{[]string{"cp", "/from", "/to", "--dry-run"}, "would be created 1, changed 0, deleted 1; same 1, skipped 0, failed 4", nil},
		{[]string{"cp", "/from", "/to"}, "created 1, changed 0, deleted 1; same 1, skipped 0, failed 4",
			[]string{"/to/above/extra" + unreadable, "/to/above: is not wanted, and stays", "/to/closed" + unreadable, "/to/extra" + unreadable}},
		{[]string{"import", file, "/to"}, "created 0, changed 0, deleted 0; same 2, skipped 0, failed 4", nil},
		{[]string{"cp", "/from", "/closed"}, "created 0, changed 0, deleted 0; same 0, skipped 0, failed 3", []string{"/closed" + unreadable}},
	} {
		stdout, stderr, err := run(t, cfg, append(test.words, "--on-conflict", "overwrite", "--delete-extra", "-y")...)
		var exit *ui.ExitError
		if !errors.As(err, &exit) || exit.Code != ui.ExitFailed || !strings.Contains(stdout, test.want) {
			t.Errorf("%q: %s%s%v", test.words, stdout, stderr, err)
		}
		for _, text := range test.named {
			if !strings.Contains(stderr, text) {
				t.Errorf("%q: %s is not in %s", test.words, text, stderr)
			}
		}
	}
	if _, _, err := c.Get(testContext(t), "/to/open", false); err != nil {
		t.Error(err)
	}
}

// TestImport takes a tree through a file, and through standard input, to another path.
func TestImport(t *testing.T) {
	server, at := home(t)
	cfg := client.Config{Servers: server, Auth: []client.Auth{scott}}
	c := open(t, cfg)
	sample(t, c, at+"/from")
	file := filepath.Join(t.TempDir(), "from.jsonl")
	if stdout, stderr, err := run(t, cfg, "export", at+"/from", "-O", file); err != nil {
		t.Fatalf("%s%s%v", stdout, stderr, err)
	}
	want := describe(t, cfg, at+"/from")
	if stdout, stderr, err := run(t, cfg, "import", file, at+"/to"); err != nil || !strings.HasPrefix(stdout, "created 10, ") {
		t.Fatalf("%s%s%v", stdout, stderr, err)
	}
	if got := describe(t, cfg, at+"/to"); !slices.Equal(got, want) {
		t.Errorf("there is\n%s\nof\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, _, err := run(t, cfg, "import", file); err == nil || !strings.Contains(err.Error(), "/from exists") {
		t.Errorf("without a location: %v", err)
	}
	if stdout, stderr, err := run(t, cfg, "import", file, at+"/again", "--map", at+"/from/queue="+at+"/other-queue"); err != nil {
		t.Fatalf("%s%s%v", stdout, stderr, err)
	}
	if got := describe(t, cfg, at+"/again"); len(got) != len(want)-4 {
		t.Errorf("without what is mapped: %q", got)
	}
	if got := describe(t, cfg, at+"/other-queue"); !slices.Equal(got, describe(t, cfg, at+"/from/queue")) {
		t.Errorf("what is mapped: %q", got)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"cut off": text[:len(text)*2/3], "changed": bytes.Replace(text, []byte(`"later"`), []byte(`"Later"`), 1)} {
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := run(t, cfg, "import", file, at+"/bad"); err == nil || !strings.HasSuffix(err.Error(), "nothing was written") {
			t.Errorf("%s: %v", name, err)
		}
		if list := describe(t, cfg, at+"/bad"); len(list) > 0 {
			t.Errorf("%s: %q were written", name, list)
		}
	}
}
