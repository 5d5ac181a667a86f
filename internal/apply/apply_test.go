package apply

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func session(t testing.TB, cfg client.Config) *client.Conn {
	t.Helper()
	c, err := client.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// home returns a connect string for the shared server, with a chroot for this run of the test.
func home(t testing.TB) string {
	t.Helper()
	s := apachetest.Shared(t)
	c := session(t, client.Config{Servers: s.Addr()})
	path, _, err := c.Create(testContext(t), "/"+strings.ReplaceAll(t.Name(), "/", "-")+"-", nil, proto.OpenACL, proto.PersistentSequential, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s.Addr() + path
}

// tree is wanted znodes, by what tests say of them.
type tree []source.Znode

func (t tree) wanted(_ context.Context, visit func(*source.Znode) error) error {
	for i := range t {
		z := t[i]
		if err := visit(&z); err != nil {
			return err
		}
	}
	return nil
}

// znode is a wanted znode; next is the number of its next sequential child.
func znode(path, data string, next int32) source.Znode {
	z := source.Znode{Path: path, Known: true, Kind: source.Persistent, Data: []byte(data), ACL: proto.OpenACL}
	z.Stat.Cversion = 2 * next
	return z
}

var (
	scott = proto.ACL{Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: "scott:cAoDZ609duR5dr7zG1X1AFy2t8Q="}}
	other = proto.ACL{Perms: proto.PermRead, ID: proto.ID{Scheme: "digest", ID: "other:x++yj2C2J2Bh55k6qX68i6Gam9E="}}
)

// sample has each kind, closed ACLs above open znodes, and sequence numbers above the numbers of children.
func sample() tree {
	t := tree{znode("/t", "root", 7), znode("/t/a", "1", 3), znode("/t/a/x", "", 0), znode("/t/a/y", "2", 1200), znode("/t/a-b", "", 0),
		znode("/t/c", "", 1), znode("/t/c/kid", "", 0), znode("/t/e", "", 0), znode("/t/n", "", 2), znode("/t/ttl", "later", 0)}
	t[1].ACL = []proto.ACL{other, scott}
	t[3].ACL = []proto.ACL{other}
	t[5].Kind = source.Container
	t[7].Kind, t[7].Stat.EphemeralOwner = source.Ephemeral, 0x1234
	t[8].Data = nil
	t[9].Kind, t[9].TTL = source.TTL, 3_600_000
	return t
}

// check compares what is at the destination, read by a session that may read it, with what is wanted.
func check(t *testing.T, ctx context.Context, super *client.Conn, want tree) {
	t.Helper()
	var found []string
	if err := super.Walk(ctx, want[0].Path, client.WalkOptions{}, func(z *client.Walked) error {
		found = append(found, z.Path)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, z := range want {
		if z.Kind == source.Ephemeral {
			continue
		}
		paths = append(paths, z.Path)
		stat, err := super.Exists(ctx, z.Path, false)
		if err != nil {
			t.Fatal(err)
		}
		data, _, err := super.Get(ctx, z.Path, false)
		if err != nil && !errors.Is(err, proto.ErrNoAuth) || err == nil && (string(data) != string(z.Data) || (data == nil) != (z.Data == nil)) {
			t.Errorf("%s has the data %q (%v), want %q", z.Path, data, err, z.Data)
		}
		acl, _, err := super.GetACL(ctx, z.Path)
		if err == nil && !slices.Equal(acl, z.ACL) {
			t.Errorf("%s has the ACL %v, want %v", z.Path, acl, z.ACL)
		}
		if next := source.NextSequence(&stat); next != source.NextSequence(&z.Stat) {
			t.Errorf("the next sequential child of %s gets %d, want %d", z.Path, next, source.NextSequence(&z.Stat))
		}
	}
	if !slices.Equal(found, paths) {
		t.Errorf("there are %q, want %q", found, paths)
	}
}

func TestRun(t *testing.T) {
	ctx := testContext(t)
	at := home(t)
	conn := session(t, client.Config{Servers: at})
	want := sample()
	raised := 0
	opt := Options{Root: "/t", Raise: func(parents, pairs int, largest string) (bool, error) {
		raised = pairs
		if parents != 4 || largest != "" {
			t.Errorf("%d parents, largest %q", parents, largest)
		}
		return true, nil
	}}
	res, err := Run(ctx, conn, opt, want.wanted)
	if err != nil || res.Created != 9 || res.Skipped.N != 1 || res.Ephemeral != 1 || res.Failed.N != 0 || res.Raised != 4 || res.Pairs != raised {
		t.Fatalf("%+v, %v", res, err)
	}
	reader := session(t, client.Config{Servers: at, Auth: []client.Auth{{Scheme: "digest", Data: []byte("scott:tiger")}}})
	check(t, ctx, reader, want)
	path, _, err := conn.Create(ctx, "/t/", nil, proto.OpenACL, proto.PersistentSequential, 0)
	if err != nil || path != "/t/0000000007" {
		t.Errorf("the next sequential child is %q, %v", path, err)
	}
	if res, err := Run(ctx, conn, Options{Root: "/t"}, want.wanted); !errors.Is(err, proto.ErrNodeExists) || res.Created != 0 {
		t.Errorf("again: %+v, %v", res, err)
	}
	// A resumed run finds everything done, also what it may not read.
	if res, err := Run(ctx, conn, Options{Root: "/t", Resume: true}, want.wanted); err != nil || res.Same != 9 || res.Created+res.Changed != 0 {
		t.Errorf("resumed: %+v, %v", res, err)
	}
}

func TestConflicts(t *testing.T) {
	ctx := testContext(t)
	conn := session(t, client.Config{Servers: home(t)})
	before := tree{znode("/t", "old", 4), znode("/t/extra", "", 1), znode("/t/extra/deep", "", 0), znode("/t/same", "s", 0)}
	want := tree{znode("/t", "new", 5), znode("/t/same", "s", 0), znode("/t/zoo", "", 0)}
	if _, err := Run(ctx, conn, Options{Root: "/t"}, before.wanted); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Create(ctx, "/t/session", nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
		t.Fatal(err)
	}
	_, err := Run(ctx, conn, Options{Root: "/t", Resume: true}, want.wanted)
	if conflict := (*ConflictError)(nil); !errors.As(err, &conflict) || conflict.Path != "/t" {
		t.Errorf("resumed: %v", err)
	}
	dry := Options{Root: "/t", OnConflict: Overwrite, DeleteExtra: true, DryRun: true}
	var done []string
	dry.Each = func(d Done) { done = append(done, string(d.Action)+" "+d.Path) }
	plan := []string{"change /t", "delete /t/extra/deep", "delete /t/extra", "create /t/zoo"}
	if res, err := Run(ctx, conn, dry, want.wanted); err != nil || !slices.Equal(done, plan) || res.Skipped.N != 1 {
		t.Errorf("dry: %q, %+v, %v", done, res, err)
	}
	if res, err := Run(ctx, conn, Options{Root: "/t", OnConflict: Skip}, want.wanted); err != nil || res.Created != 1 || res.Same != 1 || res.Skipped.N != 1 {
		t.Errorf("skip: %+v, %v", res, err)
	}
	if data, _, _ := conn.Get(ctx, "/t", false); string(data) != "old" {
		t.Errorf("skipping has changed the data to %q", data)
	}
	dry.DryRun = false
	res, err := Run(ctx, conn, dry, want.wanted)
	if err != nil || res.Changed != 1 || res.Deleted != 2 || res.Same != 2 || res.Skipped.N != 1 {
		t.Errorf("overwrite: %+v, %v", res, err)
	}
	if res.Higher.N != 1 || res.Higher.List[0].Path != "/t" { // of /t/session, too
		t.Errorf("higher: %+v", res.Higher)
	}
}

// TestEphemeralInTheWay: what is wanted in the place of an ephemeral znode fails, unless znodes that exist are to be skipped.
func TestEphemeralInTheWay(t *testing.T) {
	ctx := testContext(t)
	conn := session(t, client.Config{Servers: home(t)})
	want := tree{znode("/t", "", 0), znode("/t/session", "", 0)}
	if _, err := Run(ctx, conn, Options{Root: "/t"}, want[:1].wanted); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Create(ctx, "/t/session", nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
		t.Fatal(err)
	}
	res, err := Run(ctx, conn, Options{Root: "/t", OnConflict: Overwrite}, want.wanted)
	if err != nil || res.Skipped.N != 0 || res.Failed.N != 1 || !strings.Contains(res.Failed.List[0].Err.Error(), "is an ephemeral znode of session") {
		t.Errorf("overwrite: %+v, %v", res, err)
	}
	if res, err := Run(ctx, conn, Options{Root: "/t", OnConflict: Skip}, want.wanted); err != nil || res.Skipped.N != 1 || res.Failed.N != 0 {
		t.Errorf("skip: %+v, %v", res, err)
	}
	_, err = Run(ctx, conn, Options{Root: "/t", Resume: true}, want.wanted)
	if conflict := (*ConflictError)(nil); !errors.As(err, &conflict) || conflict.Path != "/t/session" {
		t.Errorf("resumed: %v", err)
	}
}

// TestNameLikeZookeeper: /zookeeper2 is not the servers' own, nor is a znode in it that has the name of a quota's figures.
func TestNameLikeZookeeper(t *testing.T) {
	ctx := testContext(t)
	conn := session(t, client.Config{Servers: apachetest.Shared(t).Addr()}) // without a chroot
	want := tree{znode("/zookeeper2", "", 3), znode("/zookeeper2/"+proto.StatsNode, "old", 0)}
	t.Cleanup(func() {
		for _, z := range slices.Backward(want) {
			_ = conn.Delete(context.Background(), z.Path, -1) // it may not be there
		}
	})
	if _, err := Run(ctx, conn, Options{Root: "/zookeeper2", NoSequences: true}, want.wanted); err != nil {
		t.Fatal(err)
	}
	want[1].Data = []byte("new")
	res, err := Run(ctx, conn, Options{Root: "/zookeeper2", OnConflict: Overwrite}, want.wanted)
	if err != nil || res.Same != 1 || res.Changed != 1 || res.Raised != 1 || res.Failed.N != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	check(t, ctx, conn, want)
}

// TestForeignChange changes a znode after it was read and before it is written.
func TestForeignChange(t *testing.T) {
	ctx := testContext(t)
	conn := session(t, client.Config{Servers: home(t)})
	if _, err := Run(ctx, conn, Options{Root: "/t"}, tree{znode("/t", "", 0), znode("/t/a", "old", 0), znode("/t/b", "old", 0)}.wanted); err != nil {
		t.Fatal(err)
	}
	want := tree{znode("/t", "", 0), znode("/t/a", "new", 0), znode("/t/b", "new", 0)}
	res, err := Run(ctx, conn, Options{Root: "/t", OnConflict: Overwrite}, func(ctx context.Context, visit func(*source.Znode) error) error {
		if err := want[:2].wanted(ctx, visit); err != nil {
			return err
		}
		if _, err := conn.Set(ctx, "/t/a", []byte("theirs"), -1); err != nil {
			return err
		}
		return want[2:].wanted(ctx, visit)
	})
	if err != nil || res.Changed != 1 || res.Failed.N != 1 || res.Failed.List[0].Path != "/t/a" || !errors.Is(res.Failed.List[0].Err, proto.ErrBadVersion) {
		t.Errorf("%+v, %v", res, err)
	}
	if data, _, _ := conn.Get(ctx, "/t/a", false); string(data) != "theirs" {
		t.Errorf("their change was overwritten by %q", data)
	}
}

func TestRefused(t *testing.T) {
	ctx := testContext(t)
	conn := session(t, client.Config{Servers: home(t)})
	if _, _, err := conn.Create(ctx, "/closed", nil, []proto.ACL{other}, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	want := tree{znode("/closed/t", "", 0), znode("/closed/t/a", "", 0)}
	res, err := Run(ctx, conn, Options{Root: "/closed/t"}, want.wanted)
	if err != nil || res.Failed.N != 2 || len(res.Failed.List) != 1 || !errors.Is(res.Failed.List[0].Err, proto.ErrNoAuth) {
		t.Errorf("without permission: %+v, %v", res, err)
	}
	res, err = Run(ctx, conn, Options{Root: "/none/t"}, tree{znode("/none/t", "", 0), znode("/none/t/a", "", 0)}.wanted)
	if err != nil || res.Failed.N != 2 || !errors.Is(res.Failed.List[0].Err, proto.ErrNoNode) {
		t.Errorf("without a parent: %+v, %v", res, err)
	}
	if _, _, err := conn.Create(ctx, "/read", nil, []proto.ACL{{Perms: proto.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}}}, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	res, err = Run(ctx, conn, Options{Root: "/read", OnConflict: Overwrite}, tree{znode("/read", "other", 0)}.wanted)
	if err != nil || res.Failed.N != 1 || len(res.Failed.List) != 1 || !errors.Is(res.Failed.List[0].Err, proto.ErrNoAuth) {
		t.Errorf("neither data nor ACL may be changed: %+v, %v", res, err)
	}
	masked := znode("/t", "", 0)
	masked.ACL = []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: "scott:x"}}}
	res, err = Run(ctx, conn, Options{Root: "/t"}, tree{masked, znode("/t/a", "", 0)}.wanted)
	if err != nil || res.Created != 0 || res.Failed.N != 2 || !strings.Contains(res.Failed.List[0].Err.Error(), "without the hash of user") {
		t.Errorf("with a hidden hash: %+v, %v", res, err)
	}
	closed, invalid := znode("/n", "", 0), znode("/n/a", "", 0)
	closed.ACL, invalid.ACL = []proto.ACL{}, []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "ip", ID: "nowhere"}}}
	res, err = Run(ctx, conn, Options{Root: "/n"}, tree{closed}.wanted)
	if err != nil || res.Created != 0 || res.Failed.N != 1 || !strings.Contains(res.Failed.List[0].Err.Error(), "empty") {
		t.Errorf("with an empty ACL: %+v, %v", res, err)
	}
	res, err = Run(ctx, conn, Options{Root: "/n"}, tree{znode("/n", "", 0), invalid, znode("/n/a/b", "", 0), znode("/n/c", "", 0)}.wanted)
	if err != nil || res.Created != 2 || res.Failed.N != 2 || len(res.Failed.List) != 1 || !errors.Is(res.Failed.List[0].Err, proto.ErrInvalidACL) {
		t.Errorf("with an ACL that the server does not know: %+v, %v", res, err)
	}
	for _, bad := range []tree{{}, {znode("/x", "", 0)}, {znode("/t", "", 0), znode("/t/a/b", "", 0)}, {znode("/t", "", 0), znode("/t/b", "", 0), znode("/t/a", "", 0)},
		{znode("/t", "", 0), znode("/t", "", 0)}} {
		if res, err := Run(ctx, conn, Options{Root: "/t", DryRun: true}, bad.wanted); err == nil {
			t.Errorf("%v: %+v", bad, res)
		}
	}
}

// TestTooLong writes a znode that is longer than the server takes, which closes the connection each time: it fails, alone. And it raises
// the number of a znode whose path is so long that a batch of pairs would be too long.
func TestTooLong(t *testing.T) {
	ctx := testContext(t)
	conn := session(t, client.Config{Servers: home(t)})
	want := tree{znode("/t", "", 0), znode("/t/a", "", 0), znode("/t/b", strings.Repeat("x", 2<<20), 0), znode("/t/b/c", "", 0), znode("/t/d", "", 0)}
	res, err := Run(ctx, conn, Options{Root: "/t"}, want.wanted)
	if err != nil || res.Created != 3 || res.Failed.N != 2 || len(res.Failed.List) != 1 || res.Failed.List[0].Path != "/t/b" ||
		!strings.Contains(res.Failed.List[0].Err.Error(), "jute.maxbuffer") {
		t.Errorf("%+v, %v", res, err)
	}
	res, err = Run(ctx, conn, Options{Root: "/t", OnConflict: Overwrite}, tree{znode("/t", strings.Repeat("x", 2<<20), 0), znode("/t/e", "", 0)}.wanted)
	if err != nil || res.Created != 1 || res.Failed.N != 1 || res.Failed.List[0].Path != "/t" {
		t.Errorf("data of a znode that exists: %+v, %v", res, err)
	}
	low := session(t, client.Config{Servers: apachetest.Test(t, apache.Options{JVM: []string{"-Djute.maxbuffer=20000"}}).Addr()})
	many := tree{znode("/t", "", 0)}
	for i := range 300 {
		many = append(many, znode(fmt.Sprintf("/t/%03d", i), strings.Repeat("x", 1000), 0))
	}
	many[200].Data = []byte(strings.Repeat("x", 25_000))
	res, err = Run(ctx, low, Options{Root: "/t", NoSequences: true}, many.wanted)
	if err != nil || res.Created != 300 || res.Failed.N != 1 || res.Failed.List[0].Path != many[200].Path {
		t.Errorf("the server takes little: %+v, %v", res, err)
	}
	long := znode("/"+strings.Repeat("x", 1000), "", 1000)
	asked := 0
	raise := func(parents, pairs int, largest string) (bool, error) { asked += pairs; return true, nil }
	if res, err = Run(ctx, conn, Options{Root: long.Path, DryRun: true, Raise: raise}, tree{long}.wanted); err != nil || res.Pairs != 1000 || asked != 1000 {
		t.Errorf("a dry run tells of %d pairs: %+v, %v", asked, res, err)
	}
	res, err = Run(ctx, conn, Options{Root: long.Path, Batch: 5000}, tree{long}.wanted)
	if err != nil || res.Pairs != 1000 || res.Failed.N != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	check(t, ctx, conn, tree{long})
}

// breaking is a dialer whose connections break, each after it has sent a number of bytes.
type breaking struct {
	after func() int64
	broke atomic.Int64
}

type breakingConn struct {
	net.Conn
	from *breaking
	left int64
}

func (b *breaking) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &breakingConn{c, b, b.after()}, nil
}

func (c *breakingConn) Write(b []byte) (int, error) {
	if c.left -= int64(len(b)); c.left < 0 {
		c.from.broke.Add(1)
		n, _ := c.Conn.Write(b) // the server may have it, and the reply is lost
		_ = c.Close()
		return n, errors.New("broken")
	}
	return c.Conn.Write(b)
}

// TestLostConnections loses connections while multis are in flight: everything is written, and once.
func TestLostConnections(t *testing.T) {
	ctx := testContext(t)
	b := &breaking{}
	n := int64(0)
	b.after = func() int64 { n++; return 20_000 + 37_000*n }
	conn := session(t, client.Config{Servers: home(t), Dial: b.dial})
	want := tree{znode("/t", "root", 0)}
	for i := range 40 {
		parent := fmt.Sprintf("/t/%03d", i)
		want = append(want, znode(parent, "", 100+5*int32(i)))
		for j := range 100 {
			want = append(want, znode(fmt.Sprintf("%s/%03d", parent, j), "some data", 0))
		}
	}
	want[0].Stat.Cversion = 2 * 40
	lost := 0
	res, err := Run(ctx, conn, Options{Root: "/t", Rate: -1, Batch: 100, Lost: func(error) { lost++ }}, want.wanted)
	if err != nil || res.Created != len(want) || res.Failed.N != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	if b.broke.Load() < 3 || lost == 0 {
		t.Errorf("%d connections broke, %d were noticed", b.broke.Load(), lost)
	}
	check(t, ctx, conn, want)
}

// TestProgress: what is done is counted as soon as the server has said so, not when much else is in flight.
func TestProgress(t *testing.T) {
	ctx := testContext(t)
	conn := session(t, client.Config{Servers: home(t)})
	done := 0
	opt := Options{Root: "/t", Batch: 1, Progress: func(n int) { done = n }}
	if _, err := Run(ctx, conn, opt, func(_ context.Context, visit func(*source.Znode) error) error {
		for i, path := range []string{"/t", "/t/a", "/t/b", "/t/c"} {
			z := znode(path, "", 0)
			if err := visit(&z); err != nil {
				return err
			}
			if done < i-1 { // the last one may wait for the next
				t.Errorf("when %s was added, only %d were done", path, done)
			}
			if err := conn.Sync(ctx, "/"); err != nil { // which is answered after what was sent before
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestFrom: only what comes from a znode on is passed, and only that is compared with what exists.
func TestFrom(t *testing.T) {
	ctx := testContext(t)
	conn := session(t, client.Config{Servers: home(t)})
	all := tree{znode("/t", "", 3), znode("/t/a", "", 1), znode("/t/a/x", "", 0), znode("/t/b", "", 2), znode("/t/b/x", "", 0), znode("/t/b/y", "", 0), znode("/t/c", "", 0)}
	begun := slices.Clone(all[:5])
	begun[0], begun[3] = znode("/t", "", 2), znode("/t/b", "", 1)
	rest := append(tree{znode("/t", "", 7)}, all[3:]...)
	if _, err := Run(ctx, conn, Options{Root: "/t"}, begun.wanted); err != nil {
		t.Fatal(err)
	}
	var seen []string
	opt := Options{Root: "/t", From: "/t/b/x", OnConflict: Overwrite, Wrote: func(path string, _ *proto.Stat, _ bool) { seen = append(seen, path) }}
	res, err := Run(ctx, conn, opt, rest.wanted)
	if err != nil || res.Created != 2 || res.Same != 3 || slices.Contains(seen, "/t/a") {
		t.Errorf("%+v, %v, %q", res, err, seen)
	}
	check(t, ctx, conn, all) // the number of /t is that of its children
}

// TestResume ends runs at arbitrary moments, as a kill does, and resumes.
func TestResume(t *testing.T) {
	ctx := testContext(t)
	at := home(t)
	want := sample()
	for i := range 300 {
		want = append(want, znode(fmt.Sprintf("/t/z%03d", i), strings.Repeat("x", i), int32(i%3)))
	}
	want[0].Stat.Cversion = 2 * 400
	scotts := client.Config{Servers: at, Auth: []client.Auth{{Scheme: "digest", Data: []byte("scott:tiger")}}}
	reader := session(t, scotts)
	count := func() (n int) {
		if err := reader.Walk(ctx, "/t", client.WalkOptions{}, func(*client.Walked) error { n++; return nil }); err != nil && !errors.Is(err, proto.ErrNoNode) {
			t.Fatal(err)
		}
		return n
	}
	created := 0
	for limit := int64(3000); ; limit += 9000 {
		before := count()
		b := &breaking{after: func() int64 { return limit }}
		cfg := scotts
		cfg.Dial = b.dial
		conn, err := client.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		runCtx, cancel := context.WithCancel(ctx)
		res, err := Run(runCtx, conn, Options{Root: "/t", Resume: true, Batch: 10, Lost: func(error) { cancel() }}, want.wanted)
		cancel()
		_ = conn.Close()
		created += res.Created
		if err == nil {
			if res.Failed.N > 0 {
				t.Fatalf("%+v", res)
			}
			break
		}
		if now := count() - before; now > res.Created+res.Unsure {
			t.Errorf("%d znodes are new, but only %d were written and %d may have been", now, res.Created, res.Unsure)
		}
		if limit > 1<<20 {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	check(t, ctx, session(t, scotts), want)
	if created > len(want) {
		t.Errorf("%d znodes were created, of %d", created, len(want))
	}
}

// TestResumeContainer: the child that keeps a container while its number is raised is deleted if a kill has left it there.
func TestResumeContainer(t *testing.T) {
	ctx := testContext(t)
	conn := session(t, client.Config{Servers: home(t)})
	want := tree{znode("/t", "", 0), znode("/t/c", "", 6)}
	want[1].Kind = source.Container
	for _, z := range []struct {
		path string
		mode proto.CreateMode
	}{{"/t", proto.Persistent}, {"/t/c", proto.Container}, {"/t/c/zkctl-sequence-0123456789abcdef-0", proto.Persistent}} {
		var data []byte
		if !strings.HasSuffix(z.path, "-0") {
			data = []byte{}
		}
		if _, _, err := conn.Create(ctx, z.path, data, proto.OpenACL, z.mode, 0); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := Run(ctx, conn, Options{Root: "/t", Resume: true}, want.wanted); err != nil || res.Failed.N != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	want[0].Stat.Cversion = 2
	check(t, ctx, conn, want)
}

func TestMove(t *testing.T) {
	ctx := testContext(t)
	conn := session(t, client.Config{Servers: home(t), Auth: []client.Auth{{Scheme: "digest", Data: []byte("scott:tiger")}}})
	from := tree{znode("/from", "root", 5), znode("/from/a", "1", 0)}
	if _, err := Run(ctx, conn, Options{Root: "/from"}, from.wanted); err != nil {
		t.Fatal(err)
	}
	to := tree{znode("/to", "root", 5), znode("/to/a", "1", 0)}
	to[1].ACL = []proto.ACL{scott, {Perms: proto.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}}}
	gone := &Removal{}
	gone.Add("/from", 0)
	gone.Add("/from/a", 1)
	if res, err := Run(ctx, conn, Options{Root: "/to", Instead: gone}, to.wanted); !errors.Is(err, proto.ErrBadVersion) || res.Created != 0 {
		t.Fatalf("although it was changed: %+v, %v", res, err)
	}
	gone = &Removal{}
	gone.Add("/from", 0)
	gone.Add("/from/a", 0)
	if res, err := Run(ctx, conn, Options{Root: "/to", Instead: gone}, to.wanted); err != nil || res.Created != 2 || res.Deleted != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	check(t, ctx, conn, to)
	if _, err := conn.Exists(ctx, "/from", false); !errors.Is(err, proto.ErrNoNode) {
		t.Error(err)
	}
	large := tree{znode("/large", "", 0)}
	for i := range onceParts {
		large = append(large, znode(fmt.Sprintf("/large/%05d", i), "", 0))
	}
	if _, err := Run(ctx, conn, Options{Root: "/large", Instead: &Removal{}}, large.wanted); !errors.Is(err, ErrNotAtOnce) {
		t.Error(err)
	}
}
