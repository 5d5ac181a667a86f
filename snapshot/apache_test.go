package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// java runs one of Apache's tools; its dates are in UTC, as the tests' are.
func java(t *testing.T, stdin, class string, args ...string) string {
	t.Helper()
	cmd := apachetest.Require(t).JavaCommand(testContext(t), "org.apache.zookeeper.server."+class, args...)
	cmd.Env = append(cmd.Env, "TZ=UTC")
	cmd.Stdin = strings.NewReader(stdin)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v: %s", class, args, err, stderr.String())
	}
	return out.String()
}

func open(t *testing.T, addr string) *client.Conn {
	t.Helper()
	c, err := client.Open(client.Config{Servers: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// fill writes znodes of every kind, enough of them for some snapshots.
func fill(t *testing.T, c *client.Conn) {
	t.Helper()
	ctx := testContext(t)
	create := func(path, data string, mode proto.CreateMode, ttl int64) {
		t.Helper()
		if _, _, err := c.Create(ctx, path, []byte(data), proto.OpenACL, mode, ttl); err != nil {
			t.Fatal(err)
		}
	}
	create("/config", "one", proto.Persistent, 0)
	create("/config/数据", "\x00\xff", proto.Persistent, 0)
	create(`/config/a "b" \c`, "", proto.Persistent, 0)
	create("/live", "", proto.Ephemeral, 0)
	create("/box", "", proto.Container, 0)
	create("/brief", "", proto.PersistentTTL, 3600_000)
	for i := range 60 {
		create(fmt.Sprintf("/config/n-%03d", i), strings.Repeat("d", i), proto.Persistent, 0)
	}
	if _, err := c.Set(ctx, "/config", []byte("two"), -1); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetACL(ctx, "/config/n-000", proto.ReadOnlyACL, -1); err != nil {
		t.Fatal(err)
	}
}

// TestFreshFromApache makes a server write snapshots and compares each tool with Apache's.
func TestFreshFromApache(t *testing.T) {
	s := apachetest.Test(t, apache.Options{JVM: []string{"-Dzookeeper.extendedTypesEnabled=true", "-Dzookeeper.snapCount=30"}})
	c := open(t, s.Addr())
	fill(t, c)
	if err := s.Kill(); err != nil { // with its session in it
		t.Fatal(err)
	}
	if err := s.Restart(testContext(t)); err != nil { // which makes a snapshot of all
		t.Fatal(err)
	}
	if err := s.Shutdown(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Dir(), "version-2")
	files, err := filepath.Glob(filepath.Join(dir, "snapshot.*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("snapshots %q, %v; want several", files, err)
	}
	slices.SortFunc(files, func(a, b string) int { return int(zxidOfFile(a) - zxidOfFile(b)) })
	oldest, newest := files[0], files[len(files)-1]
	sameBlocks(t, mustRun(t, "dump", newest), java(t, "", "SnapshotFormatter", newest))
	sameBlocks(t, mustRun(t, "dump", "-d", newest), java(t, "", "SnapshotFormatter", "-d", newest))
	if got, want := ncduTree(t, mustRun(t, "dump", "--json", newest)), ncduTree(t, java(t, "", "SnapshotFormatter", "-json", newest)); !maps.Equal(got, want) || len(got) < 65 {
		t.Errorf("-json: got %v\nwant %v", got, want)
	}
	args := []string{"-l", oldest, "-r", newest, "-b", "3", "-n", "1", "-d"}
	if got, want := mustRun(t, append([]string{"compare"}, args...)...), java(t, "", "SnapshotComparer", args...); untimed(got) != untimed(want) {
		t.Errorf("compare: got\n%s\nwant\n%s", got, want)
	}
	mustRun(t, append([]string{"verify"}, files...)...)

	// The logs alone yield the same tree.
	out := mustRun(t, "at", dir, "--zxid", proto.Hex(zxidOfFile(newest)), "-o", "json")
	if got, want := sortedLines(out), sortedLines(mustRun(t, "dump", "-o", "json", newest)); !slices.Equal(got, want) {
		t.Errorf("at: got\n%s\nwant\n%s", got, want)
	}
}

func sortedLines(text string) []string { return slices.Sorted(strings.Lines(text)) }

// TestRestoredByApache is point-in-time recovery: /config is deleted, the earlier tree is written,
// and a server starts from it.
func TestRestoredByApache(t *testing.T) {
	ctx := testContext(t)
	jvm := []string{"-Dzookeeper.extendedTypesEnabled=true"}
	s := apachetest.Test(t, apache.Options{JVM: jvm})
	c := open(t, s.Addr())
	fill(t, c)
	_, stat, err := c.Get(ctx, "/config", false)
	if err != nil {
		t.Fatal(err)
	}
	before, _, err := c.Children(ctx, "/config", false)
	if err != nil {
		t.Fatal(err)
	}
	last, _, err := c.Create(ctx, "/last", nil, proto.OpenACL, proto.Persistent, 0)
	if err != nil {
		t.Fatal(err)
	}
	lastStat, err := c.Exists(ctx, last, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range before {
		if err := c.Delete(ctx, "/config/"+name, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Delete(ctx, "/config", -1); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(); err != nil {
		t.Fatal(err)
	}
	for _, ending := range []string{"", ".gz"} {
		t.Run("snapshot"+ending, func(t *testing.T) {
			data := t.TempDir()
			version2 := filepath.Join(data, "version-2")
			if err := os.Mkdir(version2, 0o700); err != nil {
				t.Fatal(err)
			}
			target := version2
			if ending != "" {
				target = filepath.Join(version2, fmt.Sprintf("snapshot.%x%s", lastStat.Czxid, ending))
			}
			if a := run(t, "at", s.Dir(), "--zxid", proto.Hex(lastStat.Czxid), "--write", target); a.code != 0 {
				t.Fatal(a.err)
			}
			restored := apachetest.Test(t, apache.Options{Dir: data, JVM: jvm})
			c := open(t, restored.Addr())
			ctx := testContext(t)
			got, gotStat, err := c.Get(ctx, "/config", false)
			if err != nil || string(got) != "two" || gotStat != stat {
				t.Fatalf("%q %+v %v, want %+v", got, gotStat, err, stat)
			}
			after, _, err := c.Children(ctx, "/config", false)
			slices.Sort(after)
			slices.Sort(before)
			if err != nil || !slices.Equal(after, before) {
				t.Fatalf("%q %v, want %q", after, err, before)
			}
			if _, _, err := c.Create(ctx, "/config/more", nil, proto.OpenACL, proto.Persistent, 0); err != nil {
				t.Fatal(err) // it takes writes
			}
		})
	}
}

func TestPurgeAsApache(t *testing.T) {
	apachetest.Require(t)
	for _, count := range []string{"3", "5"} {
		ours, theirs := copied(t), copied(t)
		got := mustRun(t, "purge", filepath.Dir(ours), "-n", count)
		want := java(t, "", "PurgeTxnLog", filepath.Dir(theirs), filepath.Dir(theirs), "-n", count)
		if !slices.Equal(list(t, ours), list(t, theirs)) {
			t.Errorf("left %q, Apache leaves %q", list(t, ours), list(t, theirs))
		}
		shape := func(text, dir string) []string {
			return sortedLines(strings.ReplaceAll(text, filepath.Dir(dir), "DIR"))
		}
		if !slices.Equal(shape(got, ours), shape(want, theirs)) {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
}
