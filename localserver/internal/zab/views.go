package zab

import (
	"fmt"
	"slices"
	"sync"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// ensembleViews are a member's view of its ensemble's configuration and of its own role.
type ensembleViews struct {
	id      int64
	enabled bool // reconfigEnabled
	log     Logger
	save    func(v zoocfg.QuorumVerifier, committed bool) error // may be nil

	mu       sync.Mutex
	current  zoocfg.QuorumVerifier // in force
	next     zoocfg.QuorumVerifier // proposed, of a later version; nil for none
	observer bool                  // LearnerType
	leader   int64                 // the leader that this member follows, -1 for none
	change   bool                  // a reconfiguration has just changed this member's leader or role
}

// inForce returns the configuration agreed on last (getQuorumVerifier).
func (v *ensembleViews) inForce() zoocfg.QuorumVerifier {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.current
}

// lastSeen returns the configuration proposed last (getLastSeenQuorumVerifier).
func (v *ensembleViews) lastSeen() zoocfg.QuorumVerifier {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.next != nil {
		return v.next
	}
	return v.current
}

func (v *ensembleViews) both() (current, next zoocfg.QuorumVerifier) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.current, v.next
}

// quorums returns the configurations that must each agree with a quorum. The slice is immutable.
func (v *ensembleViews) quorums() []zoocfg.QuorumVerifier {
	current, next := v.both()
	if next == nil {
		return []zoocfg.QuorumVerifier{current}
	}
	return []zoocfg.QuorumVerifier{current, next}
}

func (v *ensembleViews) isObserver() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.observer
}

// setLeader sets the leader that this member follows.
func (v *ensembleViews) setLeader(id int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.leader, v.change = id, false
}

// takeChange returns the leader named by a reconfiguration, if any, and forgets it.
func (v *ensembleViews) takeChange() (leader int64, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	ok, v.change = v.change, false
	return v.leader, ok
}

// changed reports whether a reconfiguration has changed this member's role or leader.
func (v *ensembleViews) changed() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.change
}

// quorumAddrs returns the addresses at which a member listens for learners.
func (v *ensembleViews) quorumAddrs(id int64) (addrs []string) {
	for _, q := range v.quorums() {
		m, _ := q.Member(id)
		for _, a := range m.Addrs {
			if addr := a.Quorum().String(); !slices.Contains(addrs, addr) {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}

// hosts returns the hosts of all members.
func (v *ensembleViews) hosts() (hosts []string) {
	for _, q := range v.quorums() {
		for _, m := range q.Members() {
			for _, a := range m.Addrs {
				hosts = append(hosts, a.Host)
			}
		}
	}
	return hosts
}

// propose makes q the proposed configuration (setLastSeenQuorumVerifier).
func (v *ensembleViews) propose(q zoocfg.QuorumVerifier) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.enabled {
		return nil
	}
	last := v.current
	if v.next != nil {
		last = v.next
	}
	switch {
	case last.Version() > q.Version():
		v.log.Warnf("setLastSeenQuorumVerifier called with stale config %x. Current version: %x", q.Version(), last.Version())
		return nil
	case last.Version() == q.Version():
		return nil
	}
	v.next = q
	return v.store(q, false)
}

// store must be called with v.mu held.
func (v *ensembleViews) store(q zoocfg.QuorumVerifier, committed bool) error {
	if v.save == nil {
		return nil
	}
	if err := v.save(q, committed); err != nil {
		return fmt.Errorf("write configuration version %x: %w", q.Version(), err)
	}
	return nil
}

// activate puts a configuration into force (processReconfig). leader is the leader that it names,
// or nil. It returns true if this member's role or leader has changed, so that it must leave its
// role.
func (v *ensembleViews) activate(q zoocfg.QuorumVerifier, leader *int64, zxid int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.enabled || v.current.Version() >= q.Version() {
		return false
	}
	before := v.current
	v.current = q
	if v.next != nil && v.next.Version() <= q.Version() {
		v.next = nil
	}
	if err := v.store(q, true); err != nil {
		v.log.Warnf("Error writing dynamic config file to disk: %v", err)
	}
	if before.Equal(q) {
		return false
	}
	m, _ := q.Member(v.id) // a non-member is a follower without a vote
	role := v.observer != (m.Role == zoocfg.Observer)
	if role {
		v.observer = m.Role == zoocfg.Observer
		v.change = true
		v.log.Infof("Becoming %s", map[bool]string{true: "an observer", false: "a voting participant"}[v.observer])
	}
	if leader != nil {
		if v.leader == *leader || v.leader < 0 {
			return role
		}
		v.leader, v.change = *leader, true
		v.log.Warnf("Suggested leader: %d", *leader)
		return true
	}
	v.change = false
	if v.leader < 0 {
		return role
	}
	was, voted := before.Member(v.leader)
	is, votes := q.Member(v.leader)
	return role || !voted || !votes || is.Role != zoocfg.Participant || !slices.Equal(was.Addrs, is.Addrs)
}
