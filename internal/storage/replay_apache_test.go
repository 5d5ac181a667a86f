package storage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"reflect"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// player makes random changes, some of which fail.
type player struct {
	t     *testing.T
	ctx   context.Context
	r     *rand.Rand
	c     *client.Conn
	paths []string
}

func (p *player) pick() string { return p.paths[p.r.IntN(len(p.paths))] }

func (p *player) fresh() string { return path.Join(p.pick(), fmt.Sprintf("n%d", p.r.IntN(40))) }

func (p *player) data() []byte {
	if p.r.IntN(8) == 0 {
		return nil
	}
	data := make([]byte, p.r.IntN(60))
	for i := range data {
		data[i] = byte(p.r.Uint32())
	}
	return data
}

func (p *player) acl() []proto.ACL {
	list := []proto.ACL{{Perms: proto.PermAll, ID: proto.WorldAnyone}}
	for range p.r.IntN(3) {
		list = append(list, proto.ACL{Perms: proto.Perms(1 + p.r.IntN(31)), ID: proto.ID{Scheme: "ip", ID: fmt.Sprintf("10.0.0.%d", p.r.IntN(5))}})
	}
	return list
}

// op is a change as part of a multi.
func (p *player) op() proto.MultiOp {
	switch p.r.IntN(6) {
	case 0, 1:
		return client.CreateOp(p.fresh(), p.data(), p.acl(), proto.Persistent, 0)
	case 2:
		return proto.MultiOp{Type: proto.OpSetData, Request: &proto.SetDataRequest{Path: p.pick(), Data: p.data(), Version: -1}}
	case 3:
		return proto.MultiOp{Type: proto.OpCheck, Request: &proto.PathVersionRequest{Path: p.pick(), Version: -1}}
	default:
		return proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: p.fresh(), Version: -1}}
	}
}

// step makes one change, which may fail.
func (p *player) step() {
	modes := []proto.CreateMode{proto.Persistent, proto.Persistent, proto.Ephemeral, proto.PersistentSequential,
		proto.EphemeralSequential, proto.Container, proto.PersistentTTL, proto.PersistentSequentialTTL}
	switch p.r.IntN(9) {
	case 0, 1, 2, 3:
		mode, ttl := modes[p.r.IntN(len(modes))], int64(0)
		if mode.IsTTL() {
			ttl = int64(1e6 + p.r.IntN(1e6))
		}
		if made, _, err := p.c.Create(p.ctx, p.fresh(), p.data(), p.acl(), mode, ttl); err == nil && mode == proto.Persistent {
			p.paths = append(p.paths, made)
		}
	case 4:
		_, _ = p.c.Set(p.ctx, p.pick(), p.data(), int32(p.r.IntN(3)-1))
	case 5:
		_, _ = p.c.SetACL(p.ctx, p.pick(), p.acl(), -1)
	case 6, 7:
		_ = p.c.Delete(p.ctx, p.fresh(), -1)
	case 8:
		ops := make([]proto.MultiOp, 1+p.r.IntN(4))
		for i := range ops {
			ops[i] = p.op()
		}
		_, _ = p.c.Multi(p.ctx, ops)
	}
}

// seen is a znode as a client sees it.
type seen struct {
	data string
	null bool
	acl  []proto.ACL
	stat proto.Stat
}

func (p *player) look(at string, all map[string]seen) {
	data, stat, err := p.c.Get(p.ctx, at, false)
	if err != nil {
		p.t.Fatal(err)
	}
	acl, _, err := p.c.GetACL(p.ctx, at)
	if err != nil {
		p.t.Fatal(err)
	}
	all[at] = seen{string(data), data == nil, acl, stat}
	names, _, err := p.c.Children(p.ctx, at, false)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, name := range names {
		p.look(path.Join(at, name), all)
	}
}

// What a real server logs during random changes replays to exactly the tree that a client saw, and
// to every digest in the log, across restarts and snapshots taken meanwhile.
func TestReplayOfApache(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	s := apachetest.Test(t, apache.Options{
		TickTime:   200 * time.Millisecond,
		Properties: map[string]string{"snapCount": "150", "preAllocSize": "64"},
		JVM:        []string{"-Dzookeeper.extendedTypesEnabled=true"},
	})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	p := &player{t: t, ctx: ctx, r: rand.New(rand.NewPCG(seed, 1)), paths: []string{"/"}}
	connect := func() {
		var err error
		if p.c, err = client.Open(client.Config{Servers: s.Addr(), SessionTimeout: 4 * time.Second, Wait: true}); err != nil {
			t.Fatal(err)
		}
		if err := p.c.WaitConnected(ctx); err != nil {
			t.Fatal(err)
		}
	}
	connect()
	if _, _, err := p.c.Create(ctx, "/q", []byte("data"), proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	p.paths = append(p.paths, "/q")
	for _, quota := range []string{"/zookeeper/quota/q", "/zookeeper/quota/q/zookeeper_limits", "/zookeeper/quota/q/zookeeper_stats"} {
		if _, _, err := p.c.Create(ctx, quota, []byte("count=100000,bytes=-1"), proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatal(err)
		}
	}
	all := map[string]seen{}
	const rounds = 3
	for round := range rounds {
		for range 400 {
			p.step()
		}
		if round < rounds-1 {
			if err := p.c.Close(); err != nil { // deletes its ephemerals
				t.Fatal(err)
			}
			if err := s.Restart(ctx); err != nil {
				t.Fatal(err)
			}
			connect()
		}
	}
	p.look("/", all)
	if err := s.Kill(); err != nil { // the last session stays open
		t.Fatal(err)
	}
	_ = p.c.Close()

	d, err := ReadDir(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Snapshots {
		part := *d
		part.Snapshots = d.Snapshots[i : i+1]
		var check DigestCheck
		tree, faults, err := part.Load(ctx, LoadOptions{Strict: true, Digests: &check})
		if err != nil || len(faults) > 0 || check.Failed > 0 || len(check.Faults) > 0 {
			t.Fatal(part.Snapshots[0].Path, err, faults, check.Failed, check.Faults)
		}
		if i == 0 && check.Compared < 500 {
			t.Errorf("only %d digests compared", check.Compared)
		}
		if tree.Len() != len(all) {
			t.Errorf("from %s: %d znodes, the client saw %d", part.Snapshots[0].Path, tree.Len(), len(all))
		}
		for at, want := range all {
			n := tree.Get(at)
			if n == nil {
				t.Fatalf("there is no %s", at)
			}
			st, _ := tree.Stat(at)
			if got := (seen{string(n.Data()), n.Data() == nil, tree.ACL(n.ACL), st}); !reflect.DeepEqual(got, want) {
				t.Errorf("from %s: %s:\ngot  %+v\nwant %+v", part.Snapshots[0].Path, at, got, want)
			}
		}
	}
	t.Logf("%d znodes, %d logs, %d snapshots", len(all), len(d.Logs), len(d.Snapshots))
}
