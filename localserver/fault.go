package localserver

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver/internal/replica"
)

// Fault is what is to become of replies to clients. The operation itself is done, whatever
// happens to its reply, as when a connection breaks after a write.
type Fault struct {
	Op      string        // ZooKeeper's name of the operation, such as getData or multi; "" for all
	Session int64         // of one session; 0 for all
	Times   int           // this many replies; 0 for all until Remove
	Delay   time.Duration // answer that much later
	Error   int32         // answer with this code of KeeperException, such as -4 (ConnectionLoss)
	Drop    bool          // close the connection instead of an answer

	mu      sync.Mutex
	hits    int
	removed bool
}

// Hits is how many replies the fault has struck.
func (f *Fault) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// Remove ends the fault.
func (f *Fault) Remove() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removed = true
}

func (f *Fault) strikes(op string, session int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.removed || f.Op != "" && f.Op != op || f.Session != 0 && f.Session != session || f.Times > 0 && f.hits >= f.Times {
		return false
	}
	f.hits++
	return true
}

var errEmbeddedOnly = errors.New("only an embedded member can do that")

// Inject makes embedded members answer as f says from now on, also when they are started
// again. The first of several faults that concerns a reply counts. f must not be changed.
func (e *Ensemble) Inject(f *Fault) error {
	if f.Op != "" && !knownOp(f.Op) {
		return fmt.Errorf("inject a fault: no operation is called %q; they have names such as create2, getData, setData, getChildren2, exists, multi", f.Op)
	}
	embedded := false
	for _, m := range e.Members() {
		embedded = embedded || m.engine == Embedded
	}
	if !embedded {
		return fmt.Errorf("inject a fault: %w", errEmbeddedOnly)
	}
	e.mu.Lock()
	e.faults = append(slices.Clone(e.faults), f)
	e.mu.Unlock()
	for _, m := range e.Members() {
		m.applyFaults()
	}
	return nil
}

func knownOp(name string) bool {
	for op := proto.Op(-11); op < 200; op++ {
		if op.String() == name {
			return true
		}
	}
	return false
}

// applyFaults hands the faults to a running embedded member.
func (m *Member) applyFaults() {
	m.e.mu.Lock()
	faults := m.e.faults
	m.e.mu.Unlock()
	s := m.embedded()
	if s == nil || len(faults) == 0 {
		return
	}
	s.SetFault(func(op string, session int64) replica.Fault {
		for _, f := range faults {
			if f.strikes(op, session) {
				return replica.Fault{Err: proto.Error(f.Error), Delay: f.Delay, Drop: f.Drop}
			}
		}
		return replica.Fault{}
	})
}

// ExpireSession ends a session now, as if its client had been silent for too long: its
// ephemeral znodes go, and its client learns that it has expired.
func (e *Ensemble) ExpireSession(session int64) error {
	for _, m := range e.Members() {
		if s := m.embedded(); s != nil && s.ExpireSession(session) {
			return nil
		}
	}
	return fmt.Errorf("expire session 0x%x: no embedded member leads and knows it, or has it as a local session", uint64(session))
}

// DropConnections closes the clients' connections to embedded members, and returns how many
// there were. The sessions live on.
func (e *Ensemble) DropConnections() (n int) {
	for _, m := range e.Members() {
		n += m.DropConnections()
	}
	return n
}

// DropConnections is Ensemble.DropConnections for one member.
func (m *Member) DropConnections() int {
	if s := m.embedded(); s != nil {
		return s.DropConnections()
	}
	return 0
}

// Refuse has embedded members turn away clients that want a session, a new one or theirs
// again, until d has passed; at once with d 0 they are welcome again. Those who are connected
// stay.
func (e *Ensemble) Refuse(d time.Duration) {
	for _, m := range e.Members() {
		m.Refuse(d)
	}
}

// Refuse is Ensemble.Refuse for one member. It ends with the member's run.
func (m *Member) Refuse(d time.Duration) {
	s := m.embedded()
	if s == nil {
		return
	}
	s.Refuse(d > 0)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.welcome != nil {
		m.welcome.Stop()
	}
	if d > 0 {
		m.welcome = time.AfterFunc(d, func() { s.Refuse(false) })
	}
}

// Partition cuts every link between members of different sides; within a side all are as they
// were started. The members that are on no side form one together.
func (e *Ensemble) Partition(sides ...[]int64) error {
	side := map[int64]int{}
	for i, ids := range sides {
		for _, id := range ids {
			if e.Member(id) == nil {
				return fmt.Errorf("partition: there is no member %d", id)
			}
			if _, twice := side[id]; twice {
				return fmt.Errorf("partition: member %d is on two sides", id)
			}
			side[id] = i + 1
		}
	}
	members := e.Members()
	var pairs [][2]int64
	for i, a := range members {
		for _, b := range members[i+1:] {
			if side[a.id] != side[b.id] {
				pairs = append(pairs, link(a.id, b.id))
			}
		}
	}
	e.links.set(func(cut map[[2]int64]bool) {
		clear(cut)
		for _, p := range pairs {
			cut[p] = true
		}
	})
	return nil
}

// Cut cuts the link between two members.
func (e *Ensemble) Cut(a, b int64) error {
	if e.Member(a) == nil || e.Member(b) == nil || a == b {
		return fmt.Errorf("cut the link between members %d and %d: there are no two such members", a, b)
	}
	e.links.set(func(cut map[[2]int64]bool) { cut[link(a, b)] = true })
	return nil
}

// Heal gives back the link between two members.
func (e *Ensemble) Heal(a, b int64) {
	e.links.set(func(cut map[[2]int64]bool) { delete(cut, link(a, b)) })
}

// CutLinks are the links that are cut, each by the numbers of its two members, in order.
func (e *Ensemble) CutLinks() [][2]int64 { return e.links.pairs() }

// HealAll gives back all links.
func (e *Ensemble) HealAll() { e.links.set(func(cut map[[2]int64]bool) { clear(cut) }) }
