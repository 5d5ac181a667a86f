package localserver

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// Condition is how an ensemble, or a single server, is as a whole.
type Condition string

// Conditions.
const (
	ConditionServing  Condition = "running"   // clients are served
	ConditionNoQuorum Condition = "no quorum" // too few of the voting members run and see each other
	ConditionNoLeader Condition = "no leader" // enough do, and have not agreed on a leader yet
	ConditionFailed   Condition = "failed"    // no member runs, and one at least has failed
	ConditionDown     Condition = "down"      // no member runs
	ConditionSilent   Condition = "no answer" // the only member runs, and does not answer
)

// String is the condition in words.
func (c Condition) String() string { return string(c) }

// Condition tells how the ensemble is as a whole, from what its members say of themselves
// (Status), and why, unless clients are served.
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
		return ConditionDown, "no member is left here"
	case run == 0 && failed != "":
		return ConditionFailed, failed
	case run == 0:
		return ConditionDown, "no member runs"
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
		condition, why = ConditionNoQuorum, fmt.Sprintf("none of the voting members %s runs", strings.Join(voting, ", "))
	case !v.ContainsQuorum(alive):
		condition, why = ConditionNoQuorum, fmt.Sprintf("of the voting members %s only %d run, which are no majority; %s are missing",
			strings.Join(voting, ", "), len(voting)-len(missing), strings.Join(missing, ", "))
	case !e.linked(v, alive):
		condition, why = ConditionNoQuorum, "the voting members that see each other are no majority"
	default:
		condition, why = ConditionNoLeader, "an election is under way"
	}
	if readers > 0 {
		why += "; those who only read are served"
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

// newestConfig is the newest configuration that is known, nil without one.
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
