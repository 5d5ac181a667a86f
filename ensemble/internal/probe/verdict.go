package probe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// Verdict is the conclusion from the readings of an ensemble.
type Verdict struct {
	Quorum    answer.Opt[bool]  `json:"quorum"`    // writes succeed
	Voters    answer.Opt[int64] `json:"voters"`    // participants of the configuration
	Serving   int64             `json:"serving"`   // of them, as far as they answered
	Tolerates answer.Opt[int64] `json:"tolerates"` // how many more voters may fail
	Leader    string            `json:"leader,omitempty"`
	Sentence  string            `json:"verdict"`
	Problems  []string          `json:"problems"`
}

// Judge sums up the state of the ensemble in a sentence, and lists problems of single members.
func (s *Survey) Judge() Verdict {
	v := Verdict{Problems: []string{}}
	var leaders, standing, unsure []*Reading
	up := zoocfg.IDs{}
	voters, nameless := int64(0), 0
	for _, r := range s.Readings {
		if r.Stranger || !r.Votes() {
			continue
		}
		voters++
		if r.Unseen() {
			unsure = append(unsure, r)
		}
		if r.State != Serving || r.ReadOnly() {
			continue
		}
		standing = append(standing, r)
		if id, ok := r.ID.Get(); ok {
			up.Add(id)
		} else {
			nameless++
		}
		if r.Leads() && !slices.ContainsFunc(leaders, func(o *Reading) bool { return s.perhapsSame(r, o) && r.Epoch() == o.Epoch() }) {
			leaders = append(leaders, r)
		}
	}
	v.Serving = int64(len(standing))
	if s.Config != nil { // one that does not tell its id may be one that does, at another address
		v.Serving = int64(max(len(up), nameless))
	}
	unasked := int64(0) // voters of the configuration
	if s.Config != nil {
		n := int64(len(s.Config.Voting()))
		voters, unasked = n, max(0, n-voters)
	}
	if s.Config != nil || !s.Alone {
		v.Voters = answer.Some(voters)
	}
	if len(leaders) > 0 {
		v.Leader = leaders[0].Name()
	}
	s.memberProblems(&v)
	switch {
	case len(standing) == 1 && standing[0].Mode == "standalone" && (s.Config == nil || voters == 1):
		v.Quorum, v.Tolerates, v.Voters = answer.Some(true), answer.Some[int64](0), answer.Some[int64](1)
		v.Sentence = "one server that runs alone: nothing takes over if it fails"
	case len(standing) == 0 && len(unsure) > 0 && !slices.ContainsFunc(s.Readings, func(r *Reading) bool { return r.State == NotServing }):
		v.Sentence = fmt.Sprintf("none of the %s", command.Plural(len(s.Readings), "member answered", "members answered"))
		if len(s.Readings) == 1 {
			v.Sentence = "the member did not answer"
		}
	case len(standing) == 0:
		v.Quorum = answer.Some(false)
		v.Sentence = "no quorum: no member serves clients"
		if slices.ContainsFunc(s.Readings, (*Reading).ReadOnly) {
			v.Sentence = "no quorum: the members that serve are read-only"
		}
	case len(leaders) > 1:
		v.Quorum = answer.Some(false)
		v.Sentence = "two leaders: " + epochs(leaders) + "; they are not one ensemble, or one of them has not noticed yet that it lost its quorum"
	default:
		s.judgeQuorum(&v, voters, unasked, unsure, up, leaders)
	}
	return v
}

// perhapsSame reports whether two readings may be of one member at two addresses.
func (s *Survey) perhapsSame(r, o *Reading) bool {
	return s.Config != nil && !(r.ID.Known() && o.ID.Known())
}

// judgeQuorum completes the verdict on an ensemble in which some voters serve.
func (s *Survey) judgeQuorum(v *Verdict, voters, unasked int64, unsure []*Reading, up zoocfg.IDs, leaders []*Reading) {
	need := voters/2 + 1
	has, could := v.Serving >= need, v.Serving+int64(len(unsure))+unasked >= need
	if s.Config != nil && len(up) == int(v.Serving) {
		all := maps.Clone(up)
		for _, r := range unsure {
			all.Add(r.ID.Or(-1))
		}
		for _, m := range s.Config.Voting() {
			if !slices.ContainsFunc(s.Readings, func(r *Reading) bool { return r.ID == answer.Some(m.ID) }) {
				all.Add(m.ID)
			}
		}
		has, could = s.Config.ContainsQuorum(up), s.Config.ContainsQuorum(all)
	}
	leader := ""
	standing := v.Serving
	if len(leaders) == 1 {
		leader = ", leader " + leaders[0].Name()
		if synced, ok := leaders[0].SyncedFollowers.Get(); ok {
			// What the leader counts is true even of members that cannot be reached from here. But it does not know at once that one is gone.
			has = has || synced+1 >= need
			standing = max(standing, min(synced+1, standing+unasked))
			if synced+1 > standing {
				v.Problems = append(v.Problems, fmt.Sprintf("the leader counts %s, of which %d answered here",
					command.Counted(synced, "synced follower"), v.Serving-1))
			}
		}
	}
	hidden := leader == "" && s.Alone && s.Config == nil
	proof, proved := s.Proof.Get()
	missing := leader == "" && !proof && slices.ContainsFunc(s.Readings, func(r *Reading) bool { return r.State != Serving && r.State != Asked && r.Votes() })
	switch {
	case proved && !proof && leader == "" && (has || could):
		v.Sentence = fmt.Sprintf("quorum in doubt: no leader answered, and %s could not commit a session in time; %d of %d voters answered as serving", s.Prover, v.Serving, voters)
	case missing && !hidden && has:
		v.Sentence = fmt.Sprintf("quorum in doubt: %d of %d voters answered as serving, but no leader did", v.Serving, voters)
	case proof && !has && could:
		v.Quorum = answer.Some(true)
		v.Sentence = fmt.Sprintf("quorum: %s committed a session, but only %d of %d voters answered as serving", s.Prover, v.Serving, voters)
	case hidden && !has, s.Alone && s.Config == nil && v.Serving == int64(len(s.Readings)) && leader == "":
		v.Sentence = fmt.Sprintf("%s; how many make the ensemble is unknown", command.Plural(v.Serving, "voter serves", "voters serve"))
		v.Quorum = answer.Some(true) // a member serves only with a leader
	case !has && could: // a member serves only while it has a quorum, or has not noticed yet that it lost it
		v.Sentence = fmt.Sprintf("quorum in doubt: %d of %d voters answered as serving, and %d are needed%s", v.Serving, voters, need, leader)
	case !has:
		v.Quorum = answer.Some(false)
		v.Sentence = fmt.Sprintf("no quorum: %d of %d voters serve, and %d are needed", v.Serving, voters, need)
	default:
		v.Quorum = answer.Some(true)
		spare := s.spare(voters, standing, up)
		v.Tolerates = answer.Some(spare)
		then := "one more failure stops writes"
		if spare > 0 {
			then = command.Plural(spare, "more failure is", "more failures are") + " tolerated"
		}
		if standing == voters {
			then = strings.Replace(strings.Replace(then, "one more failure", "any failure", 1), " more failure", " failure", 1)
		}
		v.Sentence = fmt.Sprintf("quorum %d of %d%s: %s", standing, voters, leader, then)
		switch {
		case leader == "" && proof:
			v.Problems = append(v.Problems, fmt.Sprintf("the leader is not among the members that answered, but %s committed a session", s.Prover))
		case leader == "":
			v.Problems = append(v.Problems, "the leader is not among the members that answered")
		}
	}
}

// spare returns how many of the serving voters may fail, whichever they are.
func (s *Survey) spare(voters, serving int64, up zoocfg.IDs) int64 {
	const most = 15 // voters; beyond that, groups and weights are ignored
	if s.Config == nil || len(up) != int(serving) || serving > most {
		return max(0, serving-(voters/2+1))
	}
	ids := []int64{}
	for id := range up {
		ids = append(ids, id)
	}
	spare := int64(0)
	for s.survives(ids, up, int(spare)+1) {
		spare++
	}
	return spare
}

// survives reports whether every choice of n ids can be missing from up.
func (s *Survey) survives(ids []int64, up zoocfg.IDs, n int) bool {
	if n == 0 {
		return s.Config.ContainsQuorum(up)
	}
	if len(up) <= n {
		return false
	}
	for i, id := range ids {
		delete(up, id)
		ok := s.survives(ids[i+1:], up, n-1) || len(ids[i+1:]) < n-1
		up.Add(id)
		if !ok {
			return false
		}
	}
	return true
}

// farBehind is the number of transactions from which a member has missed more than what is under way.
const farBehind = 100

// memberProblems adds the problems of single members.
func (s *Survey) memberProblems(v *Verdict) {
	add := func(r *Reading, format string, a ...any) {
		v.Problems = append(v.Problems, r.Label()+" "+fmt.Sprintf(format, a...))
	}
	releases := map[string]bool{}
	var newest answer.Opt[int64] // epoch of a leader
	for _, r := range s.Readings {
		if epoch, ok := r.Epoch().Get(); ok && r.Leads() && !r.Stranger {
			newest = answer.Some(max(epoch, newest.Or(0)))
		}
	}
	for _, r := range s.Readings {
		if r.Version != "" && !r.Stranger {
			releases[r.Release()] = true
		}
		switch {
		case r.Config.foreign(s.Config):
			add(r, "is a member of another ensemble: its configuration and that of %s have no server in common", s.Config.From)
		case r.Stranger && r.Mode == "standalone":
			add(r, "runs alone: it is not part of the ensemble that %s is in", s.Config.From)
		case r.Stranger:
			add(r, "is not in the configuration that %s has", s.Config.From)
		}
		if trouble := r.Trouble(); trouble != "" {
			add(r, "%s", trouble)
		}
		if r.ReadOnly() {
			add(r, "is read-only: it is cut off from the quorum")
		}
		if r.State == Serving {
			if epoch, ok := r.Epoch().Get(); ok && !r.Stranger && newest.Known() && epoch > newest.Or(0) {
				add(r, "has transactions of epoch %d, and the leader is in epoch %d: they are not one ensemble, or an election is under way", epoch, newest.Or(0))
			}
			if epoch, ok := r.Epoch().Get(); ok && !r.Stranger && epoch < newest.Or(0) && r.Lag.Or(0) >= farBehind {
				add(r, "has no transaction of the leader's epoch %d, which has %d: it is far behind, or a member of another ensemble", newest.Or(0), r.Lag.Or(0))
			}
			if c := r.Config; c != nil && s.Config != nil && !r.Stranger {
				if d := c.Difference(s.Config); d != "" {
					add(r, "has another configuration than %s: %s", s.Config.From, d)
				}
			}
		}
	}
	if len(releases) > 1 {
		var list []string
		for release := range releases {
			list = append(list, release)
		}
		slices.Sort(list)
		v.Problems = append(v.Problems, "the members run different releases: "+strings.Join(list, ", "))
	}
}

// Trouble says, after the member's name, why it does not serve, or is "" if it serves or has not answered yet.
func (r *Reading) Trouble() string {
	switch r.State {
	case Down:
		return fmt.Sprintf("is down: %v", r.Error)
	case Silent:
		return fmt.Sprintf("is silent: %v", r.Error)
	case Failed:
		return fmt.Sprintf("could not be asked: %v", r.Error)
	case NotServing:
		peer := ""
		if r.Peer != "" {
			peer = " (" + r.Peer + ")"
		}
		return "does not serve: it has no leader, or is starting" + peer
	}
	return ""
}

// Unseen reports whether the member may serve clients although nothing was learnt from it.
func (r *Reading) Unseen() bool { return r.State == Silent || r.State == Failed || r.State == Asked }

// Label names a member in a sentence.
func (r *Reading) Label() string {
	if id, ok := r.ID.Get(); ok {
		return fmt.Sprintf("member %d (%s)", id, r.Name())
	}
	return r.Name()
}

// epochs names leaders with their epochs.
func epochs(list []*Reading) string {
	var s []string
	for _, r := range list {
		name := r.Name()
		if e, ok := r.Epoch().Get(); ok {
			name += fmt.Sprintf(" (epoch %d)", e)
		}
		s = append(s, name)
	}
	return strings.Join(s, " and ")
}
