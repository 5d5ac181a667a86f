package localserver

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// Condition is the state of an ensemble, or of a standalone server, as a whole.
type Condition string

// The conditions.
const (
	ConditionServing  Condition = "running"   // clients are served
	ConditionNoQuorum Condition = "no quorum" // too few of the voting members are running and can reach each other
	ConditionNoLeader Condition = "no leader" // enough of them are, but have not elected a leader yet
	ConditionFailed   Condition = "failed"    // no member is running, and at least one has failed
	ConditionDown     Condition = "down"      // no member is running
	ConditionSilent   Condition = "no answer" // the only member is running but does not answer
)

// String returns the condition in words.
func (c Condition) String() string { return string(c) }

// Condition returns the state of the ensemble as a whole, derived from its members' Status, and
// why, unless clients are served.
func (e *Ensemble) Condition(members []Status) (condition Condition, why string) {
	run, failed, readers := 0, "", 0
	alive := zoocfg.IDs{}
	for _, s := range members {
		switch {
		case s.Role == RoleReadOnly:
			readers++
		case s.Role.Serves():
			return ConditionServing, ""
		}
		switch s.Role {
		case RoleFailed:
			if failed == "" {
				failed = fmt.Sprintf("member %d: %s", s.ID, s.Error)
			}
		case RoleStopped, RolePaused:
		default:
			run++
			alive.Add(s.ID)
		}
	}
	switch {
	case len(members) == 0:
		return ConditionDown, "no members are left here"
	case run == 0 && failed != "":
		return ConditionFailed, failed
	case run == 0:
		return ConditionDown, "no member is running"
	case !e.distributed():
		return ConditionSilent, fmt.Sprintf("it did not answer within %v", statusPatience)
	}
	v := e.newestConfig()
	if v == nil {
		return ConditionNoLeader, "no member serves"
	}
	var voting, missing []string
	for _, m := range v.Voting() {
		id := strconv.FormatInt(m.ID, 10)
		voting = append(voting, id)
		switch {
		case !e.hasFolder(m.ID):
			alive.Add(m.ID) // it may well run, elsewhere
		case !alive.Has(m.ID):
			missing = append(missing, id)
		}
	}
	switch {
	case len(missing) == len(voting):
		condition, why = ConditionNoQuorum, fmt.Sprintf("none of the voting members %s is running", strings.Join(voting, ", "))
	case !v.ContainsQuorum(alive):
		condition, why = ConditionNoQuorum, fmt.Sprintf("only %[2]d of the voting members %[1]s are running, which is not a majority; missing: %[3]s",
			strings.Join(voting, ", "), len(voting)-len(missing), strings.Join(missing, ", "))
	case !e.linked(v, alive):
		condition, why = ConditionNoQuorum, "the voting members that can reach each other are not a majority"
	default:
		condition, why = ConditionNoLeader, "an election is in progress"
	}
	if readers > 0 {
		why += "; only read-only clients are served"
	}
	return condition, why
}

// linked reports whether one of the members sees enough others to lead them.
func (e *Ensemble) linked(v zoocfg.QuorumVerifier, alive zoocfg.IDs) bool {
	cut := e.CutLinks()
	for id := range alive {
		seen := maps.Clone(alive)
		for _, pair := range cut {
			switch id {
			case pair[0]:
				delete(seen, pair[1])
			case pair[1]:
				delete(seen, pair[0])
			}
		}
		if v.ContainsQuorum(seen) {
			return true
		}
	}
	return false
}

// newestConfig returns the newest known configuration, or nil.
func (e *Ensemble) newestConfig() (newest zoocfg.QuorumVerifier) {
	for _, m := range e.Members() {
		if s := m.embedded(); s != nil {
			if p, ok := s.quorum.(*peer); ok {
				if v := p.Status().Config; newest == nil || v.Version() > newest.Version() {
					newest = v
				}
			}
		}
	}
	if saved, err := e.saved(); err == nil && saved != nil && (newest == nil || saved.Version() > newest.Version()) {
		newest = saved
	}
	return newest
}
