package commands

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// places are the same znodes: on a server, in its snapshot, and in its data directory at the snapshot's
// zxid, to which the server has added more since.
type places struct {
	live, file, dir string
	server          *apache.Server
	conn            *client.Conn
}

// forestOf is a tree with all kinds of znodes. The session holds the ephemeral ones.
func forestOf(t *testing.T, ctx context.Context, conn *client.Conn) {
	t.Helper()
	other := []proto.ACL{proto.OpenACL[0], {Perms: proto.PermRead, ID: proto.ID{Scheme: "ip", ID: "10.9.8.7"}}}
	for _, z := range []struct {
		path string
		data []byte
		acl  []proto.ACL
		mode proto.CreateMode
		ttl  int64
	}{
		{"/app", []byte("the root of it"), proto.OpenACL, proto.Persistent, 0},
		{"/app!", []byte("sorts before what is below /app, byte by byte"), proto.OpenACL, proto.Persistent, 0},
		{"/app/config", []byte("{\"a\": 1,\n \"needle\": 2}\n"), proto.OpenACL, proto.Persistent, 0},
		{"/app/config/db.json", []byte("needle\nhay\nneedle again"), proto.OpenACL, proto.Persistent, 0},
		{"/app/config-old", nil, proto.OpenACL, proto.Persistent, 0},
		{"/app/empty", []byte{}, proto.OpenACL, proto.Persistent, 0},
		{"/app/lock-", []byte("x"), proto.OpenACL, proto.EphemeralSequential, 0},
		{"/app/lock-", []byte("y"), proto.OpenACL, proto.EphemeralSequential, 0},
		{"/app/n-", nil, proto.OpenACL, proto.PersistentSequential, 0},
		{"/app/box", []byte("container"), proto.OpenACL, proto.Container, 0},
		{"/app/box/kid", nil, proto.OpenACL, proto.Persistent, 0},
		{"/app/timed", []byte("ttl"), proto.OpenACL, proto.PersistentTTL, 1 << 30},
		{"/app/größe ü", []byte("grün"), proto.OpenACL, proto.Persistent, 0},
		{"/app/binary", []byte("a\x00needle\xff"), proto.OpenACL, proto.Persistent, 0},
		{"/app/long", []byte(strings.Repeat("0123456789\n", 3000)), proto.OpenACL, proto.Persistent, 0},
		{"/app/secret", []byte("hidden needle"), proto.OpenACL, proto.Persistent, 0},
		{"/app/secret/below", []byte("hidden"), proto.OpenACL, proto.Persistent, 0},
	} {
		if _, _, err := conn.Create(ctx, z.path, z.data, z.acl, z.mode, z.ttl); err != nil {
			t.Fatal(z.path, err)
		}
	}
	for _, err := range []error{
		conn.Delete(ctx, "/app/config-old", -1), // the counter of children goes on
		func() error { _, err := conn.Set(ctx, "/app/config", []byte("{\"needle\": 3}"), -1); return err }(),
		func() error { _, err := conn.SetACL(ctx, "/app/empty", other, -1); return err }(),
		func() error { _, err := conn.SetACL(ctx, "/app/box", proto.ReadOnlyACL, -1); return err }(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// samePlaces starts a server and returns its znodes in all places.
func samePlaces(t *testing.T) *places {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := apachetest.Test(t, apache.Options{JVM: []string{"-Dzookeeper.extendedTypesEnabled=true"}})
	conn, err := client.Open(client.Config{Servers: server.Addr(), SessionTimeout: 20 * time.Second, Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	forestOf(t, ctx, conn)
	if err := server.Restart(ctx); err != nil { // it writes a snapshot
		t.Fatal(err)
	}
	if _, err := conn.Exists(ctx, "/", false); err != nil {
		t.Fatal(err)
	}
	files, err := storage.ReadDir(server.Dir())
	if err != nil || len(files.Snapshots) == 0 {
		t.Fatal(files, err)
	}
	snapshot := files.Snapshots[len(files.Snapshots)-1]
	return &places{live: "/", file: "file:" + snapshot.Path, dir: "file:" + server.Dir() + "@" + proto.Hex(snapshot.Zxid), server: server, conn: conn}
}

// kazoo returns the answers of an independent client.
func (p *places) kazoo(t *testing.T, queries ...string) []string {
	t.Helper()
	for _, file := range []string{"/usr/bin/python3", "/usr/lib/python3/dist-packages/kazoo/client.py"} {
		if _, err := filepath.EvalSymlinks(file); err != nil {
			apachetest.Missing(t, err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", append([]string{"testdata/reading.py", p.server.Addr()}, queries...)...)
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("reading.py: %v: %s", err, errOut.String())
	}
	return strings.Split(string(out), "\x00")
}

// TestSameEverywhere: each command that reads a location gives the same answer on a server, on its
// snapshot and on its data directory at that zxid, and what kazoo's client computes.
func TestSameEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("the embedded server writes no snapshot as it restarts")
	}
	p := samePlaces(t)
	run := func(line, place string) (string, string) {
		b := &bench{t: t, ctx: t.Context(), session: sessionWith(p.server.Addr())}
		defer b.session.Close()
		b.env = &command.Env{Commands: All, Session: b.session, Dir: "/", Output: ui.Text,
			Streams: &ui.Streams{In: strings.NewReader(""), Out: &b.out, Err: &b.err, Width: 80}}
		out, errOut, exit := b.run(strings.ReplaceAll(line, "AT", place))
		if exit > 1 {
			t.Fatalf("%s at %s: exit %d, %s", line, place, exit, errOut)
		}
		if exit == 1 {
			out += "no\n"
		}
		return out, errOut
	}
	lines := []struct{ line, kazoo string }{
		{"find AT", "name / *"},
		{"find AT:/app --name '*o*'", "name /app *o*"},
		{"find AT --size +12", "larger / 12"},
		{"find AT --children +1", "children / 1"},
		{"find AT --empty", "empty /"},
		{"find AT:/app --kind ephemeral", "ephemeral /app"},
		{"find AT --depth 2", "depth / 2"},
		{"find AT:/app -o json", "stat /app"},
		{"find AT:/app --acl ip:10.9.8.7", "acl /app ip:10.9.8.7"},
		{"find AT:/app/secret/below", "name /app/secret/below *"},
		{"find AT --owner 0x77", ""},
		{"grep needle AT", "grep / needle"},
		{"grep n..dle AT:/app/config", "grep /app/config n..dle"},
		{"grep -c -i NEEDLE AT", ""},
		{"grep -l --names config AT", ""},
		{"grep -v needle AT:/app/config -o json", ""},
		{"du AT", "du /"},
		{"du --top 5 AT:/app", "top /app 5"},
		{"du -d 1 --children AT", ""},
		{"du -s AT:/app/config -o json", ""},
		{"tree AT:/app -o json", "tree /app"},
		{"tree AT", ""},
		{"tree -L 2 --max-children 3 AT", ""},
		{"summary AT:/app/config", ""},
		{"summary AT:/app/config -o json", "summary /app/config"},
		{"exists AT:/app/config", ""},
		{"exists AT:/app/none", ""},
	}
	want := map[string]string{}
	var queries []string
	for _, tc := range lines {
		if tc.kazoo != "" {
			queries = append(queries, tc.kazoo)
		}
	}
	kazoo := p.kazoo(t, queries...)
	for _, tc := range lines {
		live := strings.ReplaceAll(tc.line, "AT:/app", "/app")
		want[tc.line], _ = run(live, "/")
		if tc.kazoo == "" {
			continue
		}
		if kazoo[0] != want[tc.line] && !(strings.HasPrefix(tc.kazoo, "summary ") && strings.Contains(want[tc.line], strings.TrimSpace(kazoo[0]))) {
			t.Errorf("%s prints\n%s, but kazoo computes\n%s", live, want[tc.line], kazoo[0])
		}
		kazoo = kazoo[1:]
	}
	if _, _, err := p.conn.Create(t.Context(), "/app/later", []byte("needle"), proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	if err := p.conn.Delete(t.Context(), "/app/config/db.json", -1); err != nil {
		t.Fatal(err)
	}
	for _, tc := range lines {
		for _, place := range []string{p.file, p.dir} {
			if got, errOut := run(tc.line, place); got != want[tc.line] {
				t.Errorf("%s at %s prints\n%s%s, but on the server\n%s", tc.line, place, got, errOut, want[tc.line])
			}
		}
	}
	everything, _ := run("find AT", "/")
	listed, _ := run("ls -R AT", "/")
	sorted := func(text string) string {
		rows := strings.Split(text, "\n")
		slices.Sort(rows)
		return strings.Join(rows, "\n")
	}
	if sorted(listed) != sorted(everything) {
		t.Errorf("ls -R lists\n%s, but find\n%s", listed, everything)
	}
	if out, _ := run("find AT --name later", p.server.Dir()); out != "no\n" {
		t.Errorf("a relative path finds %s", out)
	}
	if out, errOut := run("find AT --name later", "file:"+p.server.Dir()); out != "/app/later\n" {
		t.Errorf("the newest state: %s%s", out, errOut)
	}
	if out, errOut := run("find AT --kind container,ttl", p.file); out != "/app/box\n/app/timed\n" {
		t.Errorf("kinds in a file: %s%s", out, errOut)
	}
}
