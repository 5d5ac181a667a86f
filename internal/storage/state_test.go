package storage

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

func dirOf(t testing.TB, path string) *Dir {
	t.Helper()
	d, err := ReadDir(filepath.Join("testdata", path))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// someOf returns a directory with some of another's files.
func someOf(t testing.TB, from string, names ...string) *Dir {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		source, target, ok := strings.Cut(name, ">")
		if !ok {
			target = filepath.Base(name)
		}
		b, err := os.ReadFile(filepath.Join("testdata", from, source))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, target), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

type znode struct {
	Data string
	Null bool
	ACL  []proto.ACL
	Stat proto.StatPersisted
}

func content(t *ztree.Tree) map[string]znode {
	all := map[string]znode{}
	for path, n := range t.All() {
		all[path] = znode{string(n.Data()), n.Data() == nil, t.ACL(n.ACL), n.Stat()}
	}
	return all
}

func same(t *testing.T, got, want *ztree.Tree) {
	t.Helper()
	a, b := content(got), content(want)
	for path := range b {
		if !reflect.DeepEqual(a[path], b[path]) {
			t.Errorf("%s: got %+v, want %+v", path, a[path], b[path])
		}
	}
	for path := range a {
		if _, ok := b[path]; !ok {
			t.Errorf("%s is there too", path)
		}
	}
	if got.Len() != want.Len() || got.Digest() != want.Digest() || !reflect.DeepEqual(got.Sessions(), want.Sessions()) {
		t.Errorf("got %d znodes, digest %d, sessions %v, want %d, %d, %v", got.Len(), got.Digest(), got.Sessions(), want.Len(), want.Digest(), want.Sessions())
	}
}

// Each snapshot's state is also reached from the one before it and the logs between.
func TestLoadReachesEverySnapshot(t *testing.T) {
	for _, c := range []struct {
		zxid     int64
		snapshot string
		from     []string
	}{
		{0x36, "snapshot.36", []string{"snapshot.0", "log.1", "log.38"}},
		{0x36, "snapshot.36", []string{"log.1"}},
		{0x71, "snapshot.71", []string{"snapshot.36", "log.1", "log.38"}},
		{0x71, "snapshot.71", []string{"log.1", "log.38", "log.73"}},
		{0x77, "snapshot.77.gz", []string{"snapshot.0", "log.1", "log.38", "log.73"}},
		{0x95, "snapshot.95.gz", []string{"snapshot.71", "log.38", "log.73", "log.78"}},
		{0x102, "snapshot.102.snappy", []string{"snapshot.f5.snappy", "log.f6"}},
	} {
		t.Run(c.snapshot, func(t *testing.T) {
			want, trailer, err := readAlone(filepath.Join("testdata/standalone", c.snapshot))
			if err != nil {
				t.Fatal(err)
			}
			// The server continued while it wrote two of these, which by chance contain everything
			// that it did meanwhile.
			c.zxid = max(c.zxid, trailer.DigestZxid)
			var check DigestCheck
			got, faults, err := someOf(t, "standalone", c.from...).Load(context.Background(), LoadOptions{Zxid: c.zxid, Digests: &check, Strict: true})
			if err != nil || len(faults) > 0 || check.Failed > 0 || len(check.Faults) > 0 {
				t.Fatal(err, faults, check)
			}
			same(t, got, want)
			if got.LastZxid() != c.zxid {
				t.Errorf("last zxid %#x", got.LastZxid())
			}
		})
	}
}

func TestLoadNewest(t *testing.T) {
	for path, want := range map[string]struct {
		zxid   int64
		znodes int
	}{
		"standalone":       {0x12a, 164},
		"ensemble/server1": {0x200000005, 48},
		"ensemble/server3": {0x200000005, 48},
	} {
		t.Run(path, func(t *testing.T) {
			var check DigestCheck
			tree, faults, err := dirOf(t, path).Load(context.Background(), LoadOptions{Digests: &check, Strict: true})
			if err != nil || len(faults) > 0 || check.Failed > 0 || check.Compared == 0 {
				t.Fatal(err, faults, check)
			}
			if tree.LastZxid() != want.zxid || tree.Len() != want.znodes {
				t.Errorf("zxid %#x, %d znodes, want %#x, %d", tree.LastZxid(), tree.Len(), want.zxid, want.znodes)
			}
		})
	}
}

// snapshot.71 has a change of an ACL by 0x72, which no zxid in it reveals.
func TestLoadLeavesOutLaterChanges(t *testing.T) {
	for _, names := range [][]string{
		{"snapshot.71", "snapshot.36", "log.1", "log.38"},
		{"snapshot.71", "log.1", "log.38"},
	} {
		tree, _, err := someOf(t, "standalone", names...).Load(context.Background(), LoadOptions{Zxid: 0x71})
		if err != nil {
			t.Fatal(err)
		}
		if st, _ := tree.Stat("/deep/d0/d1/d2/d3/d4/d5/d6/d7/d8"); st.Aversion != 0 || tree.LastZxid() != 0x71 {
			t.Errorf("%v: aversion %d at %#x", names, st.Aversion, tree.LastZxid())
		}
	}
	_, _, err := someOf(t, "standalone", "snapshot.71").Load(context.Background(), LoadOptions{Zxid: 0x71})
	if err == nil || !strings.Contains(err.Error(), "may hold changes up to 0x72") {
		t.Error(err)
	}
}

func TestLoadMissing(t *testing.T) {
	for _, c := range []struct {
		name  string
		dir   *Dir
		zxid  int64
		words string
	}{
		{"log before the first", someOf(t, "standalone", "log.38"), 0, "start at 0x38"},
		{"between snapshot and log", someOf(t, "standalone", "snapshot.36", "log.73"), 0, "transactions 0x37..0x72"},
		{"between logs", someOf(t, "standalone", "log.1", "log.73"), 0, "transactions 0x38..0x72"},
		{"limit in the gap", dirOf(t, "standalone"), 0xb8, "transactions 0xb4..0xf5"},
		{"limit beyond the end", dirOf(t, "standalone"), 0x1000, "the last transaction here is 0x12a"},
		{"nothing", someOf(t, "standalone"), 0, "holds no transaction log or snapshot"},
		{"later snapshot alone", someOf(t, "standalone", "snapshot.71"), 0x20, "no transaction log"},
		{"log ends before, snapshot later", someOf(t, "standalone", "log.1", "snapshot.71"), 0x40, "snapshot.71 holds later"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := c.dir.Load(context.Background(), LoadOptions{Zxid: c.zxid})
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v", err)
			}
		})
	}
	d := someOf(t, "standalone", "log.1", "log.73")
	tree, faults, err := d.Load(context.Background(), LoadOptions{Gaps: true})
	if err != nil || len(faults) != 1 || faults[0].Kind != BadOrder || tree.LastZxid() != 0x77 {
		t.Errorf("with Gaps: %v, %v", faults, err)
	}
}

func TestLoadEpochs(t *testing.T) {
	d := dirOf(t, "ensemble/server3")
	end, _, err := d.Load(context.Background(), LoadOptions{Zxid: 0x1ffffffff})
	if err != nil {
		t.Fatal(err)
	}
	at, _, err := d.Load(context.Background(), LoadOptions{Zxid: end.LastZxid()})
	if err != nil {
		t.Fatal(err)
	}
	same(t, at, end)
}

// A time is the last transaction before the first later one.
func TestLoadTime(t *testing.T) {
	d := dirOf(t, "standalone")
	type at struct{ ms, zxid int64 }
	var all []at
	for _, f := range d.Logs {
		r, err := OpenLog(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		for {
			e, err := r.Next()
			if err == io.EOF {
				break
			}
			all = append(all, at{e.Header.Time, e.Header.Zxid})
		}
		r.Close()
	}
	for i, a := range all {
		if i+1 == len(all) || all[i+1].ms == a.ms || all[i+1].zxid != a.zxid+1 {
			continue
		}
		tree, _, err := d.Load(context.Background(), LoadOptions{Time: a.ms})
		if err != nil || tree.LastZxid() != a.zxid {
			t.Fatalf("at %d: %v, want %#x", a.ms, err, a.zxid)
		}
	}
	if tree, _, err := d.Load(context.Background(), LoadOptions{Time: all[0].ms - 1}); err != nil || tree.Len() != 4 {
		t.Errorf("before the first transaction: %v", err)
	}
	if tree, _, err := d.Load(context.Background(), LoadOptions{Time: all[len(all)-1].ms + 1e9}); err != nil || tree.LastZxid() != 0x12a {
		t.Errorf("after the last transaction: %v", err)
	}
}

// A damaged snapshot is reported and skipped; a damaged log ends there.
func TestLoadDamaged(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		last  int64
		kind  FaultKind
	}{
		{"snapshot", []string{"damaged/snapshot.bit-flip>snapshot.71", "standalone/snapshot.36", "standalone/log.1", "standalone/log.38"}, 0x72, BadChecksum},
		{"snapshot cut off", []string{"damaged/snapshot.truncated>snapshot.71", "standalone/log.1", "standalone/log.38"}, 0x72, CutOff},
		{"empty snapshot", []string{"damaged/snapshot.empty>snapshot.71", "standalone/log.1", "standalone/log.38"}, 0x72, NotAFile},
		{"log cut off", []string{"damaged/log.truncated>log.1", "standalone/snapshot.0"}, 0x36, CutOff},
		{"empty log", []string{"standalone/log.1", "damaged/log.empty>log.38"}, 0x37, NotAFile},
		{"log without the last byte", []string{"damaged/log.no-eor>log.1"}, 0x36, BadEnd},
		{"log with a wrong checksum", []string{"damaged/log.crc>log.1"}, 0x5, BadChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := someOf(t, "", c.files...)
			tree, faults, err := d.Load(context.Background(), LoadOptions{})
			if err != nil || tree.LastZxid() != c.last {
				t.Fatalf("%v %v, %v", tree, faults, err)
			}
			if len(faults) == 0 || faults[0].Kind != c.kind {
				t.Errorf("faults %v", faults)
			}
			if strings.Contains(c.name, "snapshot") {
				return
			}
			var f *Fault
			if _, _, err := d.Load(context.Background(), LoadOptions{Strict: true}); !errors.As(err, &f) || f.Kind != c.kind {
				t.Errorf("strict: %v", err)
			}
		})
	}
}

func TestAreMissing(t *testing.T) {
	for _, c := range []struct {
		last, zxid int64
		follows    bool
		words      string
	}{
		{1, 2, true, ""},
		{1, 3, false, "transaction 0x2 is"},
		{1, 9, false, "transactions 0x2..0x8 are"},
		{0x100000005, 0x200000001, true, ""},
		{0x100000005, 0x200000002, false, "transaction 0x200000001 is"},
		{0x100000005, 0x200000009, false, "transactions 0x200000001..0x200000008, and perhaps some after 0x100000005, are"},
		{0x200000000, 0x200000001, true, ""},
	} {
		if got := Follows(c.last, c.zxid); got != c.follows {
			t.Errorf("%#x after %#x: %v", c.zxid, c.last, got)
		}
		if c.words != "" && AreMissing(c.last, c.zxid) != c.words {
			t.Errorf("%#x after %#x: %q", c.zxid, c.last, AreMissing(c.last, c.zxid))
		}
	}
}

// readAlone reads a snapshot without its logs.
func readAlone(path string) (*ztree.Tree, Trailer, error) { return new(Dir).ReadTree(File{Path: path}) }
