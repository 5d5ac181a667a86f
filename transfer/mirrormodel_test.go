package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

// TestMirrorModel changes both ends at random between the runs of a mirror, some of which are killed, and compares what is
// there afterwards, and what the mirror says of it, with what must be.
func TestMirrorModel(t *testing.T) {
	server, at := home(t)
	seed := uint64(0)
	if *torture > 0 {
		seed = rand.Uint64N(1 << 32)
	}
	for began, n := time.Now(), 0; n < 6 || time.Since(began) < *torture; n, seed = n+1, seed+1 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &mirrorModel{t: t, at: fmt.Sprintf("%s/%d", at, seed), cfg: client.Config{Servers: server, Auth: []client.Auth{scott}},
				rnd: rand.New(rand.NewPCG(seed, 1)), theirs: map[string]bool{}, left: map[string]*source.Znode{}}
			m.c = open(t, m.cfg)
			create(t, m.c, m.at, "", proto.OpenACL, proto.Persistent)
			create(t, m.c, m.at+"/from", "", m.acl(), proto.Persistent)
			if m.rnd.IntN(2) == 0 {
				create(t, m.c, m.at+"/to", "", proto.OpenACL, proto.Persistent)
			}
			if m.rnd.IntN(3) == 0 {
				m.plant(2 + m.rnd.IntN(3))
			}
			m.run(12)
		})
	}
}

// mirrorModel is a mirror, and what it is expected to do.
type mirrorModel struct {
	t      *testing.T
	cfg    client.Config
	c      *client.Conn
	at     string
	rnd    *rand.Rand
	many   int                      // znodes that the source has besides, in the middle
	left   map[string]*source.Znode // how the last run left the destination
	theirs map[string]bool          // what somebody else has changed there since the mirror wrote it
	log    []string
}

func (m *mirrorModel) acl() []proto.ACL {
	if m.rnd.IntN(3) > 0 {
		return proto.OpenACL
	}
	perms := proto.PermAll
	return []proto.ACL{{Perms: perms, ID: proto.ID{Scheme: "auth"}}}
}

func (m *mirrorModel) note(format string, a ...any) { m.log = append(m.log, fmt.Sprintf(format, a...)) }

// plant gives the source so many times what the mirror copies at once, so that it can be killed in the first copy.
func (m *mirrorModel) plant(times int) {
	for range times {
		ops := make([]proto.MultiOp, apply.DefaultBatch)
		for i := range ops {
			ops[i] = client.CreateOp(m.at+"/from"+m.planted(m.many+i), []byte("planted"), m.acl(), proto.Persistent, 0)
		}
		if _, err := m.c.Multi(testContext(m.t), ops); err != nil {
			m.t.Fatal(err)
		}
		m.many += len(ops)
	}
	m.note("%d planted", m.many)
}

func (m *mirrorModel) planted(i int) string { return fmt.Sprintf("/c-%04d", i) }

// tree reads one end.
func (m *mirrorModel) tree(end string) map[string]*source.Znode {
	tree := map[string]*source.Znode{}
	if err := m.c.Walk(testContext(m.t), m.at+end, client.WalkOptions{Stat: true, Data: true, ACL: true}, func(w *client.Walked) error {
		if w.Err != nil {
			return w.Err
		}
		tree[strings.TrimPrefix(w.Path, m.at+end)] = source.OfWalk(w)
		return nil
	}); err != nil && !errors.Is(err, proto.ErrNoNode) {
		m.t.Fatal(err)
	}
	return tree
}

// change makes a change at one end, and returns the path that it is of; "-" if it is of none.
func (m *mirrorModel) change(end string, n int) string {
	ctx := testContext(m.t)
	path := fmt.Sprintf("/%c", 'a'+m.rnd.IntN(6))
	if m.rnd.IntN(2) == 0 {
		path += fmt.Sprintf("/%c", 'a'+m.rnd.IntN(3))
	}
	if m.many > 0 && m.rnd.IntN(3) == 0 {
		path = m.planted(m.rnd.IntN(m.many))
	}
	full := m.at + end + path
	var err error
	what := m.rnd.IntN(9)
	switch what {
	case 0, 1, 2:
		_, _, err = m.c.Create(ctx, full, fmt.Append(nil, n), m.acl(), proto.Persistent, 0)
	case 3:
		_, err = m.c.Set(ctx, full, fmt.Append(nil, n), -1)
	case 4:
		_, err = m.c.SetACL(ctx, full, m.acl(), -1)
	case 5, 6:
		err = m.c.Delete(ctx, full, -1)
	case 7:
		full, _, err = m.c.Create(ctx, full+"/s-", fmt.Append(nil, n), proto.OpenACL, proto.PersistentSequential, 0)
		if err == nil && m.rnd.IntN(2) == 0 {
			m.note("%s %s created and deleted", end, full)
			_ = m.c.Delete(ctx, full, -1)
			return "-"
		}
	case 8:
		_, _, err = m.c.Create(ctx, full, nil, proto.OpenACL, proto.Ephemeral, 0)
	}
	if err != nil {
		return "-"
	}
	m.note("%d %s %s", what, end, full)
	return strings.TrimPrefix(full, m.at+end)
}

func (m *mirrorModel) run(rounds int) {
	t := m.t
	state := filepath.Join(t.TempDir(), "state")
	n := 0
	for round := range rounds {
		for range m.rnd.IntN(12) {
			n++
			m.change("/from", n)
		}
		for range m.rnd.IntN(4) * m.rnd.IntN(2) {
			n++
			if path := m.change("/to", n); path != "-" {
				m.theirs[path] = true
			}
		}
		words := []string{"mirror", m.at + "/from", m.at + "/to", "--once", "--state", state}
		del, force := m.rnd.IntN(2) == 0, m.rnd.IntN(4) == 0
		if del {
			words = append(words, "--delete")
		}
		if force {
			words = append(words, "--force")
		}
		before := m.tree("/to")
		kills := max(0, m.rnd.IntN(3)-1)
		if round == 0 && m.many > 0 {
			kills = 1 + m.rnd.IntN(4)
		}
		for range kills {
			m.kill(words, time.Duration(20+m.rnd.IntN(80+m.many/10))*time.Millisecond)
			for range m.rnd.IntN(6) {
				n++
				m.change("/from", n)
			}
		}
		m.note("run %d: %v", round, words[6:])
		m.check(before, round == 0, del, force, words)
		if t.Failed() {
			t.Log(strings.Join(m.log, "\n"))
			if text, _ := os.ReadFile(state); m.many == 0 {
				t.Log(string(text))
			}
			t.FailNow()
		}
	}
}

func (m *mirrorModel) kill(words []string, after time.Duration) {
	m.note("killed after %v: %v", after, words[6:])
	words = words[:len(words):len(words)]
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), child+"="+strings.Join(words, " "), child+"_SERVER="+m.cfg.Servers, child+"_AUTH="+string(scott.Data))
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	timer.Stop()
}

func holdsSame(a, b *source.Znode) bool {
	return string(a.Data) == string(b.Data) && slices.Equal(a.ACL, b.ACL)
}

// check runs the mirror to its end, and looks at what it has done.
func (m *mirrorModel) check(before map[string]*source.Znode, first, del, force bool, words []string) {
	t := m.t
	stdout, stderr, err := m.mirror(words)
	var said struct{ Foreign, Failed, Znodes int }
	if strings.Contains(fmt.Sprint(err), "looks empty") {
		m.note("looks empty")
		return
	}
	if jsonErr := json.Unmarshal([]byte(stdout), &said); jsonErr != nil {
		t.Errorf("%s%s%v", stdout, stderr, err)
		return
	}
	m.note("%s%s%v", strings.TrimSpace(stdout), stderr, err)
	src, dst := m.tree("/from"), m.tree("/to")
	var ephemerals []string
	for _, tree := range []map[string]*source.Znode{src, dst} {
		for path, z := range tree {
			if z.Kind == source.Ephemeral {
				ephemerals = append(ephemerals, path)
			}
		}
	}
	blocked := func(path string) bool { // by what is above or below it
		for other := range m.theirs {
			if other != path && (zpath.Within(path, other) || zpath.Within(other, path) || other == "" || path == "") {
				return true
			}
		}
		return slices.ContainsFunc(ephemerals, func(other string) bool { return other != path && zpath.Within(path, other) })
	}
	differ := 0
	all := maps.Clone(src)
	maps.Copy(all, dst)
	maps.Copy(all, m.left)
	for _, path := range slices.SortedFunc(maps.Keys(all), source.Compare) {
		a, b, was := src[path], dst[path], before[path]
		if a != nil && a.Kind == source.Ephemeral {
			a = nil
		}
		equal := a == nil && b == nil || a != nil && b != nil && holdsSame(a, b) && b.Kind != source.Ephemeral
		switch {
		case a == nil && b != nil && b.Kind == source.Ephemeral: // which stays
			equal = true
		case a == nil && !del:
			equal = was == nil || b != nil && (!m.theirs[path] || b.Stat.Mzxid == was.Stat.Mzxid)
		}
		switch theirs := m.theirs[path]; {
		case equal && (a != nil || del) && (b == nil || b.Kind != source.Ephemeral):
			delete(m.theirs, path)
		case equal:
		case force && (del || a != nil):
			if (b == nil || b.Kind != source.Ephemeral) && !blocked(path) {
				t.Errorf("%s differs although --force was given", path)
			}
			differ++
		case theirs && a == nil && b != nil && m.left[path] == nil:
			differ++ // it was never the mirror's
		case theirs:
			differ++
			if (b == nil) != (was == nil) || b != nil && (b.Stat.Mzxid != was.Stat.Mzxid || b.Stat.Aversion != was.Stat.Aversion) {
				t.Errorf("%s was overwritten", path)
			}
		case first && was != nil: // it was there before the mirror
			differ++
			m.theirs[path] = true
		case blocked(path):
			differ++
		default:
			differ++
			t.Errorf("%s differs: %v, %v", path, brief(a), brief(b))
		}
		if a != nil && b != nil && equal && !blocked(path) && source.NextSequence(&b.Stat) < source.NextSequence(&a.Stat) {
			t.Errorf("%s: its next number is %d, at the source %d", path, source.NextSequence(&b.Stat), source.NextSequence(&a.Stat))
		}
	}
	if differ > 0 != (said.Foreign+said.Failed > 0) || (err != nil) != (differ > 0) {
		t.Errorf("%d differ: %s%s%v", differ, stdout, stderr, err)
	}
	m.left = dst
}

func brief(z *source.Znode) string {
	if z == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s %v %s", z.Data, z.ACL, z.Kind)
}

func (m *mirrorModel) mirror(words []string) (stdout, stderr string, err error) {
	var out, errs strings.Builder
	env, end := environ(m.cfg, &out, &errs)
	defer end()
	env.Output = ui.JSON
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "-o" || w == "json" })
	err = command.Run(ctx, env, command.Args(words...))
	return out.String(), errs.String(), err
}
