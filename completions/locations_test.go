package completions

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
)

func TestMain(m *testing.M) { os.Exit(apachetest.Main(m)) }

// TestLocations: all forms of a location are offered.
func TestLocations(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"afile", "a@b"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	savedTree(t, "snapshot.5", "/app", "/app/a b", "/app/web", "/top")
	if err := os.MkdirAll("data/version-2", 0o700); err != nil {
		t.Fatal(err)
	}
	savedTree(t, "data/version-2/snapshot.4", "/app", "/app/one", "/app/two", "/top")
	servers := []Suggestion{{Text: "prod", Help: ProfileHelp}, {Text: "dev", Help: LocalHelp}, {Text: "zk1:2181,zk2:2181/app"}, {Text: "zk1:2181,zk2:2181"}}
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(newFakeTree("/node/kid", "/prose")), Servers: func() []Suggestion { return servers }})
	for line, want := range map[string][]string{
		"find ":             {"/node", "/prose"},
		"find /no":          {"/node"},
		"find no":           {"node"},
		"find pro":          {"prose", "prod:/"},
		"find de":           {"dev:/"},
		"find zk":           {"zk://"},
		"find zk://":        {"zk://zk1:2181,zk2:2181/"},
		"find fi":           {"file:"},
		"find file:a":       {"file:a%40b", "file:afile"},
		"grep x file:af":    {"file:afile"},
		"find prod:/":       nil, // without Elsewhere
		"find file:afile:/": nil, // no snapshot

		"find file:snapshot.5:/":      {"file:snapshot.5:/app", "file:snapshot.5:/top", "file:snapshot.5:/zookeeper"},
		"find file:snapshot.5:/ap":    {"file:snapshot.5:/app"},
		"find file:snapshot.5:/app/":  {"'file:snapshot.5:/app/a b'", "file:snapshot.5:/app/web"},
		"find file:snapshot.5:/none/": nil,
		"find file:snapshot.5@10m:/":  nil, // it holds one state

		"find file:data@":             {"file:data@10m", "file:data@0x"},
		"find file:data@0":            {"file:data@0x"},
		"find file:data:/app/t":       {"file:data:/app/two"},
		"find file:data@0x4:/app/":    {"file:data@0x4:/app/one", "file:data@0x4:/app/two"},
		"find file:data@0x1:/app/":    nil, // before its oldest state
		"find file:data/version-2@1h": nil,
	} {
		if got := texts(c.Complete(testContext(t), line, len(line), "/")); !slices.Equal(got, want) {
			t.Errorf("%q offers %q, not %q", line, got, want)
		}
	}
}

// TestLocationsAreDescribed: znodes in a file have a description, from the file.
func TestLocationsAreDescribed(t *testing.T) {
	t.Chdir(t.TempDir())
	savedTree(t, "snapshot.5", "/app", "/app/web")
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(newFakeTree("/app/other"))})
	const line = "find file:snapshot.5:/a"
	r := c.Complete(testContext(t), line, len(line), "/")
	if len(r.Suggestions) != 1 || r.Suggestions[0].Help != "1 child, 1 byte" || !r.Suggestions[0].Parent {
		t.Errorf("%+v", r.Suggestions)
	}
}

// TestElsewhere: the znodes of other ensembles are offered, from a session that asks for them with the configuration for their
// location; one that cannot be reached holds nothing up, and is not tried at each key.
func TestElsewhere(t *testing.T) {
	server := apachetest.Shared(t)
	conn, err := client.Open(client.Config{Servers: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, path := range []string{"/elsewhere", "/elsewhere/one", "/elsewhere/two"} {
		if _, _, err := conn.Create(t.Context(), path, []byte("xyz"), proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
	}
	var asked atomic.Int32
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(newFakeTree("/node")), Elsewhere: func(l source.Location) (client.Config, error) {
		switch asked.Add(1); {
		case l.Name == "prod":
			return client.Config{Servers: server.Addr() + "/elsewhere"}, nil
		case l.Form == source.Servers:
			return client.Config{Servers: l.Servers}, nil
		}
		return client.Config{}, errors.New("no such profile")
	}})
	defer c.Close()
	for line, want := range map[string][]string{
		"find prod:/":  {"prod:/one", "prod:/two"},
		"find prod:/t": {"prod:/two"},
		"find zk://" + server.Addr() + "/elsewhere/": {"zk://" + server.Addr() + "/elsewhere/one", "zk://" + server.Addr() + "/elsewhere/two"},
		"find none:/":                   nil,
		"find zk://" + refused(t) + "/": nil,
	} {
		r := c.Complete(testContext(t), line, len(line), "/")
		if got := texts(r); !slices.Equal(got, want) {
			t.Errorf("%q offers %q, not %q", line, got, want)
		}
		if len(want) > 0 && r.Suggestions[0].Help != "0 children, 3 bytes" {
			t.Errorf("%q describes %q", line, r.Suggestions[0].Help)
		}
	}
	if n := asked.Load(); n != 4 {
		t.Errorf("asked for %d configurations, want one for each of 4 places", n)
	}
}

// refused returns an address at which nobody listens.
func refused(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// savedTree writes a snapshot with znodes that have a byte of data each.
func savedTree(t *testing.T, file string, paths ...string) {
	t.Helper()
	tree := ztree.New()
	for i, path := range paths {
		tree.Apply(&proto.TxnHeader{Zxid: int64(i + 1), Type: proto.OpCreate}, &proto.CreateTxn{Path: path, Data: []byte("x"), ACL: proto.OpenACL, ParentCVersion: -1})
	}
	if err := storage.WriteSnapshot(file, tree, storage.SnapshotOptions{}); err != nil {
		t.Fatal(err)
	}
}
