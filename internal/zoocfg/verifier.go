package zoocfg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// IDs is a set of server ids.
type IDs map[int64]struct{}

// NewIDs returns a set of ids.
func NewIDs(ids ...int64) IDs {
	s := make(IDs, len(ids))
	for _, id := range ids {
		s[id] = struct{}{}
	}
	return s
}

// Has reports whether id is in the set.
func (s IDs) Has(id int64) bool { _, ok := s[id]; return ok }

// Add adds id to the set.
func (s IDs) Add(id int64) { s[id] = struct{}{} }

// QuorumVerifier is the configuration of an ensemble: its members, which sets of them are a
// quorum, and the version (interface QuorumVerifier in Apache ZooKeeper, with QuorumMaj and
// QuorumHierarchical). It is immutable and may be shared between goroutines; WithVersion and
// WithMember return changed copies.
type QuorumVerifier interface {
	// ContainsQuorum reports whether the set contains a quorum. Ids of observers and strangers in
	// it do not count.
	ContainsQuorum(IDs) bool
	// Weight returns a server's weight: 1 with majority quorums; 0 means that its vote does not
	// count.
	Weight(id int64) int64
	// Members returns all servers, Voting the participants and Observing the observers, in
	// ZooKeeper's order (that of String). The caller owns the slices.
	Members() []Member
	Voting() []Member
	Observing() []Member
	// Member finds a server by its id.
	Member(id int64) (Member, bool)
	// Version returns the zxid of the reconfiguration that made this configuration, or 0 for the
	// one that the ensemble was started with.
	Version() int64
	// String returns the text of /zookeeper/config exactly as Apache prints it: a line for each
	// server, group and weight, and "version=" in hexadecimal without a line end.
	String() string
	// Bytes returns String's bytes, for the data of the znode and of packets.
	Bytes() []byte
	// Equal is QuorumMaj.equals: two configurations of the same kind and version are equal;
	// otherwise members, groups and weights are compared.
	Equal(QuorumVerifier) bool
	// WithVersion returns this configuration with another version.
	WithVersion(int64) QuorumVerifier
	// WithMember returns this configuration with the entry of m.ID replaced, without changing its
	// role. It is for client addresses taken from zoo.cfg.
	WithMember(m Member) QuorumVerifier
}

// members is what both kinds of quorum share.
type members struct {
	byID    map[int64]Member
	order   idTable
	version int64
}

func newMembers() members { return members{byID: map[int64]Member{}} }

func (s *members) put(m Member) {
	s.order.put(m.ID)
	s.byID[m.ID] = m
}

func (s *members) selected(want func(Member) bool) (list []Member) {
	for _, id := range s.order.ordered() {
		if m := s.byID[id]; want(m) {
			list = append(list, m)
		}
	}
	return list
}

func (s *members) Members() []Member { return s.selected(func(Member) bool { return true }) }
func (s *members) Voting() []Member {
	return s.selected(func(m Member) bool { return m.Role == Participant })
}
func (s *members) Observing() []Member {
	return s.selected(func(m Member) bool { return m.Role == Observer })
}
func (s *members) Member(id int64) (Member, bool) { m, ok := s.byID[id]; return m, ok }
func (s *members) Version() int64                 { return s.version }

func (s *members) equal(o *members) bool {
	if len(s.byID) != len(o.byID) {
		return false
	}
	for id, m := range s.byID {
		if other, ok := o.byID[id]; !ok || !m.Equal(other) {
			return false
		}
	}
	return true
}

func (s *members) replaced(m Member) members {
	c := *s
	c.byID = make(map[int64]Member, len(s.byID))
	for id, old := range s.byID {
		c.byID[id] = old
	}
	if old, ok := c.byID[m.ID]; ok {
		m.Role = old.Role
		c.byID[m.ID] = m
	}
	return c
}

func (s *members) writeServers(b *strings.Builder) {
	for _, m := range s.Members() {
		fmt.Fprintf(b, "server.%d=%s\n", m.ID, m)
	}
}

func (s *members) writeVersion(b *strings.Builder) {
	b.WriteString("version=" + strconv.FormatUint(uint64(s.version), 16))
}

// read handles a server.N or version line, and reports whether it was one.
func (s *members) read(e entry) (bool, error) {
	switch {
	case strings.HasPrefix(e.key, "server."):
		id, err := parseID(e.key[len("server."):])
		if err != nil {
			return true, fmt.Errorf("%s=%s: %w", e.key, e.value, err)
		}
		m, err := ParseMember(id, e.value)
		if err != nil {
			return true, err
		}
		s.put(m)
		return true, nil
	case e.key == "version":
		// Long.parseLong(…, 16) accepts neither a sign bit nor 0x.
		v, err := strconv.ParseInt(e.value, 16, 64)
		if err != nil {
			return true, illegalArgument(fmt.Sprintf("version=%s: expected a hexadecimal number", e.value))
		}
		s.version = v
		return true, nil
	}
	return false, nil
}

// majority is QuorumMaj: more than half of the participants.
type majority struct {
	members
	voters int
}

// NewMajority returns a configuration with majority quorums, in ZooKeeper's order. If several
// members have the same id, the last one is kept.
func NewMajority(version int64, list ...Member) QuorumVerifier {
	q := &majority{members: newMembers()}
	q.version = version
	for _, m := range list {
		q.put(m)
	}
	q.voters = len(q.Voting())
	return q
}

func parseMajority(entries []entry) (QuorumVerifier, error) {
	q := &majority{members: newMembers()}
	for _, e := range entries {
		if _, err := q.read(e); err != nil {
			return nil, err
		}
	}
	q.voters = len(q.Voting())
	return q, nil
}

func (q *majority) ContainsQuorum(ids IDs) bool {
	n := 0
	for id := range ids {
		if m, ok := q.byID[id]; ok && m.Role == Participant {
			n++
		}
	}
	return n > q.voters/2
}

func (q *majority) Weight(int64) int64 { return 1 }

func (q *majority) String() string {
	var b strings.Builder
	q.writeServers(&b)
	q.writeVersion(&b)
	return b.String()
}

func (q *majority) Bytes() []byte { return []byte(q.String()) }

func (q *majority) Equal(v QuorumVerifier) bool {
	o, ok := v.(*majority)
	return ok && (o.version == q.version || q.equal(&o.members))
}

func (q *majority) WithVersion(version int64) QuorumVerifier {
	c := *q
	c.version = version
	return &c
}

func (q *majority) WithMember(m Member) QuorumVerifier {
	c := *q
	c.members = q.replaced(m)
	return &c
}

// ParseVerifier parses a configuration as in the data of a NEWLEADER packet, an election
// notification or /zookeeper/config: server.N, group.N, weight.N and version, nothing else. It is
// hierarchical if there is a group or a weight. It makes no further checks; see Check.
func ParseVerifier(data []byte) (QuorumVerifier, error) {
	entries, err := parseText(data, true)
	if err != nil {
		return nil, fmt.Errorf("read the ensemble's configuration: %w", err)
	}
	v, err := parseVerifier(entries, true)
	if err != nil {
		return nil, fmt.Errorf("read the ensemble's configuration: %w", err)
	}
	return v, nil
}

// parseVerifier is the first half of QuorumPeerConfig.parseDynamicConfig. With strict it refuses
// other parameters, which zoo.cfg has.
func parseVerifier(entries []entry, strict bool) (QuorumVerifier, error) {
	entries = slices.Clone(entries)
	hierarchical := false
	for i := range entries {
		e := &entries[i]
		e.key = strings.TrimSpace(e.key)
		switch {
		case strings.HasPrefix(e.key, "group"), strings.HasPrefix(e.key, "weight"):
			hierarchical = true
		case strict && !strings.HasPrefix(e.key, "server.") && e.key != "version":
			return nil, fmt.Errorf("Unrecognised parameter: %s (only server.N, group.N, weight.N and version are allowed here)", e.key)
		}
	}
	if hierarchical {
		return parseHierarchical(entries)
	}
	return parseMajority(entries)
}

// Check applies the checks of QuorumPeerConfig.parseDynamicConfig to a whole configuration;
// standaloneEnabled is zoo.cfg's.
func Check(v QuorumVerifier, standaloneEnabled bool) error {
	voters, observers := len(v.Voting()), len(v.Observing())
	switch {
	case voters == 0 && !standaloneEnabled:
		return illegalArgument("standaloneEnabled = false then number of participants should be >0: add a server.N line with the role participant")
	case voters == 0 && observers > 0:
		return illegalArgument("Observers w/o participants is an invalid configuration")
	case voters == 1 && standaloneEnabled && observers > 0:
		return illegalArgument("Observers w/o quorum is an invalid configuration: set standaloneEnabled=false or add participants")
	}
	return nil
}

// checkSingleAddresses refuses several addresses for a member, as Apache does unless
// multiAddress.enabled is true.
func checkSingleAddresses(v QuorumVerifier) error {
	for _, m := range v.Members() {
		if len(m.Addrs) > 1 {
			return fmt.Errorf("Multiple address feature is disabled, but multiple addresses were specified for sid %d (set multiAddress.enabled=true)", m.ID)
		}
	}
	return nil
}
