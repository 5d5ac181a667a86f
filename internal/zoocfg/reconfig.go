package zoocfg

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
)

// ReconfigError says why a reconfiguration was refused: the code for the client and the words for
// the log.
type ReconfigError struct {
	Code proto.Error
	Text string
}

func (e *ReconfigError) Error() string { return e.Text }
func (e *ReconfigError) Unwrap() error { return e.Code }

// ReconfigOptions are zoo.cfg's settings that concern reconfigurations.
type ReconfigOptions struct {
	StandaloneEnabled bool // if true, a configuration needs two participants, otherwise one
	MultiAddress      bool
}

// NextVerifier computes the configuration that a reconfig request makes of the last seen one,
// with PrepRequestProcessor's checks in the same order; version is the zxid of the request. Every
// error is a *ReconfigError (BadVersion, BadArguments, or MarshallingError where Apache fails on
// a number).
//
// The caller must check the rest. Before: reconfigEnabled is true, the server is not standalone,
// and no other reconfiguration is in progress (the last seen and current versions are equal).
// After: enough of the new participants are synced (ErrNewConfigNoQuorum), and the ACL of
// /zookeeper/config.
func NextVerifier(last QuorumVerifier, r *proto.ReconfigRequest, version int64, opt ReconfigOptions) (QuorumVerifier, error) {
	if r.CurConfigID != -1 && r.CurConfigID != last.Version() {
		return nil, &ReconfigError{proto.ErrBadVersion, fmt.Sprintf("Reconfiguration from version %d failed -- last seen version is %d", r.CurConfigID, last.Version())}
	}
	var next QuorumVerifier
	var err error
	if r.NewMembers != "" {
		next, err = parseNewMembers(r.NewMembers, opt)
	} else {
		next, err = changeMembers(last, r.JoiningServers, r.LeavingServers, opt)
	}
	var refused *ReconfigError
	if errors.As(err, &refused) {
		return nil, refused
	}
	if err != nil {
		code := proto.ErrBadArguments
		if e := illegalArgument(""); errors.As(err, &e) {
			code = proto.ErrMarshallingError
		}
		return nil, &ReconfigError{code, err.Error()}
	}
	switch voters := len(next.Voting()); {
	case opt.StandaloneEnabled && voters < 2:
		return nil, badArguments("Reconfig failed - new configuration must include at least 2 followers")
	case voters < 1:
		return nil, badArguments("Reconfig failed - new configuration must include at least 1 follower")
	}
	return next.WithVersion(version), nil
}

func badArguments(format string, args ...any) error {
	return &ReconfigError{proto.ErrBadArguments, fmt.Sprintf(format, args...)}
}

// parseNewMembers parses a whole configuration, with lines separated by commas or line ends.
func parseNewMembers(text string, opt ReconfigOptions) (QuorumVerifier, error) {
	entries, err := parseText([]byte(strings.ReplaceAll(text, ",", "\n")), true)
	if err != nil {
		return nil, err
	}
	next, err := parseVerifier(entries, true)
	if err != nil {
		return nil, err
	}
	if err := Check(next, opt.StandaloneEnabled); err != nil {
		return nil, err
	}
	if !opt.MultiAddress {
		if err := checkSingleAddresses(next); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// changeMembers removes the leaving members (whether or not they exist) and then adds or replaces
// the joining ones.
func changeMembers(last QuorumVerifier, joining, leaving string, opt ReconfigOptions) (QuorumVerifier, error) {
	old, ok := last.(*majority)
	if !ok {
		return nil, badArguments("Incremental reconfiguration requested but last configuration seen has a non-majority quorum system")
	}
	next := &majority{members: newMembers()}
	next.order = *old.order.copied()
	for id, m := range old.byID {
		next.byID[id] = m
	}
	for _, s := range javaSplitTrimmed(leaving, ",") {
		id, err := parseID(s)
		if err != nil {
			return nil, err
		}
		next.order.remove(id)
		delete(next.byID, id)
	}
	taken := map[HostPort]int{} // how many members have each address
	claim := func(m Member, n int) {
		for _, a := range m.addresses() {
			taken[a] += n
		}
	}
	for _, m := range next.byID {
		claim(m, 1)
	}
	for _, line := range javaSplitTrimmed(joining, ",") {
		m, err := ParseServerLine(line)
		if e := illegalArgument(""); errors.As(err, &e) {
			return nil, err
		}
		if err != nil {
			return nil, badArguments("Reconfiguration failed: %v", err)
		}
		if len(m.Addrs) > 1 && !opt.MultiAddress {
			return nil, badArguments("Reconfiguration failed: Multiple address feature is disabled, but multiple addresses were specified for sid %d", m.ID)
		}
		if m.Client.IsZero() {
			return nil, badArguments("Wrong format of server string - each server should have 3 ports specified")
		}
		claim(next.byID[m.ID], -1)
		if slices.ContainsFunc(m.addresses(), func(a HostPort) bool { return taken[a] > 0 && !isSpecial(a.Host) }) {
			return nil, conflict(m, next.Members())
		}
		claim(m, 1)
		next.order.remove(m.ID)
		next.put(m)
	}
	next.voters = len(next.Voting())
	return next, nil
}

// conflict reports whose address a member also has.
func conflict(m Member, members []Member) error {
	for _, other := range members {
		if mine, theirs, found := conflicting(m, other); found && other.ID != m.ID {
			return badArguments("%s of server.%d conflicts %s of server.%d", mine, m.ID, theirs, other.ID)
		}
	}
	return badArguments("an address of server.%d belongs to another server", m.ID)
}

// conflicting finds an address that two members share. Loopback and any-host addresses do not
// count (QuorumServer.checkAddressDuplicate). Names are compared as written; Apache compares the
// addresses they resolve to.
func conflicting(a, b Member) (mine, theirs HostPort, found bool) {
	for _, mine := range a.addresses() {
		for _, theirs := range b.addresses() {
			if mine == theirs && !isSpecial(mine.Host) {
				return mine, theirs, true
			}
		}
	}
	return mine, theirs, false
}

func (m Member) addresses() (all []HostPort) {
	for _, a := range m.Addrs {
		all = append(all, a.Quorum(), a.Election())
	}
	if !m.Client.IsZero() {
		all = append(all, m.Client)
	}
	return all
}

func isSpecial(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || host == "localhost" || err == nil && (ip.IsUnspecified() || ip.IsLoopback())
}
