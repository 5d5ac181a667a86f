package zoocfg

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// hierarchical is QuorumHierarchical: servers in groups, each server with a weight. A quorum has
// more than half of the weight in more than half of the groups with non-zero weight. Division
// rounds down, as in Java: of a weight of 3, 2 are enough.
type hierarchical struct {
	members
	group       map[int64]int64 // by server
	weight      map[int64]int64 // by server
	groupWeight map[int64]int64 // by group
	groups      int             // those with non-zero weight
	groupOrder  idTable         // of servers in group
	weightOrder idTable         // of servers in weight
}

func parseHierarchical(entries []entry) (QuorumVerifier, error) {
	q := &hierarchical{members: newMembers(), group: map[int64]int64{}, weight: map[int64]int64{}, groupWeight: map[int64]int64{}}
	for _, e := range entries {
		known, err := q.read(e)
		if err != nil {
			return nil, err
		}
		switch {
		case known:
		case strings.HasPrefix(e.key, "group"):
			err = q.readGroup(e)
		case strings.HasPrefix(e.key, "weight"):
			err = q.readWeight(e)
		}
		if err != nil {
			return nil, fmt.Errorf("%s=%s: %w", e.key, e.value, err)
		}
	}
	for _, m := range q.Voting() {
		if _, ok := q.group[m.ID]; !ok {
			return nil, fmt.Errorf("Server %d is not in a group (add it to a group.N line)", m.ID)
		}
		if _, ok := q.weight[m.ID]; !ok {
			q.weight[m.ID] = 1
			q.weightOrder.put(m.ID)
		}
	}
	for _, id := range q.groupOrder.ids {
		// Apache fails here with a NullPointerException.
		if _, ok := q.weight[id]; !ok {
			return nil, fmt.Errorf("group.%d names server %d, which is not a participant and has no weight.%d", q.group[id], id, id)
		}
		q.groupWeight[q.group[id]] += q.weight[id]
	}
	for _, weight := range q.groupWeight {
		if weight != 0 {
			q.groups++
		}
	}
	return q, nil
}

func (q *hierarchical) readGroup(e entry) error {
	gid, err := parseID(e.key[strings.IndexByte(e.key, '.')+1:])
	if err != nil {
		return illegalArgument("expected group.N, with N a number")
	}
	for _, s := range javaSplit(e.value, ":") {
		id, err := parseID(s)
		if err != nil {
			return fmt.Errorf("expected server ids separated by colons: %w", err)
		}
		if _, again := q.group[id]; again {
			return fmt.Errorf("Server %d is in multiple groups", id)
		}
		q.group[id] = gid
		q.groupOrder.put(id)
	}
	return nil
}

// maxWeight keeps the sum of weights within int64 for as many servers as fit into a file.
const maxWeight = 1 << 40

func (q *hierarchical) readWeight(e entry) error {
	id, err := parseID(e.key[strings.IndexByte(e.key, '.')+1:])
	if err != nil {
		return illegalArgument("expected weight.N, with N a server id")
	}
	w, err := strconv.ParseInt(e.value, 10, 64)
	if err != nil || w < 0 || w > maxWeight {
		return illegalArgument(fmt.Sprintf("expected a weight from 0 to %d", int64(maxWeight)))
	}
	q.weight[id] = w
	q.weightOrder.put(id)
	return nil
}

func (q *hierarchical) ContainsQuorum(ids IDs) bool {
	sums := map[int64]int64{}
	for id := range ids {
		if gid, ok := q.group[id]; ok && q.isVoter(id) {
			sums[gid] += q.weight[id]
		}
	}
	majorities := 0
	for gid, sum := range sums {
		if sum > q.groupWeight[gid]/2 {
			majorities++
		}
	}
	return majorities > q.groups/2
}

// isVoter also accepts a server that has only a group and a weight, as Apache does.
func (q *hierarchical) isVoter(id int64) bool {
	m, ok := q.byID[id]
	return !ok || m.Role == Participant
}

func (q *hierarchical) Weight(id int64) int64 { return q.weight[id] }

func (q *hierarchical) String() string {
	var b strings.Builder
	q.writeServers(&b)
	// The groups come in the order of a HashMap filled in the order of the servers.
	var order idTable
	lists := map[int64][]string{}
	for _, id := range q.groupOrder.ordered() {
		gid := q.group[id]
		order.put(gid)
		lists[gid] = append(lists[gid], strconv.FormatInt(id, 10))
	}
	for _, gid := range order.ordered() {
		fmt.Fprintf(&b, "group.%d=%s\n", gid, strings.Join(lists[gid], ":"))
	}
	for _, id := range q.weightOrder.ordered() {
		fmt.Fprintf(&b, "weight.%d=%d\n", id, q.weight[id])
	}
	q.writeVersion(&b)
	return b.String()
}

func (q *hierarchical) Bytes() []byte { return []byte(q.String()) }

func (q *hierarchical) Equal(v QuorumVerifier) bool {
	o, ok := v.(*hierarchical)
	return ok && (o.version == q.version || q.equal(&o.members) && maps.Equal(q.group, o.group) && maps.Equal(q.weight, o.weight))
}

func (q *hierarchical) WithVersion(version int64) QuorumVerifier {
	c := *q
	c.version = version
	return &c
}

func (q *hierarchical) WithMember(m Member) QuorumVerifier {
	c := *q
	c.members = q.replaced(m)
	return &c
}
