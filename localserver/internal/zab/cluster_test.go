package zab

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// cluster is an ensemble of fake replicas on an in-memory network.
type cluster struct {
	t      testing.TB
	net    *Memory
	judge  *judge
	seed   uint64
	began  time.Time
	config zoocfg.QuorumVerifier
	tweak  func(*PeerOptions)
	nodes  map[int64]*node

	reconfigs int
}

// node is a member, alive or not; its disk persists.
type node struct {
	c       *cluster
	id      int64
	disk    *memDisk
	replica *fakeReplica
	peer    *Peer // nil while it is down
	ended   chan error
	config  zoocfg.QuorumVerifier // saved
	next    zoocfg.QuorumVerifier
	empty   bool // it knows that it has lost its data, so it starts with zxid -1
}

func host(id int64) string { return fmt.Sprintf("n%d", id) }

func clusterMember(id int64, role zoocfg.Role) zoocfg.Member {
	return zoocfg.Member{ID: id, Role: role, Client: zoocfg.HostPort{Host: host(id), Port: 2181},
		Addrs: []zoocfg.QuorumAddr{{Host: host(id), QuorumPort: 2888, ElectionPort: 3888}}}
}

func newCluster(t testing.TB, seed uint64, voters, observers int) *cluster {
	var list []zoocfg.Member
	for i := range voters + observers {
		role := zoocfg.Participant
		if i >= voters {
			role = zoocfg.Observer
		}
		list = append(list, clusterMember(int64(i+1), role))
	}
	c := &cluster{t: t, seed: seed, began: time.Now(), net: NewMemory(seed, 100*time.Microsecond, 2*time.Millisecond), judge: newJudge(),
		config: zoocfg.NewMajority(0, list...), nodes: map[int64]*node{}}
	for _, m := range list {
		c.add(m.ID)
	}
	return c
}

func (c *cluster) add(id int64) *node {
	n := &node{c: c, id: id, disk: newMemDisk(), config: c.config}
	c.nodes[id] = n
	return n
}

func (c *cluster) ids() (ids []int64) {
	for id := range c.nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// each calls f with the members in id order.
func (c *cluster) each(f func(*node)) {
	for _, id := range c.ids() {
		f(c.nodes[id])
	}
}

func (n *node) start() {
	n.c.t.Helper()
	n.load()
	n.run()
}

func (n *node) run() {
	n.ended = make(chan error, 1)
	go func() { n.ended <- n.peer.Run(context.Background()) }()
}

// load creates a member without running it.
func (n *node) load() {
	n.c.t.Helper()
	n.replica = newFakeReplica(n.id, n.disk, n.c.judge)
	if n.empty {
		n.replica.last = -1
	}
	opt := PeerOptions{
		ID: n.id, Replica: n.replica, Network: n.c.net.Host(host(n.id)), Log: silent{}, disk: n.disk,
		Config: n.config, Next: n.next, ReconfigEnabled: true,
		SaveConfig: func(v zoocfg.QuorumVerifier, committed bool) error {
			if committed {
				n.config, n.next = v, nil
			} else {
				n.next = v
			}
			return nil
		},
		Tick: 100 * time.Millisecond, InitLimit: 10, SyncLimit: 5,
		ElectionMaxWait: time.Second,
	}
	if os.Getenv("ZAB_DEBUG") != "" {
		opt.Log = stampLog{n.id, n.c.began}
		opt.Log.Infof("starts at %#x", n.replica.last)
	}
	if n.c.tweak != nil {
		n.c.tweak(&opt)
	}
	p, err := NewPeer(opt)
	if err != nil {
		n.c.t.Fatalf("start %d: %v", n.id, err)
	}
	n.peer = p
}

func (n *node) stop() {
	if n.peer == nil {
		return
	}
	n.peer.Stop()
	if err := <-n.ended; err != nil {
		n.c.judge.fault("server %d ended with %v", n.id, err)
	}
	n.peer = nil
}

func (n *node) crash() {
	if n.peer == nil {
		return
	}
	n.c.net.Crash(host(n.id))
	n.peer.Crash()
	<-n.ended
	n.peer = nil
}

func (c *cluster) start() { c.each((*node).start) }
func (c *cluster) stop()  { c.each((*node).stop) }

// await waits, in simulated time, until cond holds.
func (c *cluster) await(what string, cond func() bool) {
	c.t.Helper()
	const limit = 2 * time.Minute
	if await.Within(limit, cond) {
		return
	}
	var states []string
	c.each(func(n *node) {
		if n.peer != nil {
			states = append(states, fmt.Sprintf("%d: %s at %#x", n.id, n.peer.DetailedState(), n.replica.LastZxid()))
		}
	})
	c.t.Fatalf("seed %d: not within %v: %s; %s", c.seed, limit, what, strings.Join(states, "; "))
}

// leader returns the node that leads with a quorum, or nil.
func (c *cluster) leader() (leader *node) {
	c.each(func(n *node) {
		if n.peer != nil && n.replica.leads() {
			leader = n
		}
	})
	return leader
}

// awaitAll waits until all running members serve under one leader and have the same history.
func (c *cluster) awaitAll() *node {
	c.t.Helper()
	var leader *node
	c.await("all follow one leader", func() bool {
		leader = c.leader()
		if leader == nil {
			return false
		}
		for _, n := range c.nodes {
			if n.peer != nil && (!n.replica.serving() || n.peer.Status().Leader != leader.id || n.replica.lastTxn() != leader.replica.lastTxn()) {
				return false
			}
		}
		return true
	})
	return leader
}

// write writes through a member and waits for the answer.
func (c *cluster) write(n *node, text string) {
	c.t.Helper()
	a := n.replica.write([]byte(text))
	select {
	case ok := <-a:
		if !ok {
			c.t.Fatalf("%q at %d: no answer", text, n.id)
		}
	case <-time.After(time.Minute):
		c.t.Fatalf("%q at %d: no answer in time", text, n.id)
	}
}

// check compares the histories of all running members with each other and with what was promised.
func (c *cluster) check() {
	c.t.Helper()
	var first *node
	c.each(func(n *node) {
		if n.peer == nil {
			return
		}
		n.replica.mu.Lock()
		defer n.replica.mu.Unlock()
		if first == nil {
			first = n
			has := map[int64]bool{}
			for i, p := range n.replica.list {
				if i > 0 && p.Zxid() <= n.replica.list[i-1].Zxid() {
					c.judge.fault("server %d has %#x after %#x", n.id, p.Zxid(), n.replica.list[i-1].Zxid())
				}
				has[p.Zxid()] = true
				if h := c.judge.history[p.Zxid()]; h != nil && !slices.Equal(h.Raw, p.Raw) {
					c.judge.fault("server %d has another transaction %#x than was committed", n.id, p.Zxid())
				}
			}
			for zxid := range c.judge.history {
				if !has[zxid] {
					c.judge.fault("transaction %#x was committed and is lost", zxid)
				}
			}
			for zxid := range c.judge.acked {
				if !has[zxid] {
					c.judge.fault("transaction %#x was acknowledged and is lost", zxid)
				}
			}
			return
		}
		same := slices.EqualFunc(n.replica.list, first.replica.list, func(a, b *Proposal) bool { return slices.Equal(a.Raw, b.Raw) })
		if !same {
			c.judge.fault("servers %d and %d have different histories: %s", first.id, n.id, difference(first.replica.list, n.replica.list))
		}
	})
	c.judge.mu.Lock()
	defer c.judge.mu.Unlock()
	for _, f := range c.judge.faults {
		c.t.Errorf("seed %d: %s", c.seed, f)
	}
}

// difference describes where two histories diverge.
func difference(a, b []*Proposal) string {
	i := 0
	for i < min(len(a), len(b)) && slices.Equal(a[i].Raw, b[i].Raw) {
		i++
	}
	at := func(list []*Proposal) (text string) {
		for _, p := range list[max(0, min(i, len(list))-1):min(len(list), i+2)] {
			text += fmt.Sprintf(" %#x", p.Zxid())
		}
		return text
	}
	return fmt.Sprintf("%d and %d transactions, after %d alike%s, but%s", len(a), len(b), i, at(a), at(b))
}

// stampLog writes to stderr, with simulated milliseconds and the server's id.
type stampLog struct {
	id    int64
	began time.Time
}

func (l stampLog) Infof(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !strings.HasPrefix(text, "Notification") {
		fmt.Fprintf(os.Stderr, "%8d %d: %s\n", time.Since(l.began).Milliseconds(), l.id, text)
	}
}

func (l stampLog) Warnf(format string, args ...any) { l.Infof("warning: "+format, args...) }
