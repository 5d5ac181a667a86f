package transfer

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// exported reads an export as a list.
func exported(t *testing.T, file string) (list []export.Record, h *export.Header) {
	t.Helper()
	r, err := export.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		x, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, r.Header()
		}
		if err != nil {
			t.Fatal(err)
		}
		one := *x
		one.Data = slices.Clone(x.Data)
		list = append(list, one)
	}
}

// TestExport: all that a server tells of a znode is in the file, and the file is a location.
func TestExport(t *testing.T) {
	b := newBench(t, apachetest.Shared(t).Addr())
	const root = "/TestExport"
	readable := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "ip", ID: "127.0.0.1"}}}
	b.create(root, "root", proto.OpenACL, proto.Persistent, 0)
	b.create(root+"/json", `{"a": 1}`, readable, proto.Persistent, 0)
	b.create(root+"/binary", "\xff\x00", proto.OpenACL, proto.Persistent, 0)
	b.create(root+"/queue", "", proto.OpenACL, proto.Persistent, 0)
	for range 3 {
		b.create(root+"/queue/n-", "", proto.OpenACL, proto.PersistentSequential, 0)
	}
	if err := b.conn.Delete(t.Context(), root+"/queue/n-0000000001", -1); err != nil {
		t.Fatal(err)
	}
	b.create(root+"/mine", "", proto.OpenACL, proto.Ephemeral, 0)
	file := filepath.Join(t.TempDir(), "app.jsonl.gz")
	_, errs := b.must("export", root, "-O", file)
	if !strings.Contains(errs, "exported 6 znodes") || !strings.Contains(errs, "zxid 0x") {
		t.Errorf("the note: %s", errs)
	}
	list, h := exported(t, file)
	if !h.Consistent || h.Start != h.End || h.Root != root || h.Kinds {
		t.Errorf("%+v", h)
	}
	var paths []string
	for _, r := range list {
		paths = append(paths, strings.TrimPrefix(r.Path, root))
		data, stat, err := b.conn.Get(t.Context(), r.Path, false)
		if err != nil || string(data) != string(r.Data) || stat != r.Stat {
			t.Errorf("%s: %q %+v, want %q %+v, %v", r.Path, r.Data, r.Stat, data, stat, err)
		}
		acl, _, err := b.conn.GetACL(t.Context(), r.Path)
		if err != nil || !slices.Equal(acl, r.ACL) {
			t.Errorf("%s: %v, want %v, %v", r.Path, r.ACL, acl, err)
		}
	}
	if want := []string{"", "/binary", "/json", "/queue", "/queue/n-0000000000", "/queue/n-0000000002"}; !slices.Equal(paths, want) {
		t.Errorf("%q", paths)
	}
	if next := list[3].Next; next != 3 {
		t.Errorf("the next child of queue has number %d", next)
	}
	if next := b.create(root+"/queue/n-", "", proto.OpenACL, proto.PersistentSequential, 0); next != root+"/queue/n-0000000003" {
		t.Errorf("the server names it %s", next)
	}
	// An export of the export is the same; of a part of it, that part.
	out, _ := b.must("export", "file:"+file)
	again := filepath.Join(t.TempDir(), "again")
	if err := os.WriteFile(again, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, _ := exported(t, again); fmt.Sprint(other) != fmt.Sprint(list) {
		t.Errorf("%v\n%v", other, list)
	}
	if out, _ := b.must("export", "file:"+file+":"+root+"/queue"); strings.Count(out, "\n") != 5 {
		t.Errorf("%s", out)
	}
	// Ephemerals are marked on request, and patterns leave out what they say.
	b.must("export", root, "--ephemerals", "mark", "--include", "mine", "--include", root+"/que*", "--exclude", "*2", "-O", file)
	list, _ = exported(t, file)
	paths = nil
	for _, r := range list {
		paths = append(paths, strings.TrimPrefix(r.Path, root)+" "+r.Kind)
	}
	if want := []string{" persistent", "/mine ephemeral", "/queue persistent", "/queue/n-0000000000 persistent", "/queue/n-0000000003 persistent"}; !slices.Equal(paths, want) {
		t.Errorf("%q", paths)
	}
}

// TestExportIsConsistent: while others write, each znode of an export has the data, the ACL and the stat that it had at the
// one zxid in the header. The server's own transaction log says which these are.
func TestExportIsConsistent(t *testing.T) {
	server := apachetest.Test(t, apache.Options{})
	b := newBench(t, server.Addr())
	const root, znodes = "/app", 400
	b.create(root, "", proto.OpenACL, proto.Persistent, 0)
	var ops []proto.MultiOp
	for i := range znodes {
		ops = append(ops, client.CreateOp(fmt.Sprintf("%s/%03d", root, i), []byte("0"), proto.OpenACL, proto.Persistent, 0))
	}
	if _, err := b.conn.Multi(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var acls atomic.Int32
	written := make(chan error, 1)
	go func() { written <- churn(t, server.Addr(), root, znodes, &stop, &acls) }()
	files := []string{filepath.Join(t.TempDir(), "0"), filepath.Join(t.TempDir(), "1"), filepath.Join(t.TempDir(), "2")}
	changes := int64(0)
	for _, file := range files {
		b.must("export", "/", "-O", file)
		_, h := exported(t, file)
		if !h.Consistent {
			t.Errorf("%+v", h)
		}
		changes += h.End - h.Start
	}
	stop.Store(true)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if changes == 0 || acls.Load() == 0 {
		t.Fatalf("%d changes during the exports, %d of ACLs: they prove nothing", changes, acls.Load())
	}
	dir, err := storage.ReadDir(server.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		list, h := exported(t, file)
		if i == 0 { // the data directory at that moment yields the same export
			past := filepath.Join(t.TempDir(), "past")
			b.must("export", fmt.Sprintf("file:%s@0x%x", server.Dir(), h.End), "-O", past)
			if _, was := exported(t, past); !was.Consistent || was.Start != h.End || was.End != h.End {
				t.Errorf("of the data directory: %+v", was)
			}
			b.must("diff", "file:"+past, "file:"+file, "--fields", everything+",stat")
		}
		tree, _, err := dir.Load(t.Context(), storage.LoadOptions{Zxid: h.End})
		if err != nil {
			t.Fatal(err)
		}
		if want := tree.Len() - 3; len(list) != want { // without /zookeeper and what is in it
			t.Errorf("%d znodes, want %d", len(list), want)
		}
		for _, r := range list {
			n := tree.Get(r.Path)
			if n == nil {
				t.Errorf("%s did not exist at 0x%x", r.Path, h.End)
				continue
			}
			if string(n.Data()) != string(r.Data) || n.ClientStat() != r.Stat || !slices.Equal(tree.ACL(n.ACL), r.ACL) {
				t.Errorf("%s: %q %v %+v, but at 0x%x it was %q %v %+v", r.Path, r.Data, r.ACL, r.Stat, h.End, n.Data(), tree.ACL(n.ACL), n.ClientStat())
			}
		}
	}
}

// churn writes, creates, deletes and, more rarely, changes ACLs.
func churn(t *testing.T, servers, root string, znodes int, stop *atomic.Bool, acls *atomic.Int32) error {
	conn, err := client.Open(client.Config{Servers: servers})
	if err != nil {
		return err
	}
	defer conn.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := 0; !stop.Load(); i++ {
		path := fmt.Sprintf("%s/%03d", root, rnd.IntN(znodes))
		switch kind := rnd.IntN(40); {
		case kind == 0:
			_, err = conn.SetACL(t.Context(), path, []proto.ACL{{Perms: proto.PermAll, ID: proto.WorldAnyone}, {Perms: proto.PermRead, ID: proto.ID{Scheme: "ip", ID: fmt.Sprintf("10.0.0.%d", i%250)}}}, -1)
			acls.Add(1)
		case kind < 8:
			_, _, err = conn.Create(t.Context(), path+"/child", nil, proto.OpenACL, proto.Persistent, 0)
		case kind < 16:
			err = conn.Delete(t.Context(), path+"/child", -1)
		default:
			_, err = conn.Set(t.Context(), path, fmt.Appendf(nil, "%d", i), -1)
		}
		if err != nil && !errors.Is(err, proto.ErrNoNode) && !errors.Is(err, proto.ErrNodeExists) {
			return err
		}
	}
	return nil
}

// TestUnreadButUnwanted: what is not to be exported need not be readable.
func TestUnreadButUnwanted(t *testing.T) {
	server, at := home(t)
	c := open(t, client.Config{Servers: server, Auth: []client.Auth{scott}})
	sample(t, c, at+"/from")
	for _, test := range []struct {
		words string
		fails bool
	}{
		{"", true}, {"--exclude closed", false}, {"--include AT/from/queue", false}, {"--include AT/from/queue --include AT/none", false}, {"--include AT/from/closed/kid", true}, {"--include AT/none", false},
		{"--exclude AT/from", false},
	} {
		words := append([]string{"export", at + "/from"}, strings.Fields(strings.ReplaceAll(test.words, "AT", at))...)
		stdout, stderr, err := run(t, client.Config{Servers: server}, words...)
		if none := strings.Contains(stderr, at+"/none: no znode matches"); none != strings.Contains(test.words, "none") {
			t.Errorf("%s: %s", test.words, stderr)
		}
		if (err != nil) != test.fails || strings.Contains(stderr, "/closed") != test.fails || !strings.Contains(stdout, `{"path":"`+at+`/from"`) {
			t.Errorf("%s: %s%s%v", test.words, stdout, stderr, err)
		}
	}
}

func TestFilter(t *testing.T) {
	for _, tc := range []struct {
		include, exclude string
		path             string
		keep, below      bool
	}{
		{"", "", "/", true, true},
		{"", "/a", "/a", false, false}, {"", "/a", "/a/b", false, false}, {"", "/a", "/ab", true, true}, {"", "/a", "/", true, true},
		{"", "b", "/a/b", false, false}, {"", "b", "/a/b/c", false, false}, {"", "b", "/a/bc", true, true},
		{"/a/*", "", "/a", false, true}, {"/a/*", "", "/a/x", true, true}, {"/a/*", "", "/a/x/y", true, true}, {"/a/*", "", "/b/x", false, false}, {"/a/*", "", "/", false, true},
		{"/a/**/z", "", "/a/z", true, true}, {"/a/**/z", "", "/a/b/c/z/d", true, true}, {"/a/**/z", "", "/a/b/c", false, true},
		{"*.json", "/tmp", "/x/a.json", true, true}, {"*.json", "/tmp", "/tmp/a.json", false, false},
	} {
		list := func(s string) []string {
			if s == "" {
				return nil
			}
			return []string{s}
		}
		f, err := newFilter(list(tc.include), list(tc.exclude))
		if err != nil {
			t.Fatal(err)
		}
		if keep, below := f.keeps(tc.path); keep != tc.keep || below != tc.below {
			t.Errorf("include %q, exclude %q: %s is kept: %v, %v", tc.include, tc.exclude, tc.path, keep, below)
		}
	}
	for _, bad := range []string{"[", "/a//b", ""} {
		if _, err := newFilter([]string{bad}, nil); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
