package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver"
	_ "github.com/zkctl/zkctl/localserver/apache"
)

// TestLinearizable makes clients compete on one server that is killed, restarted and paused, and
// whose connections break.
func TestLinearizable(t *testing.T) {
	testLinearizable(t, localserver.Options{}, 2, 4)
}

// TestLinearizableEnsemble is the same with three members, which are also partitioned.
func TestLinearizableEnsemble(t *testing.T) {
	testLinearizable(t, localserver.Options{Size: 3}, 1, 4)
}

// TestLinearizableMixed has one Apache ZooKeeper among the members, and two.
func TestLinearizableMixed(t *testing.T) {
	apachetest.Require(t)
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprintf("%d of Apache's", n), func(t *testing.T) {
			testLinearizable(t, localserver.Options{Size: 3, Apache: n}, 1, 3)
		})
	}
}

func testLinearizable(t *testing.T, opt localserver.Options, short, faults int) {
	rng := random(t)
	log := sharedio.Buffer{Keep: 4 << 20}
	opt.Log = &log
	opt.DataDir = t.TempDir()
	opt.Properties = map[string]string{"tickTime": "250", "snapCount": "200", "preAllocSize": "64", "initLimit": "10", "syncLimit": "4", "maxSessionTimeout": "20000"}
	e, err := localserver.Start(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	defer func() {
		if t.Failed() {
			t.Logf("the servers' log ends:\n%s", log.Tail(200))
		}
	}()
	checked := map[string]bool{}
	rounds(t, short, func(int) {
		compete(t, rng, ensembleServers(t, e), 5, faults)
		if !t.Failed() {
			checkEqual(t, e, checked)
		}
	})
}

// ensembleServers returns an ensemble with faults of one member at a time.
func ensembleServers(t *testing.T, e *localserver.Ensemble) servers {
	members := e.Members()
	s := servers{syncs: len(members) > 1}
	s.addrs = func() (list []string) {
		for _, m := range members {
			list = append(list, m.Addr())
		}
		return list
	}
	s.lags = func(addr string) bool {
		i := slices.IndexFunc(members, func(m *localserver.Member) bool { return m.Addr() == addr })
		if members[i].Engine() != localserver.Apache {
			return false
		}
		ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
		defer cancel()
		text, err := localserver.FourLetterWord(ctx, addr, "srvr", nil)
		return err != nil || strings.Contains(text, "Mode: leader")
	}
	s.disturb = func(rng *rand.Rand) {
		m := members[rng.IntN(len(members))]
		if leader, err := e.Leader(context.Background()); err == nil && rng.IntN(2) == 0 {
			m = leader
		}
		while := time.Duration(50+rng.IntN(1500)) * time.Millisecond
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Errorf("disturb member %d: %v", m.ID(), err)
			}
		}
		switch n := rng.IntN(5); {
		case n == 0:
			t.Logf("kill %d for %v", m.ID(), while)
			must(m.Kill())
			must(removeEmptyLogs(m))
			time.Sleep(while)
			must(m.Start(context.Background()))
		case n == 1:
			t.Logf("restart %d", m.ID())
			must(m.Restart(context.Background()))
		case n == 2:
			t.Logf("pause %d for %v", m.ID(), while)
			must(m.Pause())
			time.Sleep(while)
			must(m.Resume())
		case n == 3 && len(members) > 1:
			t.Logf("cut %d off for %v", m.ID(), while)
			must(e.Partition([]int64{m.ID()}))
			time.Sleep(while)
			e.HealAll()
		default:
			t.Log("drop connections")
			e.DropConnections()
		}
	}
	return s
}

// removeEmptyLogs does what the administrator of Apache's server must do after it was killed before
// writing a log's header: it does not start with an empty log.
func removeEmptyLogs(m *localserver.Member) error {
	if m.Engine() != localserver.Apache {
		return nil
	}
	logs, err := filepath.Glob(filepath.Join(m.DataDir(), "version-2", "log.*"))
	for _, path := range logs {
		info, e := os.Stat(path)
		if e == nil && info.Size() == 0 {
			e = os.Remove(path)
		}
		err = errors.Join(err, e)
	}
	return err
}

// checkEqual stops all members, compares their trees on disk, and starts them again. checked are
// the snapshots already checked.
func checkEqual(t *testing.T, e *localserver.Ensemble, checked map[string]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	members := e.Members()
	await.That(t, patience, "all members have the same last zxid", func() bool {
		for i, s := range e.Status(ctx) {
			if s.Zxid == 0 || i > 0 && s.Zxid != e.Status(ctx)[0].Zxid {
				return false
			}
		}
		return true
	})
	for _, m := range members {
		if err := m.Stop(); err != nil {
			t.Errorf("stop member %d: %v", m.ID(), err)
		}
	}
	var digest int64
	for i, m := range members {
		d, err := storage.ReadDir(filepath.Join(m.DataDir(), "version-2"))
		if err != nil {
			t.Fatal(err)
		}
		tree, err := replay(t, d, 0)
		if err != nil {
			t.Fatalf("member %d: %v", m.ID(), err)
		}
		if i == 0 {
			digest = tree.Digest()
		} else if tree.Digest() != digest {
			t.Errorf("member %d has the digest %#x, member %d %#x", m.ID(), tree.Digest(), members[0].ID(), digest)
		}
		for n, s := range d.Snapshots[:max(0, len(d.Snapshots)-1)] {
			next := d.Snapshots[n+1].Zxid
			if checked[s.Path] || next == s.Zxid {
				continue
			}
			checked[s.Path] = true
			one := *d
			one.Snapshots = d.Snapshots[n : n+1]
			// If the next snapshot came from the leader, the log lacks what precedes it, and may
			// contain what was never committed: Load fails, or ends there.
			_, _ = replay(t, &one, next)
		}
	}
	var wg sync.WaitGroup
	for _, m := range members {
		wg.Go(func() {
			if err := m.Start(ctx); err != nil {
				t.Errorf("start member %d: %v", m.ID(), err)
			}
		})
	}
	wg.Wait()
	if _, err := e.WaitLeader(ctx); err != nil {
		t.Error(err)
	}
}

// replay loads the state at a zxid, or the newest, and compares all digests.
func replay(t *testing.T, d *storage.Dir, zxid int64) (*ztree.Tree, error) {
	t.Helper()
	var digests storage.DigestCheck
	tree, faults, err := d.Load(context.Background(), storage.LoadOptions{Zxid: zxid, Digests: &digests})
	for _, f := range faults {
		if f.Kind == storage.BadDigest {
			digests.Faults = append(digests.Faults, f)
		}
	}
	if err == nil && (digests.Failed > 0 || len(digests.Faults) > 0) {
		t.Errorf("%d of %d digests do not agree: %v", digests.Failed, digests.Compared, digests.Faults)
	}
	return tree, err
}
